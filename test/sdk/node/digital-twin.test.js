'use strict';
// Digital twins: a Plug and Play device as a back end sees it through the digital
// twin client.

const assert = require('node:assert/strict');
const { Amqp } = require('azure-iot-device-amqp');
const { Mqtt } = require('azure-iot-device-mqtt');
const { DigitalTwinClient, IoTHubTokenCredentials } = require('azure-iothub');
const { hub } = require('./lib/hubs');
const { answering } = require('./lib/methods');
const { describe, overEachTransport, test } = require('./lib/tests');
const { report, watchDesired } = require('./lib/twin');

const MODEL = 'dtmi:com:example:TemperatureController;1';
const PATIENT = { connectTimeoutInSeconds: 10, responseTimeoutInSeconds: 10 };
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/;

const twins = new DigitalTwinClient(new IoTHubTokenCredentials(hub.policies.service));

overEachTransport('a digital twin', (Transport) => {
  // controller is a device that follows the model and has reported so.
  async function controller(t) {
    const device = await hub.newDevice();
    const client = device.client(t, Transport);
    await client.setOptions({ modelId: MODEL });
    await client.open();
    const watched = await watchDesired(client);
    await report(watched.twin, { serialNumber: 'alwinexlepaho8329', thermostat1: { __t: 'c', maxTempSinceLastReboot: 25.3 } });
    return { device, client, ...watched };
  }

  test('shows model, properties and components', async (t) => {
    const { device } = await controller(t);
    const { _response: response, ...seen } = await twins.getDigitalTwin(device.deviceId);
    assert.match(response.headers.get('etag'), /^"AAAAAAAAAAE="$/);
    const { $metadata: { serialNumber, ...metadata }, thermostat1, ...properties } = seen;
    assert.deepEqual(properties, { $dtId: device.deviceId, serialNumber: 'alwinexlepaho8329' });
    // Over AMQP the SDK has no way to announce a model.
    assert.deepEqual(metadata, { $model: Transport === Amqp ? '' : MODEL });
    assert.match(serialNumber.lastUpdateTime, MOMENT);
    assert.equal(thermostat1.maxTempSinceLastReboot, 25.3);
    assert.match(thermostat1.$metadata.maxTempSinceLastReboot.lastUpdateTime, MOMENT);
  });

  test('is patched, and the device follows', async (t) => {
    const { device, twin, deltas } = await controller(t);
    const patch = [{ op: 'add', path: '/thermostat1/targetTemperature', value: 21.4 }];
    // The digital twin client drops the headers of an answer without a body.
    const { _response: response } = await hub.rest.digitalTwin.updateDigitalTwin(device.deviceId, patch);
    assert.equal(response.status, 202);
    assert.equal(response.headers.get('etag'), '"AAAAAAAAAAI="');
    assert.equal(response.headers.get('location'), `https://${hub.host}/digitaltwins/${device.deviceId}`);
    assert.deepEqual(await deltas.takeOne(), { thermostat1: { __t: 'c', targetTemperature: 21.4 }, $version: 2 });

    const wanted = (await twins.getDigitalTwin(device.deviceId)).thermostat1;
    assert.equal(wanted.targetTemperature, undefined);
    assert.deepEqual(wanted.$metadata.targetTemperature, { desiredValue: 21.4, desiredVersion: 2 });
    await report(twin, { thermostat1: { __t: 'c', targetTemperature: { value: 21.4, ac: 200, av: 2, ad: 'done' } } });
    const followed = (await twins.getDigitalTwin(device.deviceId)).thermostat1;
    assert.equal(followed.targetTemperature, 21.4);
    const { lastUpdateTime, ...acknowledged } = followed.$metadata.targetTemperature;
    assert.match(lastUpdateTime, MOMENT);
    assert.deepEqual(acknowledged, {
      desiredValue: 21.4, desiredVersion: 2, ackVersion: 2, ackCode: 200, ackDescription: 'done',
    });
  });

  test('takes components as a whole, and gives them up', async (t) => {
    const { device, deltas } = await controller(t);
    const put = (op, value) => twins.updateDigitalTwin(device.deviceId, [{ op, path: '/thermostat1', value }]);
    await put('add', { targetTemperature: 20, mode: 'eco', $metadata: {} });
    assert.deepEqual((await deltas.takeOne()).thermostat1, { __t: 'c', targetTemperature: 20, mode: 'eco' });
    await put('replace', { targetTemperature: 22, $metadata: {} });
    assert.deepEqual((await deltas.takeOne()).thermostat1, { __t: 'c', targetTemperature: 22, mode: null });
    await put('remove');
    assert.equal((await deltas.takeOne()).thermostat1, null);
    await assert.rejects(put('replace', 5), { statusCode: 400 }, 'it is still reported as a component');
  });

  test('is patched only while its etag is the caller\'s', async (t) => {
    const { device } = await controller(t);
    const patch = [{ op: 'add', path: '/interval', value: 1 }];
    const etag = (await twins.getDigitalTwin(device.deviceId))._response.headers.get('etag');
    await twins.updateDigitalTwin(device.deviceId, patch, etag);
    await assert.rejects(twins.updateDigitalTwin(device.deviceId, patch, etag), { statusCode: 412 });
  });

  test('has commands', async (t) => {
    const { device, client } = await controller(t);
    const reboots = await answering(client, 'reboot', () => [200, { done: true }]);
    const { _response: response, body } = await twins.invokeCommand(device.deviceId, 'reboot', { delay: 1 }, PATIENT);
    assert.deepEqual((await reboots.takeOne()).payload, { delay: 1 });
    assert.deepEqual(body, { done: true });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-ms-command-statuscode'), '200');
    assert.match(response.headers.get('x-ms-request-id'), /^[0-9a-f-]{36}$/);
  });

  test('has commands of components, whose failure is the device\'s to tell', async (t) => {
    const { device, client } = await controller(t);
    const reports = await answering(client, 'thermostat1*getMaxMinReport', () => [404, 'since when?']);
    const { _response: response } = await twins.invokeComponentCommand(
      device.deviceId, 'thermostat1', 'getMaxMinReport', '2020-07-17T06:10:31.9609233Z', PATIENT);
    assert.equal((await reports.takeOne()).payload, '2020-07-17T06:10:31.9609233Z');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-ms-command-statuscode'), '404');
    assert.equal(response.bodyAsText, '"since when?"');
  });
}, [Mqtt, Amqp]);

