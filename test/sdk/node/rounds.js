'use strict';
// Devices, a back end and a reader of events in one process, for test/sdk/rounds:
// it takes requests from its standard input, a line of JSON each, answers each with
// a line, and tells of what it receives with more of them.

const readline = require('node:readline');
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const { Message: DeviceMessage, Client: DeviceClient } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Message: ServiceMessage } = require('azure-iot-common');
const { Client: ServiceClient } = require('azure-iothub');

const TRANSPORTS = { Mqtt, MqttWs, Amqp, AmqpWs };
const devices = {};
let backEnd;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function filled(message, { body, properties, ...system }) {
  Object.assign(message, { data: Buffer.from(body), ...system });
  Object.entries(properties).forEach(([name, value]) => message.properties.add(name, value));
  return message;
}

function plain(message) {
  const { messageId, correlationId } = message;
  const properties = Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
  return { body: message.getData().toString(), messageId, correlationId, properties };
}

const requests = {
  async open({ device, transport, connectionString }) {
    const client = DeviceClient.fromConnectionString(connectionString, TRANSPORTS[transport]);
    devices[device] = client;
    client.on('message', (message) => {
      say({ kind: 'message', device, message: plain(message) });
      if (!transport.startsWith('Mqtt')) { // over MQTT the SDK has acknowledged it
        client.complete(message, () => {});
      }
    });
    await client.open();
  },

  async send({ device, message }) {
    await devices[device].sendEvent(filled(new DeviceMessage(''), message));
  },

  async sendToDevice({ device, message, connectionString }) {
    if (!backEnd) {
      backEnd = ServiceClient.fromConnectionString(connectionString);
      await backEnd.open();
    }
    await backEnd.send(device, filled(new ServiceMessage(''), message));
  },

  async feedback() {
    const { result: feedback } = await backEnd.getFeedbackReceiver();
    feedback.on('message', async (batch) => {
      say({ kind: 'feedback', records: JSON.parse(batch.getData()) });
      await feedback.complete(batch);
    });
  },

  async leave() {
    await backEnd.close();
  },

  async read({ connectionString }) {
    const reader = new EventHubConsumerClient('$Default', connectionString);
    reader.subscribe({
      processEvents: async (events) => events.forEach((event) => say({
        kind: 'event',
        device: event.systemProperties['iothub-connection-device-id'],
        message: {
          body: event.body.toString(),
          messageId: event.messageId,
          correlationId: event.correlationId,
          contentType: event.contentType,
          contentEncoding: event.systemProperties.contentEncoding,
          properties: event.properties,
        },
        generation: event.systemProperties['iothub-connection-auth-generation-id'],
        source: event.systemProperties['iothub-message-source'],
        enqueued: event.enqueuedTimeUtc.getTime(),
        sequence: event.sequenceNumber,
        offset: event.offset,
      })),
      processError: async (err) => say({ kind: 'failure', reason: err.stack }),
    }, { startPosition: earliestEventPosition, skipParsingBodyAsJson: true, maxWaitTimeInSeconds: 1 });
  },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line);
  try {
    await requests[request.do](request);
    say({ kind: 'done' });
  } catch (err) {
    say({ kind: 'done', failure: err.stack });
  }
}).on('close', () => process.exit(0));
