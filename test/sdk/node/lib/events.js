'use strict';
// Readers of the Event-Hubs-compatible endpoint.

const assert = require('node:assert/strict');
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const WebSocket = require('ws');
const { Inbox, within } = require('./wait');

// The ways to the endpoint: what each adds to the connection string and to the
// client's options.
const WAYS = {
  TLS: {},
  WebSocket: { options: { webSocketOptions: { websocket: WebSocket } } },
  'plain TCP': { connectionString: 'UseDevelopmentEmulator=true' },
};

class Reader {
  #errors = [];

  // A reader does not retry: what goes wrong fails its test, at whose end it is
  // closed.
  constructor(t, hub, way = WAYS.TLS, connectionString = hub.events) {
    this.client = new EventHubConsumerClient(
      EventHubConsumerClient.defaultConsumerGroupName,
      [connectionString, way.connectionString].filter(Boolean).join(';'),
      { retryOptions: { maxRetries: 0 }, ...way.options });
    t.after(() => this.close());
  }

  // close ends the reader. A partition has no more than five at a time.
  async close() {
    await within(this.client.close(), 'closing the reader');
    assert.deepEqual(this.#errors, []);
  }

  // read is an inbox of the devices' events, from all partitions unless one is given.
  read(deviceIds, { partition, startPosition = earliestEventPosition } = {}) {
    const inbox = new Inbox();
    const handlers = {
      processEvents: async (events) => events.filter((e) => deviceIds.includes(sender(e))).forEach((e) => inbox.put(e)),
      processError: async (err) => { this.#errors.push(err); },
    };
    const options = { startPosition, skipParsingBodyAsJson: true, maxBatchSize: 100, maxWaitTimeInSeconds: 1 };
    if (partition === undefined) {
      this.client.subscribe(handlers, options);
    } else {
      this.client.subscribe(partition, handlers, options);
    }
    return inbox;
  }
}

// sender is the device that sent an event.
function sender(event) {
  return event.systemProperties['iothub-connection-device-id'];
}

module.exports = { Reader, sender, WAYS };