describe('a digital twin', () => {
  test('is there for any device', async () => {
    const { deviceId } = await hub.newDevice();
    const { _response: _, ...seen } = await twins.getDigitalTwin(deviceId);
    assert.deepEqual(seen, { $dtId: deviceId, $metadata: { $model: '' } });
    await assert.rejects(twins.getDigitalTwin('nobody'), { statusCode: 404 });
  });

  test('refuses patches against the rules', async () => {
    const { deviceId } = await hub.newDevice();
    for (const [what, operation] of Object.entries({
      'a test': { op: 'test', path: '/a', value: 1 },
      'an array': { op: 'add', path: '/a', value: [1] },
      'what is not there': { op: 'remove', path: '/a' },
      'a name that is none': { op: 'add', path: '/a-b', value: 1 },
    })) {
      await assert.rejects(twins.updateDigitalTwin(deviceId, [operation]), { statusCode: 400 }, what);
    }
  });

  test('has no commands while the device is away', async () => {
    const { deviceId } = await hub.newDevice();
    const refused = (err) => {
      assert.equal(err.statusCode, 404);
      assert.equal(JSON.parse(JSON.parse(err.response.body).Message).errorCode, 404103);
      return true;
    };
    await assert.rejects(twins.invokeCommand(deviceId, 'reboot', {}), refused);
    const once = { connectTimeoutInSeconds: 0, responseTimeoutInSeconds: 5 };
    await assert.rejects(twins.invokeComponentCommand(deviceId, 'thermostat1', 'reboot', {}, once), refused);
  });
});
