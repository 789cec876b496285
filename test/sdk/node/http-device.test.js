'use strict';
// Devices that speak HTTPS: azure-iot-device-http.

const assert = require('node:assert/strict');
const { promisify } = require('node:util');
const { errors, results } = require('azure-iot-common');
const { Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { test } = require('./lib/tests');
const { Inbox, roundTrip, within } = require('./lib/wait');

// connect is a client that has opened, which over HTTP means nothing yet, and that
// polls when a test says so only.
async function connect(t, device, options) {
  const client = await device.connect(t, Http, options);
  await polling(client, { manualPolling: true });
  return client;
}

// polling sets when a client looks for messages.
function polling(client, receivePolicy) {
  return promisify(client.setOptions.bind(client))({ http: { receivePolicy } });
}

// receiving has a client tell of what it fetches. fetch has it fetch all that there
// is, now.
function receiving(client) {
  const inbox = Inbox.of(client, 'message');
  inbox.fetch = () => polling(client, { at: new Date(), drain: true });
  return inbox;
}

test('an HTTPS device sends telemetry, which arrives exactly as sent', async (t) => {
  const device = await hub.newDevice();
  const client = await connect(t, device);
  const message = new Message(JSON.stringify({ temperature: 21.5, where: 'Grüße ☃' }));
  Object.assign(message, { messageId: 'm-1.2:3_4*5?(6),7=8@9;$\'!%#', correlationId: 'c/1', userId: 'somebody' });
  message.properties.add('temperatureAlert', 'true');
  message.properties.add('lower', 'a=1&b=2');
  message.properties.add('UPPER-case_!#', '');
  const enqueued = await within(client.sendEvent(message), 'acknowledgement');
  assert.ok(enqueued instanceof results.MessageEnqueued);
  await within(client.sendEvent(new Message(Buffer.from([0x00, 0x80, 0xff]))), 'acknowledgement');

  const [sent, binary] = await hub.control.events(device.deviceId, 2);
  assert.equal(sent.body, message.getData());
  assert.deepEqual(sent.properties, { temperatureAlert: 'true', lower: 'a=1&b=2', 'UPPER-case_!#': '' });
  for (const [name, value] of Object.entries({
    'message-id': message.messageId,
    'correlation-id': message.correlationId,
    'user-id': message.userId,
    'iothub-connection-device-id': device.deviceId,
    'iothub-connection-auth-generation-id': device.identity.generationId,
  })) {
    assert.equal(sent.systemProperties[name], value, name);
  }
  assert.deepEqual(JSON.parse(sent.systemProperties['iothub-connection-auth-method']),
    { scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null });
  assert.deepEqual(Buffer.from(binary.body, 'base64'), Buffer.from([0x00, 0x80, 0xff]));
});

test('an HTTPS device sends a batch, which keeps its order', async (t) => {
  const device = await hub.newDevice();
  const client = await connect(t, device);
  const batch = Array.from({ length: 100 }, (_, i) => new Message(`message ${i}`));
  batch[7].properties.add('mixedCase', 'seven');
  batch[7].properties.add('second', 'two');
  await within(client.sendEventBatch(batch), 'acknowledgement');
  const events = await hub.control.events(device.deviceId, 100);
  assert.deepEqual(events.map((e) => e.body), batch.map((m) => m.getData()));
  assert.deepEqual(events[7].properties, { mixedCase: 'seven', second: 'two' });
  assert.deepEqual(events[8].properties, {});
});

test('an HTTPS device sends what fits', async (t) => {
  const device = await hub.newDevice();
  const client = await connect(t, device);
  await within(client.sendEvent(new Message('x'.repeat(256 * 1024))), 'acknowledgement');
  const tooLarge = (err) => err instanceof errors.MessageTooLargeError;
  await assert.rejects(within(client.sendEvent(new Message('x'.repeat(256 * 1024 + 1))), 'refusal'), tooLarge);
  const half = new Message('x'.repeat(140 * 1024));
  await assert.rejects(within(client.sendEventBatch([half, half]), 'refusal'), tooLarge);
  const events = await hub.control.events(device.deviceId, 1);
  assert.equal(events.length, 1);
});

test('an HTTPS device receives messages and completes, rejects or abandons them', async (t) => {
  const device = await hub.newDevice();
  for (const messageId of ['completed', 'rejected', 'abandoned']) {
    await device.send({
      body: messageId, messageId, correlationId: 'c1', properties: { plain: 'value', 'a-b_c': 'x' }, ack: 'full',
    });
  }
  const client = await connect(t, device);
  const inbox = receiving(client);
  await inbox.fetch();
  const [completed, rejected, abandoned] = await inbox.take(3);
  assert.equal(completed.getData().toString(), 'completed');
  assert.equal(completed.messageId, 'completed');
  assert.equal(completed.correlationId, 'c1');
  assert.equal(completed.to, `/devices/${device.deviceId}/messages/deviceBound`);
  assert.match(completed.lockToken, /^[0-9a-f]{8}-/);
  // The SDK keeps the header's whole name, as Node has it.
  assert.equal(completed.properties.getValue('iothub-app-plain'), 'value');
  assert.equal(completed.properties.getValue('iothub-app-a-b_c'), 'x');

  assert.ok(await within(client.complete(completed), 'completion') instanceof results.MessageCompleted);
  await within(client.reject(rejected), 'rejection');
  await within(client.abandon(abandoned), 'abandonment');
  await inbox.fetch();
  const again = await inbox.takeOne();
  assert.equal(again.messageId, 'abandoned');
  assert.notEqual(again.lockToken, abandoned.lockToken);
  // The SDK tells what HTTP said: 412, the lock was lost.
  await assert.rejects(within(client.complete(abandoned), 'refusal'), { message: 'Precondition Failed' });
  await within(client.complete(again), 'completion');

  const records = await device.feedback(3);
  assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode]), [
    ['completed', 'Success'], ['rejected', 'Rejected'], ['abandoned', 'Success'],
  ]);
  assert.equal(await device.queued(), 0);
});

