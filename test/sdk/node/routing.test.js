'use strict';
// Routes, and the events that the hub sends about devices: made by the device and
// service SDKs, read through the control API and by the Event Hubs SDK. These
// tests have a hub to themselves.

const assert = require('node:assert/strict');
const { before } = require('node:test');
const { randomUUID } = require('node:crypto');
const { Message } = require('azure-iot-device');
const { Amqp } = require('azure-iot-device-amqp');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { routingHub: hub } = require('./lib/hubs');
const { Reader } = require('./lib/events');
const { describe, overEachTransport, test } = require('./lib/tests');
const { getTwin, report } = require('./lib/twin');
const { roundTrip, within } = require('./lib/wait');

const OWN = ['TwinChangeEvents', 'DeviceLifecycleEvents', 'DeviceConnectionStateEvents', 'DigitalTwinChangeEvents'];
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/;

before(async () => {
  for (const source of OWN) {
    await hub.control.configure('routes', source, { source, endpointNames: ['events'] });
  }
});

overEachTransport('the hub tells', (Transport) => {
  test('of changes of a twin, by the device and by back ends', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const twin = await getTwin(client);
    await report(twin, { maxTemp: 10.96, gone: { soon: true } });
    await report(twin, { gone: null });
    await device.setDesired({ interval: 30 });
    await setTags(device, { site: 'north' });

    const events = await read(t, device, 'twinChangeEvents', 4);
    for (const event of events) {
      checkEvent(event, device, 'twinChangeEvents', 'twinChangeNotification', 'updateTwin');
    }
    const [first, second, third, fourth] = events.map(bodyOf);
    const { $metadata, ...reported } = first.properties.reported;
    assert.deepEqual(first, { version: 3, properties: { reported: first.properties.reported } });
    assert.deepEqual(reported, { maxTemp: 10.96, gone: { soon: true }, $version: 2 });
    const { $lastUpdated } = $metadata;
    assert.deepEqual($metadata, { $lastUpdated, maxTemp: { $lastUpdated }, gone: { $lastUpdated, soon: { $lastUpdated } } });

    assert.equal(second.version, 4);
    assert.equal(second.properties.reported.gone, null, 'what is taken away is told');
    assert.deepEqual(Object.keys(second.properties.reported.$metadata), ['$lastUpdated']);

    const desired = third.properties.desired;
    assert.equal(third.version, 5);
    assert.equal(desired.interval, 30);
    assert.equal(desired.$version, 2);
    assert.equal(desired.$metadata.interval.$lastUpdatedVersion, 2);
    assert.deepEqual(fourth, { version: 6, tags: { site: 'north' } });
  });

  test('of connections, once a minute', async (t) => {
    const device = await hub.newDevice();
    const client = device.client(t, Transport);
    await within(client.open(), 'connecting');
    await roundTrip(client); // a device that does nothing is not told of
    await hub.control.advance('60s');
    await within(client.close(), 'closing');
    await device.lastDisconnect();
    await hub.control.advance('60s');

    const [connected, disconnected] = await read(t, device, 'deviceConnectionStateEvents', 2);
    const schema = 'deviceConnectionStateNotification';
    checkEvent(connected, device, 'deviceConnectionStateEvents', schema, 'deviceConnected');
    checkEvent(disconnected, device, 'deviceConnectionStateEvents', schema, 'deviceDisconnected');
    const [before, after] = [connected, disconnected].map((e) => bodyOf(e).sequenceNumber);
    assert.match(before, /^[0-9A-F]{64}$/);
    assert.ok(after > before);
  });
}, [Mqtt, MqttWs, Amqp]);

