'use strict';
// Devices on AMQP.

const assert = require('node:assert/strict');
const { errors, results } = require('azure-iot-common');
const { Message } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { answering } = require('./lib/methods');
const { overEachTransport, test } = require('./lib/tests');
const { getTwin, report, watchDesired } = require('./lib/twin');
const { event, Inbox, roundTrip, within } = require('./lib/wait');

const HOUR = 3600; // seconds

const AWKWARD = {
  plain: 'value',
  empty: '',
  slash: '/devices/other/messages/events/',
  ampersand: 'a=1&b=2',
  unicode: 'Grüße, 世界 ☃ 𝄞',
  'a name/with=all&of+them %?#': 'x',
};

overEachTransport('a device', (Transport) => {
  test('shows in the registry and on the control port', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await roundTrip(client);
    assert.equal((await device.registered()).connectionState, 'Connected');
    const connection = await device.connection();
    assert.equal(connection.connected, true);
    assert.equal(connection.protocol, Transport.name);
    assert.equal(connection.authentication, 'sas');

    await within(client.close(), 'closing');
    const { code } = await device.lastDisconnect();
    assert.equal(code, 0);
    assert.equal((await device.registered()).connectionState, 'Disconnected');
  });

  test('sends telemetry, which arrives exactly as sent', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const message = new Message(JSON.stringify({ temperature: 21.5, where: 'Grüße, 世界 ☃' }));
    Object.assign(message, {
      messageId: 'm-1.2:3_4*5?(6),7=8@9;$\'!%#',
      correlationId: 'a correlation/with = & + % ünïcode',
      contentType: 'application/json;charset=utf-8',
      contentEncoding: 'utf-8',
    });
    for (const [name, value] of Object.entries(AWKWARD)) {
      message.properties.add(name, value);
    }
    await within(client.sendEvent(message), 'acknowledgement');
    await within(client.sendEvent(new Message(Buffer.from([0x00, 0x80, 0xff]))), 'acknowledgement');

    const [sent, binary] = await hub.control.events(device.deviceId, 2);
    assert.equal(sent.body, message.getData());
    assert.deepEqual(sent.properties, AWKWARD);
    assert.equal(sent.source, 'Telemetry');
    for (const [name, value] of Object.entries({
      'message-id': message.messageId,
      'correlation-id': message.correlationId,
      'content-type': message.contentType,
      'content-encoding': message.contentEncoding,
      'iothub-connection-device-id': device.deviceId,
      'iothub-connection-auth-generation-id': device.identity.generationId,
    })) {
      assert.equal(sent.systemProperties[name], value, name);
    }
    assert.deepEqual(Buffer.from(binary.body, 'base64'), Buffer.from([0x00, 0x80, 0xff]));
  });

  test('receives messages and completes, rejects or abandons them', async (t) => {
    const device = await hub.newDevice();
    for (const messageId of ['completed', 'rejected', 'abandoned']) {
      await device.send({ body: messageId, messageId, properties: AWKWARD, ack: 'full' });
    }
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    const [completed, rejected, abandoned] = await inbox.take(3);
    assert.equal(completed.getData().toString(), 'completed');
    assert.equal(completed.messageId, 'completed');
    assert.equal(completed.to, `/devices/${device.deviceId}/messages/devicebound`);
    assert.deepEqual(properties(completed), AWKWARD);
    assert.equal(await device.queued(), 3);

    assert.ok(await client.complete(completed) instanceof results.MessageCompleted);
    assert.ok(await client.reject(rejected) instanceof results.MessageRejected);
    assert.ok(await client.abandon(abandoned) instanceof results.MessageAbandoned);
    const again = await inbox.takeOne();
    assert.equal(again.messageId, 'abandoned');
    await client.complete(again);

    const records = await device.feedback(3);
    assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode]), [
      ['completed', 'Success'], ['rejected', 'Rejected'], ['abandoned', 'Success'],
    ]);
    assert.equal(await device.queued(), 0);
  });

  test('reports properties and fetches its twin', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const twin = await getTwin(client);
    assert.deepEqual(twin.properties.desired, { $version: 1 });
    await report(twin, { firmware: { version: '1', build: 7 }, where: 'Grüße ☃', gone: 'soon' });
    await report(twin, { firmware: { build: 8 }, gone: null });
    await assert.rejects(report(twin, { 'a.b': 1 }));

    const { responseBody: seen } = await device.twin();
    const { $metadata: metadata, ...reported } = seen.properties.reported;
    assert.deepEqual(reported, { firmware: { version: '1', build: 8 }, where: 'Grüße ☃', $version: 3 });
  });

  test('is told of desired properties', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const { twin, deltas } = await watchDesired(client);
    await device.setDesired({ interval: 10, limits: { low: 1 } });
    assert.deepEqual(await deltas.takeOne(), { interval: 10, limits: { low: 1 }, $version: 2 });
    await device.setDesired({ limits: { low: null, high: 9 } });
    assert.deepEqual(await deltas.takeOne(), { limits: { low: null, high: 9 }, $version: 3 });
    assert.deepEqual(twin.properties.desired, { interval: 10, limits: { high: 9 }, $version: 3 });
  });

  test('answers direct methods', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'double', ({ payload }) => [202, payload && 2 * payload]);
    for (const payload of [1, -1.5]) {
      const call = device.invoke({ methodName: 'double', payload, connectTimeoutInSeconds: 10 });
      assert.deepEqual(await within(call, 'answer'), { status: 202, payload: 2 * payload });
      assert.equal((await calls.takeOne()).payload, payload);
    }
  });

  test('renews its token without leaving', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    await roundTrip(client);
    const { since } = await device.connection();
    for (const hours of [2, 3]) {
      // New values make the SDK sign a new token, and use it, at once.
      await client.setOptions({
        tokenRenewal: { tokenValidTimeInSeconds: hours * HOUR, tokenRenewalMarginInSeconds: HOUR },
      });
      await roundTrip(client);
      await device.send({ body: `token of ${hours} hours` });
      const message = await inbox.takeOne();
      assert.equal(message.getData().toString(), `token of ${hours} hours`);
      await client.complete(message);
    }
    assert.equal((await device.connection()).since, since);
  });

  test('takes the place of its older connection over MQTT', async (t) => {
    const device = await hub.newDevice();
    const older = await device.connect(t, Mqtt);
    const gone = event(older, 'disconnect');
    const newer = await device.connect(t, Transport);
    await roundTrip(newer);
    assert.ok((await gone).transportObj instanceof errors.NotConnectedError);
    assert.equal((await device.lastDisconnect()).code, 400027);
    assert.equal((await device.connection()).protocol, Transport.name);
    await roundTrip(newer);
  });

  test('gives its place up to its newer connection over MQTT', async (t) => {
    const device = await hub.newDevice();
    await roundTrip(await device.connect(t, Transport));
    const newer = await device.connect(t, Mqtt);
    await roundTrip(newer);
    assert.equal((await device.lastDisconnect()).code, 409002);
    assert.equal((await device.connection()).protocol, 'Mqtt');
    const inbox = Inbox.of(newer, 'message');
    await device.send({ body: 'to the newer' });
    await inbox.takeOne();
  });

  test('is refused with a wrong key', async (t) => {
    const [device, other] = [await hub.newDevice(), await hub.newDevice()];
    const connectionString = device.connectionString({ SharedAccessKey: other.primaryKey });
    const client = device.client(t, Transport, { connectionString });
    await assert.rejects(within(client.open(), 'refusal'), errors.UnauthorizedError);
    assert.notEqual((await device.registered()).connectionState, 'Connected');
  });
}, [Amqp, AmqpWs]);

function properties(message) {
  return Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
}
