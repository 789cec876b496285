'use strict';
// Modules: identities of their own under a device, with the same flows.

const assert = require('node:assert/strict');
const { Message } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { answering, refuses } = require('./lib/methods');
const { refused } = require('./lib/refusal');
const { overEachTransport, test } = require('./lib/tests');
const { getTwin, report, watchDesired } = require('./lib/twin');
const { event, Inbox, roundTrip } = require('./lib/wait');

overEachTransport('a module', (Transport) => {
  test('sends telemetry under its own name', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const message = new Message('{"temperature":21.5}');
    message.messageId = 'm 1/2';
    message.properties.add('where', 'Grüße, & = + %');
    await client.sendEvent(message);

    const [sent] = await hub.control.events(module.deviceId, 1, { module: module.moduleId });
    assert.equal(sent.body, '{"temperature":21.5}');
    assert.equal(sent.moduleId, module.moduleId);
    assert.deepEqual(sent.properties, { where: 'Grüße, & = + %' });
    const { 'iothub-connection-auth-method': method, ...system } = sent.systemProperties;
    assert.deepEqual(system, {
      'message-id': 'm 1/2',
      'iothub-connection-device-id': module.deviceId,
      'iothub-connection-module-id': module.moduleId,
      'iothub-connection-auth-generation-id': module.identity.generationId,
      'iothub-enqueuedtime': sent.enqueuedTime,
      'iothub-message-source': 'Telemetry',
    });
    assert.equal(JSON.parse(method).scope, 'module');
  });

  test('sends to an output', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const message = new Message('too hot');
    message.properties.add('level', 'high');
    await client.sendOutputEvent('alerts', message);

    const [sent] = await hub.control.events(module.deviceId, 1);
    assert.equal(sent.systemProperties['iothub-outputname'], 'alerts');
    assert.deepEqual(sent.properties, { level: 'high' });
  });

  test('may listen to inputs, where nothing arrives', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const inputs = Inbox.of(client, 'inputMessage');
    await roundTrip(client);
    assert.deepEqual(inputs.waiting, []);
  });

  test('has a twin of its own', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const client = await module.connect(t, Transport);
    const { twin, deltas } = await watchDesired(client);
    await report(twin, { firmware: '1', gone: 'soon' });
    await report(twin, { gone: null });
    await module.setDesired({ interval: 10 });
    assert.deepEqual(await deltas.takeOne(), { interval: 10, $version: 2 });
    await module.setDesired({ interval: null });
    assert.deepEqual(await deltas.takeOne(), { interval: null, $version: 3 });

    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { $version: 3 });
    const { responseBody: seen } = await module.twin();
    assert.equal(seen.moduleId, module.moduleId);
    assert.equal(seen.properties.reported.firmware, '1');
    assert.equal(seen.properties.reported.$version, 3);
    const { responseBody: devices } = await device.twin();
    assert.equal(devices.properties.reported.$version, 1);
  });

  test('gets no stale notification after it was away', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const { deltas } = await watchDesired(client);
    await client.close();
    await module.setDesired({ interval: 10 });
    await module.setDesired({ interval: 20 });
    await client.open();
    await roundTrip(client);
    assert.deepEqual(deltas.waiting, []);
    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { interval: 20, $version: 3 });
  });

  test('answers direct methods of its own', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    await refuses(module.invoke({ methodName: 'reset' }), 404103);
    const client = await module.connect(t, Transport);
    await answering(client, 'reset', ({ payload }) => [201, { was: payload }]);

    assert.deepEqual(await module.invoke({ methodName: 'reset', payload: 7 }), { status: 201, payload: { was: 7 } });
    await refuses(device.invoke({ methodName: 'reset' }), 404103);
  });

  test('and its device are connected side by side', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const deviceClient = await device.connect(t, Transport);
    const moduleClient = await module.connect(t, Transport);
    const inbox = Inbox.of(deviceClient, 'message');
    await roundTrip(moduleClient);
    await roundTrip(deviceClient);
    await device.send({ body: 'for the device' });
    await inbox.takeOne();
    assert.equal((await device.connection()).connected, true);
    assert.equal((await module.connection()).connected, true);
    assert.equal((await module.registered()).connectionState, 'Connected');
  });

  test('connects with the connection string the hub prints', async (t) => {
    const module = await hub.newModule();
    const connectionString = await hub.control.connectionString(module.deviceId, module.moduleId);
    await roundTrip(await module.connect(t, Transport, { connectionString }));
  });

  test('is refused with its device\'s key', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const connectionString = module.connectionString({ SharedAccessKey: device.primaryKey });
    await refused(t, module, Transport, 401003, { connectionString });
  });
}, [Mqtt, MqttWs, Amqp, AmqpWs]);

overEachTransport('a module', (Transport) => {
  test('twice under one id leaves the newer connection', async (t) => {
    const module = await hub.newModule();
    const older = await module.connect(t, Transport);
    const gone = event(older, 'disconnect');
    const newer = await module.connect(t, Transport);
    await gone;
    await roundTrip(newer);
  });

  test('that is removed is disconnected and refused', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const gone = event(client, 'disconnect');
    await hub.registry.removeModule(module.deviceId, module.moduleId);
    await gone;
    await refused(t, module, Transport, 404010);
  });

  test('of a device that is disabled is disconnected and refused', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const client = await module.connect(t, Transport);
    const gone = event(client, 'disconnect');
    await device.setStatus('disabled');
    await gone;
    await refused(t, module, Transport, 403012);
  });
});

// Over AMQP the SDK does not say that its links are gone: it attaches others when it
// needs them.
overEachTransport('a module', (Transport) => {
  test('twice under one id leaves the newer connection', async (t) => {
    const module = await hub.newModule();
    await roundTrip(await module.connect(t, Transport));
    const newer = await module.connect(t, Transport);
    await roundTrip(newer);
    assert.equal((await module.lastDisconnect()).code, 409002);
    await roundTrip(newer);
  });

  test('that is removed loses its links and is refused', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    await roundTrip(client);
    await hub.registry.removeModule(module.deviceId, module.moduleId);
    await assert.rejects(roundTrip(client));
    await refused(t, module, Transport, 404010);
  });

  test('of a device that is disabled loses its links and is refused', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const client = await module.connect(t, Transport);
    await roundTrip(client);
    await device.setStatus('disabled');
    await assert.rejects(roundTrip(client));
    assert.equal((await module.lastDisconnect()).code, 403012);
    await refused(t, module, Transport, 403012);
  });
}, [Amqp, AmqpWs]);