describe('the hub tells', () => {
  test('of identities that come and go', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    await hub.registry.removeModule(device.deviceId, module.moduleId);
    await hub.registry.delete(device.deviceId);

    const [created, moduleCreated, moduleDeleted, deleted] = await read(t, device, 'deviceLifecycleEvents', 4);
    const source = 'deviceLifecycleEvents';
    checkEvent(created, device, source, 'deviceLifecycleNotification', 'createDeviceIdentity');
    checkEvent(moduleCreated, module, source, 'moduleLifecycleNotification', 'createModuleIdentity');
    checkEvent(moduleDeleted, module, source, 'moduleLifecycleNotification', 'deleteModuleIdentity');
    checkEvent(deleted, device, source, 'deviceLifecycleNotification', 'deleteDeviceIdentity');
    const twin = bodyOf(created);
    assert.deepEqual(Object.keys(twin), ['deviceId', 'etag', 'version', 'properties']);
    assert.equal(twin.deviceId, device.deviceId);
    assert.equal(twin.version, 2);
    assert.equal(twin.properties.desired.$version, 1);
    assert.equal(bodyOf(moduleCreated).moduleId, module.moduleId);
    assert.deepEqual(bodyOf(deleted), twin);
  });

  test('of a module\'s twin and its connection', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Mqtt);
    await report(await getTwin(client), { a: 1 });
    await roundTrip(client);
    await hub.control.advance('60s');
    const [change] = await read(t, module, 'twinChangeEvents', 1);
    checkEvent(change, module, 'twinChangeEvents', 'twinChangeNotification', 'updateTwin');
    const [state] = await read(t, module, 'deviceConnectionStateEvents', 1);
    checkEvent(state, module, 'deviceConnectionStateEvents', 'deviceConnectionStateNotification', 'moduleConnected');
  });

  test('of changes of a digital twin', async (t) => {
    const device = await hub.newDevice();
    const client = device.client(t, Mqtt);
    await client.setOptions({ modelId: 'dtmi:com:example:Thermostat;1' });
    await within(client.open(), 'connecting');
    await report(await getTwin(client), { maxTemp: 25.5 });
    await hub.rest.digitalTwin.updateDigitalTwin(device.deviceId, [{ op: 'add', path: '/target', value: 21 }]);
    const events = await read(t, device, 'digitalTwinChangeEvents', 2);
    for (const event of events) {
      checkEvent(event, device, 'digitalTwinChangeEvents', 'digitalTwinChangeNotification', 'updateDigitalTwin', 'application/json-patch+json');
    }
    const [[value, metadata], desired] = events.map(bodyOf);
    assert.deepEqual(value, { op: 'add', path: '/maxTemp', value: 25.5 });
    assert.equal(metadata.path, '/$metadata/maxTemp');
    assert.match(metadata.value.lastUpdateTime, /^\d{4}-/);
    assert.deepEqual(desired, [{ op: 'add', path: '/$metadata/target', value: { desiredValue: 21, desiredVersion: 2 } }]);
  });

  test('of a twin that was replaced', async (t) => {
    const device = await hub.newDevice();
    await hub.rest.devices.replaceTwin(device.deviceId, { properties: { desired: { only: 'this' } } });
    const [event] = await read(t, device, 'twinChangeEvents', 1);
    checkEvent(event, device, 'twinChangeEvents', 'twinChangeNotification', 'replaceTwin');
    const body = bodyOf(event);
    assert.deepEqual(Object.keys(body), ['deviceId', 'etag', 'version', 'properties']);
    assert.equal(body.properties.desired.only, 'this');
    assert.equal(body.properties.reported.$version, 1);
  });
});

