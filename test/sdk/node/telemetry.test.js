'use strict';
// Device-to-cloud messages: what a device sends is what the hub's journal has.

const assert = require('node:assert/strict');
const { errors } = require('azure-iot-common');
const { Message } = require('azure-iot-device');
const { hub } = require('./lib/hubs');
const { overEachTransport, test } = require('./lib/tests');
const { event, roundTrip, within } = require('./lib/wait');

const LARGEST = 256 * 1024; // bytes of a message, its properties included

// Every character that has a meaning in a topic or a property bag.
const AWKWARD = {
  plain: 'value',
  empty: '',
  space: ' a  b ',
  slash: '/devices/other/messages/events/',
  plus: '1+1',
  equals: 'a=b=c',
  ampersand: 'a=1&b=2',
  percent: '100%25%',
  question: '?$rid=1',
  dollar: '$.mid',
  wildcards: '#/+/#',
  quotes: '"\'`<>\\{}[]|^~',
  unicode: 'Grüße, 世界 ☃ 𝄞',
  'a name/with=all&of+them %?#': 'x',
  'Ünïcode': 'y',
};

overEachTransport('telemetry', (Transport) => {
  test('arrives with its body and properties exactly as sent', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const body = JSON.stringify({ temperature: 21.5, where: 'Grüße, 世界 ☃' });
    const message = new Message(body);
    Object.assign(message, {
      messageId: 'm-1.2:3_4*5?(6),7=8@9;$\'!%#',
      correlationId: 'a correlation/with = & + % ünïcode',
      userId: 'somebody@example.com',
      contentType: 'application/json;charset=utf-8',
      contentEncoding: 'utf-8',
    });
    for (const [name, value] of Object.entries(AWKWARD)) {
      message.properties.add(name, value);
    }
    await client.sendEvent(message);

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.equal(sent.body, body);
    assert.equal(sent.bodyEncoding, 'utf-8');
    assert.deepEqual(sent.properties, AWKWARD);
    assert.equal(sent.source, 'Telemetry');
    assert.equal(sent.deviceId, device.deviceId);
    assert.equal(sent.moduleId, undefined);
    assert.deepEqual(sent.systemProperties, {
      'message-id': message.messageId,
      'correlation-id': message.correlationId,
      'user-id': message.userId,
      'content-type': message.contentType,
      'content-encoding': message.contentEncoding,
      ...stamps(device, sent),
    });
  });

  test('without properties has the hub\'s stamps only', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const before = Date.now();
    await client.sendEvent(new Message('bare'));

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.deepEqual(sent.properties, {});
    assert.deepEqual(sent.systemProperties, stamps(device, sent));
    assert.deepEqual(JSON.parse(sent.systemProperties['iothub-connection-auth-method']), {
      scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null,
    });
    const enqueued = Date.parse(sent.enqueuedTime);
    assert.ok(enqueued >= before && enqueued <= Date.now(), `enqueued at ${sent.enqueuedTime}`);
  });

  test('may be binary, or empty', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const bytes = Buffer.from([0x00, 0x01, 0x80, 0xfe, 0xff, 0x0a]);
    await client.sendEvent(new Message(bytes));
    await client.sendEvent(new Message(''));

    const [binary, empty] = await hub.control.events(device.deviceId, 2);
    assert.equal(binary.bodyEncoding, 'base64');
    assert.deepEqual(Buffer.from(binary.body, 'base64'), bytes);
    assert.equal(empty.body, '');
  });

  test('keeps its expiry and interface', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const message = new Message('');
    message.expiryTimeUtc = '2035-01-02T03:04:05.678Z';
    message.setAsSecurityMessage();
    await client.sendEvent(message);

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.equal(sent.systemProperties['absolute-expiry-time'], message.expiryTimeUtc);
    assert.equal(sent.systemProperties['iothub-interface-id'], message.interfaceId);
    assert.deepEqual(sent.properties, {});
  });

  test('cannot forge the hub\'s stamps', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const message = new Message('forged');
    message.properties.add('iothub-connection-device-id', 'somebody else');
    message.properties.add('iothub-connection-auth-generation-id', '1');
    message.properties.add('iothub-enqueuedtime', '2001-01-01T00:00:00Z');
    message.properties.add('honest', 'yes');
    await client.sendEvent(message);

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.deepEqual(sent.properties, { honest: 'yes' });
    assert.deepEqual(sent.systemProperties, stamps(device, sent));
  });

  test('of one device arrives in order, in one partition', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const bodies = Array.from({ length: 100 }, (_, i) => `message ${i}`);
    await within(Promise.all(bodies.map((body) => client.sendEvent(new Message(body)))), '100 acknowledgements');

    const sent = await hub.control.events(device.deviceId, bodies.length);
    assert.deepEqual(sent.map((e) => e.body), bodies);
    assert.equal(new Set(sent.map((e) => e.partition)).size, 1);
  });

  test('says which model the device follows', async (t) => {
    const device = await hub.newDevice();
    const client = device.client(t, Transport);
    const modelId = 'dtmi:com:example:Thermostat;1';
    await client.setOptions({ modelId });
    await client.open();
    const message = new Message('21');
    message.properties.add('dt-subject', 'thermostat1');
    await client.sendEvent(message);

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.equal(sent.systemProperties['dt-dataschema'], modelId);
    assert.equal(sent.systemProperties['dt-subject'], 'thermostat1');
    assert.equal((await device.twin()).responseBody.modelId, modelId);
  });

  test('of 256 KB is accepted', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const body = 'x'.repeat(LARGEST);
    await within(client.sendEvent(new Message(body)), 'acknowledgement');

    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.ok(sent.body === body, `${sent.body.length} bytes arrived`);
  });

  test('of more than 256 KB costs the device its connection', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const gone = event(client, 'disconnect');
    const message = new Message('x'.repeat(LARGEST)); // a larger body the SDK itself refuses
    message.properties.add('one', 'too many');
    await assert.rejects(within(client.sendEvent(message), 'refusal'), errors.NotConnectedError);
    await gone;
    assert.equal((await device.lastDisconnect()).code, 413001);

    await client.open();
    await roundTrip(client);
    const sent = await hub.control.events(device.deviceId, 1);
    assert.deepEqual(sent.map((e) => e.body), ['round trip']);
  });
});

// stamps are the system properties that the hub gives every message.
function stamps(device, sent) {
  return {
    'iothub-connection-device-id': device.deviceId,
    'iothub-connection-auth-generation-id': device.identity.generationId,
    'iothub-connection-auth-method': sent.systemProperties['iothub-connection-auth-method'],
    'iothub-enqueuedtime': sent.enqueuedTime,
    'iothub-message-source': 'Telemetry',
  };
}
