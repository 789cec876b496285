'use strict';
// A back end on AMQP: it sends to devices and hears what became of it. These tests
// have a hub to themselves: feedback is one queue for all devices, and is held back
// until the clock says that no more will come.

const assert = require('node:assert/strict');
const { Message, NoRetry } = require('azure-iot-common');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Amqp, AmqpWs, Client } = require('azure-iothub');
const { backEndHub: hub } = require('./lib/hubs');
const { overEachTransport, test } = require('./lib/tests');
const { Inbox, within } = require('./lib/wait');

const QUEUE = 50; // messages
const LARGEST = 64 * 1024; // bytes

overEachTransport('a back end', (Transport) => {
  test('sends a message with its properties', async (t) => {
    const device = await hub.newDevice();
    const inbox = Inbox.of(await device.connect(t, Mqtt), 'message');
    const message = new Message('{"where":"Grüße, 世界 ☃"}');
    const system = {
      messageId: 'message 1/2',
      correlationId: 'a correlation/with = & + % ünïcode',
      contentType: 'application/json;charset=utf-8',
      contentEncoding: 'utf-8',
    };
    Object.assign(message, system, { ack: 'full' });
    const properties = { plain: 'value', empty: '', ampersand: 'a=1&b=2', 'a name/with=all&of+them %': 'Grüße ☃' };
    for (const [name, value] of Object.entries(properties)) {
      message.properties.add(name, value);
    }
    const backEnd = await connect(t, Transport);
    await within(backEnd.send(device.deviceId, message), 'acknowledgement');

    const received = await inbox.takeOne();
    assert.equal(received.getData().toString(), message.getData());
    for (const [name, value] of Object.entries(system)) {
      assert.equal(received[name], value, name);
    }
    assert.equal(received.to, `/devices/${device.deviceId}/messages/deviceBound`);
    assert.deepEqual(
      Object.fromEntries(received.properties.propertyList.map(({ key, value }) => [key, value])),
      { 'iothub-ack': 'full', ...properties });
  });

  test('sends many, which arrive in order', async (t) => {
    const device = await hub.newDevice();
    const backEnd = await connect(t, Transport);
    const bodies = Array.from({ length: QUEUE }, (_, i) => `message ${i}`);
    for (const body of bodies) {
      await within(backEnd.send(device.deviceId, body), 'acknowledgement');
    }
    assert.equal(await device.queued(), QUEUE);
    await rejects(backEnd.send(device.deviceId, 'one too many'), 'DeviceMaximumQueueDepthExceededError');

    const inbox = Inbox.of(await device.connect(t, Mqtt), 'message');
    assert.deepEqual((await inbox.take(QUEUE)).map((m) => m.getData().toString()), bodies);
  });

  test('hears why a message is not taken, and can send the next', async (t) => {
    const device = await hub.newDevice();
    const backEnd = await connect(t, Transport);
    await rejects(backEnd.send('nobody', 'hello'), 'DeviceNotFoundError');
    await rejects(backEnd.send(device.deviceId, 'x'.repeat(LARGEST + 1)), 'MessageTooLargeError');
    const message = new Message('hello');
    message.ack = 'perhaps';
    await rejects(backEnd.send(device.deviceId, message), 'ArgumentError');
    assert.equal(await device.queued(), 0);
    await within(backEnd.send(device.deviceId, 'hello'), 'acknowledgement');
    assert.equal(await device.queued(), 1);
  });

  test('hears what became of its messages', async (t) => {
    const device = await hub.newDevice();
    const backEnd = await connect(t, Transport);
    const { result: receiver } = await within(backEnd.getFeedbackReceiver(), 'receiver of feedback');
    const feedback = Inbox.of(receiver, 'message');
    const messages = Inbox.of(await device.connect(t, Mqtt), 'message');
    for (const ack of ['none', 'positive', 'full']) {
      const message = new Message('hello');
      Object.assign(message, { messageId: ack, ack });
      await within(backEnd.send(device.deviceId, message), 'acknowledgement');
    }
    await messages.take(3);
    await device.feedback(2);
    await hub.control.advance('16s');

    // The SDK accepts a batch before it shows it: abandoning it would come too late.
    const batch = await feedback.takeOne();
    assert.equal(batch.contentType, 'application/vnd.microsoft.iothub.feedback.json');
    await within(receiver.complete(batch), 'completion');
    const records = JSON.parse(batch.getData()).filter((r) => r.deviceId === device.deviceId);
    for (const { enqueuedTimeUtc, ...record } of records) {
      assert.ok(Date.parse(enqueuedTimeUtc) > 0, enqueuedTimeUtc);
      assert.deepEqual({ ...record, originalMessageId: '' }, {
        originalMessageId: '',
        statusCode: 'Success',
        description: 'Success',
        deviceId: device.deviceId,
        deviceGenerationId: device.identity.generationId,
      });
    }
    assert.deepEqual(records.map((r) => r.originalMessageId), ['positive', 'full']);
  });

  test('may listen to notifications of files, of which there are none', async (t) => {
    const backEnd = await connect(t, Transport);
    const { result: receiver } = await within(backEnd.getFileNotificationReceiver(), 'receiver of notifications');
    const notifications = Inbox.of(receiver, 'message');
    const device = await hub.newDevice();
    await within(backEnd.send(device.deviceId, 'hello'), 'acknowledgement');
    assert.deepEqual(notifications.waiting, []);
  });

  test('is refused with a wrong key', async (t) => {
    const { primaryKey } = await hub.newDevice();
    const connectionString = hub.policies.service.replace(/SharedAccessKey=.*/, `SharedAccessKey=${primaryKey}`);
    await assert.rejects(within(client(t, Transport, connectionString).open(), 'refusal'), (err) => {
      assert.equal(err.amqpError?.name, 'UnauthorizedError', err.stack); // the SDK wraps it
      return true;
    });
  });

  test('is refused what its policy does not allow', async (t) => {
    const device = await hub.newDevice();
    const backEnd = client(t, Transport, hub.policies.registryRead);
    await assert.rejects(within(backEnd.open().then(() => backEnd.send(device.deviceId, 'hello')), 'refusal'));
    assert.equal(await device.queued(), 0);
  });
}, [Amqp, AmqpWs]);

// client is a client that has not connected yet, and does not retry.
function client(t, Transport, connectionString = hub.policies.service) {
  const backEnd = Client.fromConnectionString(connectionString, Transport);
  backEnd.setRetryPolicy(new NoRetry());
  t.after(() => within(backEnd.close(), 'closing the back end'));
  return backEnd;
}

async function connect(t, Transport) {
  const backEnd = client(t, Transport);
  await within(backEnd.open(), 'connecting the back end');
  return backEnd;
}

function rejects(promise, name) {
  return assert.rejects(within(promise, name), { name });
}