describe('routes', () => {
  test('take what meets their condition, and the rest takes the fallback', async (t) => {
    const device = await hub.newDevice();
    await setTags(device, { floor: 3 });
    const name = await route(t, {
      source: 'DeviceMessages',
      condition: `$connectionDeviceId = '${device.deviceId}' AND level = 'high' AND $body.temperature > 80 AND $twin.tags.floor = 3`,
      endpointNames: ['events'],
    });
    const key = `mark-${name}`;
    await hub.control.configure('enrichments', key, { value: '$twin.tags.floor', endpointNames: ['events'] });
    t.after(() => hub.control.remove('enrichments', key));
    await hub.control.configure('routes', '$fallback', { isEnabled: false });
    t.after(() => hub.control.configure('routes', '$fallback', { isEnabled: true }));
    const client = await device.connect(t, Mqtt);
    for (const [level, temperature] of [['low', 90], ['high', 70], ['high', 81.5], ['high', false]]) {
      const message = new Message(JSON.stringify({ temperature }));
      message.contentType = 'application/json';
      message.contentEncoding = 'utf-8';
      message.properties.add('Level', level); // the case of names does not matter
      await within(client.sendEvent(message), 'acknowledgement');
    }
    await hub.control.configure('routes', '$fallback', { isEnabled: true });
    await within(client.sendEvent(new Message('to the fallback')), 'acknowledgement');

    const [taken, fallback, ...more] = await read(t, device, 'Telemetry', 2);
    assert.equal(bodyOf(taken).temperature, 81.5);
    assert.deepEqual(taken.properties, { Level: 'high', [key]: '3' });
    assert.equal(fallback.body.toString(), 'to the fallback');
    assert.deepEqual(more, []);

    const tried = await hub.control.tryRoutes({
      deviceId: device.deviceId, properties: { level: 'high' }, body: '{"temperature":70}',
      contentType: 'application/json', contentEncoding: 'utf-8',
    });
    const why = tried.routes.find((r) => r.name === name);
    assert.equal(why.matched, false);
    assert.equal(why.clause, '$body.temperature > 80');
    assert.deepEqual(why.seen, [{ name: '$body.temperature', value: '70' }]);
    assert.equal(tried.fallback, true);
  });

  test('change while devices send, and nothing is lost', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Mqtt);
    for (let i = 0; i < 20; i++) {
      const sent = client.sendEvent(new Message(`${i}`));
      const name = await route(t, { source: 'DeviceMessages', condition: `x${i} = 'y'`, endpointNames: ['events'] });
      await within(sent, 'acknowledgement');
      await hub.control.remove('routes', name);
    }
    const events = await hub.control.events(device.deviceId, 20, { source: 'Telemetry' });
    assert.deepEqual(events.map((e) => e.body), Array.from({ length: 20 }, (_, i) => `${i}`));
  });
});

// route puts a route with a name that no other has, and takes it away in the end.
async function route(t, document) {
  const name = randomUUID();
  await hub.control.configure('routes', name, document);
  t.after(() => hub.control.remove('routes', name).catch((err) => assert.equal(err.status, 404)));
  return name;
}

async function setTags(device, tags) {
  const { responseBody: twin } = await device.twin();
  await twin.update({ tags });
}

// read is the events of a device or module from one source: as the Event Hubs SDK
// gives them, once the control API has shown count of them, and the same.
async function read(t, { deviceId, moduleId }, source, count) {
  const own = (m) => moduleId === undefined || m === moduleId;
  const filter = moduleId === undefined ? { source } : { source, module: moduleId };
  const shown = await hub.control.events(deviceId, count, filter);
  assert.equal(shown.length, count);
  const all = await hub.control.events(deviceId, count);
  const inbox = new Reader(t, hub).read([deviceId]);
  const events = (await inbox.take(all.length)).filter((e) =>
    e.systemProperties['iothub-message-source'] === source && own(e.systemProperties['iothub-connection-module-id']));
  assert.deepEqual(events.map((e) => e.sequenceNumber), shown.map((e) => e.sequenceNumber));
  events.forEach((e, i) => {
    assert.equal(e.body.toString(), shown[i].body);
    assert.deepEqual(e.properties ?? {}, shown[i].properties);
    assert.equal(e.enqueuedTimeUtc.getTime(), Date.parse(shown[i].enqueuedTime));
  });
  return events;
}

// checkEvent checks all of an event but its body.
// iot-hub-non-telemetry-event-schema.
function checkEvent(event, { deviceId, moduleId }, source, schema, opType, contentType = 'application/json') {
  const { operationTimestamp, ...properties } = event.properties;
  assert.match(operationTimestamp, MOMENT);
  assert.deepEqual(properties, {
    deviceId, ...moduleId && { moduleId }, hubName: 'linarite', 'iothub-message-schema': schema, opType,
  });
  assert.equal(event.contentType, contentType);
  assert.match(event.correlationId, /^[0-9a-f]+$/);
  const { userId, ...system } = event.systemProperties;
  assert.equal(Buffer.from(Object.values(userId)).toString(), 'linarite'); // bytes by index
  assert.deepEqual(system, {
    'iothub-connection-device-id': deviceId,
    ...moduleId && { 'iothub-connection-module-id': moduleId },
    'iothub-enqueuedtime': event.enqueuedTimeUtc.getTime(),
    'iothub-message-source': source,
    correlationId: event.correlationId,
    contentType,
    contentEncoding: 'utf-8',
  });
}

function bodyOf(event) {
  return JSON.parse(event.body.toString());
}
