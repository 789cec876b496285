'use strict';
// Cloud-to-device messages: queued by a back end, delivered to the device,
// completed by its acknowledgement, reported by feedback.

const assert = require('node:assert/strict');
const { results } = require('azure-iot-common');
const { hub } = require('./lib/hubs');
const { overEachTransport, test } = require('./lib/tests');
const { DeviceProcess } = require('./lib/device-process');
const { Inbox, roundTrip } = require('./lib/wait');

const QUEUE = 50; // messages
const LARGEST = 64 * 1024; // bytes

const AWKWARD = {
  plain: 'value',
  empty: '',
  space: ' a  b ',
  slash: '/devices/other/messages/devicebound/',
  plus: '1+1',
  equals: 'a=b=c',
  ampersand: 'a=1&b=2',
  percent: '100%25%',
  question: '?$rid=1',
  wildcards: '#/+/#',
  unicode: 'Grüße, 世界 ☃ 𝄞',
  'a name/with=all&of+them %': 'x',
};

overEachTransport('cloud-to-device messages', (Transport) => {
  test('arrive with their properties, are completed, and feedback says so', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    const system = {
      messageId: 'message 1/2',
      correlationId: 'a correlation/with = & + % ünïcode',
      userId: 'back end',
      contentType: 'application/json;charset=utf-8',
      contentEncoding: 'utf-8',
    };
    const body = '{"where":"Grüße, 世界 ☃"}';
    await device.send({ body, properties: AWKWARD, ...system, ack: 'full' });

    const message = await inbox.takeOne();
    assert.equal(message.getData().toString(), body);
    for (const [name, value] of Object.entries(system)) {
      assert.equal(message[name], value, name);
    }
    assert.equal(message.to, `/devices/${device.deviceId}/messages/deviceBound`);
    assert.deepEqual(properties(message), { 'iothub-ack': 'full', ...AWKWARD });
    assert.ok(await client.complete(message) instanceof results.MessageCompleted);

    const [record] = await device.feedback(1);
    const { enqueuedTimeUtc, ...rest } = record;
    assert.deepEqual(rest, {
      originalMessageId: system.messageId,
      statusCode: 'Success',
      description: 'Success',
      deviceId: device.deviceId,
      deviceGenerationId: device.identity.generationId,
    });
    assert.ok(Date.parse(enqueuedTimeUtc) <= Date.now(), enqueuedTimeUtc);
    assert.equal(await device.queued(), 0);
  });

  test('may be binary, empty, or 64 KB large', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    const bytes = Buffer.from([0x00, 0x01, 0x80, 0xfe, 0xff]);
    await device.send({ body: bytes.toString('base64'), bodyEncoding: 'base64' });
    await device.send({ body: '' });
    const large = 'x'.repeat(LARGEST - 1024); // the rest is for the properties
    await device.send({ body: large });

    const messages = await inbox.take(3);
    assert.deepEqual(messages[0].getData(), bytes);
    assert.equal(messages[1].getData().length, 0);
    assert.ok(messages[2].getData().toString() === large);
    await assert.rejects(device.send({ body: 'x'.repeat(LARGEST + 1) }), { status: 413, code: 'MessageTooLarge' });
  });

  test('sent before the device first connected are delivered then, oldest first', async (t) => {
    const device = await hub.newDevice();
    const bodies = await sendThree(device);
    assert.equal(await device.queued(), 3);

    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    assert.deepEqual((await inbox.take(3)).map(text), bodies);
    await roundTrip(client);
    assert.equal(await device.queued(), 0);
  });

  test('sent while the device was away are delivered when it is back, without a new subscription', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    await roundTrip(client);
    await client.close();
    const bodies = await sendThree(device);

    await client.open(); // subscribes to nothing: the hub has kept its session
    assert.deepEqual((await inbox.take(3)).map(text), bodies);
  });

  test('wait for the device to listen', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await device.send({ body: 'patience' });
    await roundTrip(client);
    assert.equal(await device.queued(), 1);

    const inbox = Inbox.of(client, 'message');
    assert.equal(text(await inbox.takeOne()), 'patience');
  });

  test('wait again when the device stops listening', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const first = Inbox.of(client, 'message');
    await device.send({ body: 'first' });
    await first.takeOne();
    client.removeAllListeners('message');
    await roundTrip(client);
    await device.send({ body: 'second' });
    await roundTrip(client);
    assert.equal(await device.queued(), 1);

    const second = Inbox.of(client, 'message');
    assert.equal(text(await second.takeOne()), 'second');
    assert.deepEqual(first.waiting, []);
  });

  test('are reported as their sender asked', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    for (const ack of ['none', 'negative', 'positive', 'full']) {
      await device.send({ messageId: ack, ack });
    }
    await inbox.take(4);

    const records = await device.feedback(2);
    assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode]), [
      ['positive', 'Success'], ['full', 'Success'],
    ]);
  });

  test('that were never acknowledged come back to the device\'s next connection, in order', async (t) => {
    const device = await hub.newDevice();
    const frozen = await DeviceProcess.start(t, device, Transport);
    frozen.freeze(); // it receives and says nothing
    const bodies = await sendThree(device);
    assert.equal(await device.queued(), 3);
    frozen.kill();

    // The session is kept, so they may arrive with the connection itself.
    const client = device.client(t, Transport);
    const inbox = Inbox.of(client, 'message');
    await client.open();
    assert.deepEqual((await inbox.take(3)).map(text), bodies);
    await roundTrip(client);
    assert.equal(await device.queued(), 0);
  });

  test('to a device that does not fetch them fill its queue', async (t) => {
    const device = await hub.newDevice();
    for (let i = 0; i < QUEUE; i++) {
      await device.send({ messageId: `${i}` });
    }
    await assert.rejects(device.send({ body: 'one too many' }), {
      status: 403, code: 'DeviceMaximumQueueDepthExceeded',
    });
    assert.equal(await device.queued(), QUEUE);

    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    const messages = await inbox.take(QUEUE);
    assert.deepEqual(messages.map((m) => m.messageId), Array.from({ length: QUEUE }, (_, i) => `${i}`));
  });
});

test('cloud-to-device messages can be purged', async () => {
  const device = await hub.newDevice();
  await device.send({ messageId: 'purged', ack: 'full' });
  await device.send({ messageId: 'unreported' });
  const purged = await hub.rest.cloudToDeviceMessages.purgeCloudToDeviceMessageQueue(device.deviceId);
  assert.equal(purged.totalMessagesPurged, 2);
  assert.equal(purged.deviceId, device.deviceId);
  assert.equal(await device.queued(), 0);
  const records = await device.feedback(1);
  assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode]), [['purged', 'Purged']]);
});

async function sendThree(device) {
  const bodies = ['first', 'second', 'third'];
  for (const body of bodies) {
    await device.send({ body });
  }
  return bodies;
}

function text(message) {
  return message.getData().toString();
}

function properties(message) {
  return Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
}
