'use strict';
// Readers of the Event-Hubs-compatible endpoint.

const assert = require('node:assert/strict');
const { createHmac } = require('node:crypto');
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const WebSocket = require('ws');
const { Inbox, within } = require('./wait');

// CountedWebSocket tells whether a client really goes through WebSockets: the SDK
// ignores an option that it does not know.
class CountedWebSocket extends WebSocket {
  static opened = 0;

  constructor(...args) {
    super(...args);
    CountedWebSocket.opened++;
  }
}

// The ways to the endpoint: what each adds to the connection string and to the
// client's options.
const WAYS = {
  TLS: {},
  WebSocket: { options: { webSocketOptions: { webSocket: CountedWebSocket } }, used: () => CountedWebSocket.opened },
  'plain TCP': { connectionString: 'UseDevelopmentEmulator=true' },
};

class Reader {
  // What went wrong. A test that expects something takes it, since what is left
  // fails the test.
  errors = new Inbox();

  // A reader does not retry: what goes wrong fails its test, at whose end it is
  // closed. It reads for a consumer group, with credentials of its own where there
  // are some.
  constructor(t, hub, way = WAYS.TLS, connectionString = hub.events,
    { group = EventHubConsumerClient.defaultConsumerGroupName, credential } = {}) {
    const options = { retryOptions: { maxRetries: 0 }, ...way.options };
    this.client = credential
      ? new EventHubConsumerClient(group, hub.host, part(connectionString, 'EntityPath'), credential, options)
      : new EventHubConsumerClient(group, [connectionString, way.connectionString].filter(Boolean).join(';'), options);
    this.used = way.used;
    t.after(() => this.close());
  }

  // close ends the reader. A partition has no more than five at a time.
  async close() {
    await within(this.client.close(), 'closing the reader');
    assert.notEqual(this.used?.(), 0, 'WebSockets used');
    assert.deepEqual(this.errors.waiting, []);
  }

  // read is an inbox of the devices' events, from all partitions unless one is given.
  // Where the partition ends goes to another, if that is given.
  read(deviceIds, { partition, startPosition = earliestEventPosition, ownerLevel, ends } = {}) {
    const inbox = new Inbox();
    const handlers = {
      processEvents: async (events, context) => {
        events.filter((e) => deviceIds.includes(sender(e))).forEach((e) => inbox.put(e));
        if (ends && events.length > 0) ends.put(context.lastEnqueuedEventProperties);
      },
      processError: async (err) => { this.errors.put(err); },
    };
    const options = { startPosition, ownerLevel, trackLastEnqueuedEventProperties: ends !== undefined, skipParsingBodyAsJson: true, maxBatchSize: 100, maxWaitTimeInSeconds: 1 };
    if (partition === undefined) {
      this.client.subscribe(handlers, options);
    } else {
      this.client.subscribe(partition, handlers, options);
    }
    return inbox;
  }
}

// Tokens are a back end's own: each is good for an hour, and the SDK is told so as
// to ask for the next in a moment.
class Tokens {
  given = new Inbox();
  static #count = 0;

  constructor(connectionString) {
    this.policy = part(connectionString, 'SharedAccessKeyName');
    this.key = part(connectionString, 'SharedAccessKey');
    this.resource = encodeURIComponent(`${part(connectionString, 'Endpoint')}${part(connectionString, 'EntityPath')}`);
  }

  async getToken() {
    const expiry = Math.floor(Date.now() / 1000) + 3600 + Tokens.#count++; // no two are the same
    const signature = createHmac('sha256', this.key).update(`${this.resource}\n${expiry}`).digest('base64');
    const token = `SharedAccessSignature sr=${this.resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${this.policy}`;
    this.given.put(token);
    return { token, expiresOnTimestamp: Date.now() + EARLY + 200 };
  }

  // stop gives no more tokens: the SDK does not always stop asking when its client
  // is closed.
  stop() {
    this.getToken = () => new Promise(() => {});
  }
}

const EARLY = 120_000; // ms before its end that the SDK renews a token

// part is a part of a connection string.
function part(connectionString, name) {
  return connectionString.match(new RegExp(`(?:^|;)${name}=([^;]*)`))[1];
}

// sender is the device that sent an event.
function sender(event) {
  return event.systemProperties['iothub-connection-device-id'];
}

module.exports = { Reader, sender, Tokens, WAYS };