test('an HTTPS device polls by itself', async (t) => {
  const device = await hub.newDevice();
  const client = await device.connect(t, Http);
  await polling(client, { interval: 1, drain: true });
  const inbox = Inbox.of(client, 'message');
  await device.send({ body: 'hello' });
  const message = await inbox.takeOne();
  await within(client.complete(message), 'completion');
  assert.equal(await device.queued(), 0);
});

test('an HTTPS device is never connected, but active', async (t) => {
  const device = await hub.newDevice();
  const client = await connect(t, device);
  await roundTrip(client);
  const { connectionState, lastActivityTime, connectionStateUpdatedTime } = await device.registered();
  assert.equal(connectionState, 'Disconnected');
  assert.match(connectionStateUpdatedTime, /^0001-01-01/);
  assert.ok(Date.now() - new Date(lastActivityTime).getTime() < 60_000, lastActivityTime);
  assert.equal(await device.connection(), undefined);
});

test('an HTTPS device shares its queue with its connection', async (t) => {
  const device = await hub.newDevice();
  await device.send({ body: 'first', messageId: 'first' });
  const http = await connect(t, device);
  const fetched = receiving(http);
  await fetched.fetch();
  const first = await fetched.takeOne();
  const mqtt = await device.connect(t, Mqtt);
  const pushed = Inbox.of(mqtt, 'message');
  await roundTrip(mqtt);
  assert.equal(pushed.waiting.length, 0); // it is locked by the request
  await within(http.abandon(first), 'abandonment');
  assert.equal((await pushed.takeOne()).messageId, 'first');
  await roundTrip(http); // it has not cut the connection
  await roundTrip(mqtt);
});

test('an HTTPS device with a wrong key, or none that is known, is refused', async (t) => {
  const device = await hub.newDevice();
  const wrong = Buffer.alloc(32, 1).toString('base64');
  for (const [who, code] of [[device, 401003], [hub.unregistered(wrong), 404001]]) {
    const client = await connect(t, who, { connectionString: who.connectionString({ SharedAccessKey: wrong }) });
    await assert.rejects(within(client.sendEvent(new Message('x')), 'refusal'), (err) => {
      assert.ok(err instanceof errors.UnauthorizedError, err.stack);
      return true;
    });
    assert.equal((await who.refusal()).code, code);
  }
  await device.setStatus('disabled');
  const client = await connect(t, device);
  await assert.rejects(within(client.sendEvent(new Message('x')), 'refusal'));
  assert.equal((await device.refusal()).code, 403012);
});
