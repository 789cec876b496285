'use strict';
// Many identities at once, as a back end registers them.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { describe, test } = require('./lib/tests');
const { watchDesired } = require('./lib/twin');
const { event } = require('./lib/wait');

const DONE = { isSuccessful: true, errors: [], warnings: [] };

describe('the registry in bulk', () => {
  test('makes, updates and removes a hundred devices', async () => {
    const devices = fleet(100);
    assert.deepEqual((await hub.registry.addDevices(devices)).responseBody, DONE);
    const { responseBody: made } = await hub.registry.get(devices[99].deviceId);
    assert.equal(made.authentication.type, 'sas');
    assert.equal(made.authentication.symmetricKey.primaryKey.length, 44);
    assert.equal((await hub.registry.getTwin(made.deviceId)).responseBody.version, 2);

    const disabled = devices.map((device) => ({ ...device, status: 'disabled', statusReason: 'in bulk' }));
    assert.deepEqual((await hub.registry.updateDevices(disabled, true)).responseBody, DONE);
    const { responseBody: changed } = await hub.registry.get(made.deviceId);
    assert.deepEqual([changed.status, changed.statusReason], ['disabled', 'in bulk']);
    assert.equal(changed.generationId, made.generationId);

    assert.deepEqual((await hub.registry.removeDevices(devices, true)).responseBody, DONE);
    await assert.rejects(hub.registry.get(made.deviceId), { name: 'DeviceNotFoundError' });
  });

  test('updates and removes only what is still as the caller knows it', async () => {
    const devices = fleet(2);
    await hub.registry.addDevices(devices);
    const known = await Promise.all(devices.map(({ deviceId }) => hub.registry.get(deviceId).then((r) => r.responseBody)));
    await hub.registry.update({ ...known[0], statusReason: 'somebody else' });

    const update = hub.registry.updateDevices(known.map((device) => ({ ...device, statusReason: 'mine' })), false);
    const failed = await failure(update);
    assert.deepEqual(failed.errors.map((e) => [e.deviceId, e.errorCode]), [[known[0].deviceId, 'PreconditionFailed']]);
    const { responseBody: second } = await hub.registry.get(known[1].deviceId);
    assert.equal(second.statusReason, 'mine');

    const removal = await failure(hub.registry.removeDevices([known[0], second], false));
    assert.deepEqual(removal.errors.map((e) => e.deviceId), [known[0].deviceId]);
    await assert.rejects(hub.registry.get(second.deviceId), { name: 'DeviceNotFoundError' });
  });

  test('says of each device why it could not be done', async () => {
    const { deviceId } = await hub.newDevice();
    const [fresh] = fleet(1);
    const { isSuccessful, errors, warnings } = await failure(hub.registry.addDevices([{ deviceId }, fresh, { deviceId: 'a b' }]));
    assert.equal(isSuccessful, false);
    assert.deepEqual(warnings, []);
    assert.deepEqual(errors.map((e) => [e.deviceId, e.errorCode, e.errorStatus]), [
      [deviceId, 'DeviceAlreadyExists', `A device with ID '${deviceId}' is already registered.`],
      ['a b', 'ArgumentInvalid', 'The device identifier a b is invalid.'],
    ]);
    await hub.registry.get(fresh.deviceId);
  });

  test('refuses a device that is named twice', async () => {
    const [device] = fleet(1);
    await assert.rejects(hub.registry.addDevices([device, device]), (err) => {
      assert.equal(err.name, 'ArgumentError');
      assert.match(err.responseBody, /ErrorCode:DeviceDefinedMultipleTimes;/);
      return true;
    });
    await assert.rejects(hub.registry.get(device.deviceId), { name: 'DeviceNotFoundError' });
  });

  test('makes modules, and twins with tags and desired properties', async () => {
    const id = `node-${randomUUID()}`;
    const properties = { desired: { interval: 10, zone: { north: true } } };
    assert.deepEqual(plain(await hub.rest.bulkRegistry.updateRegistry([
      { id, importMode: 'create', status: 'enabled', tags: { site: 'Berlin' }, properties },
      { id, moduleId: 'sensor', importMode: 'create', properties },
    ])), DONE);
    const { responseBody: twin } = await hub.registry.getTwin(id);
    assert.deepEqual(twin.tags, { site: 'Berlin' });
    assert.deepEqual(twin.properties.desired.zone, { north: true });
    assert.deepEqual([twin.version, twin.properties.desired.$version], [2, 1]);
    const { responseBody: ofModule } = await hub.registry.getModuleTwin(id, 'sensor');
    assert.equal(ofModule.properties.desired.interval, 10);
    assert.equal((await hub.registry.getModule(id, 'sensor')).responseBody.authentication.type, 'sas');
  });

  test('updates twins, of which the devices hear', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Mqtt);
    const { deltas } = await watchDesired(client);
    const { responseBody: before } = await device.twin();
    const update = (members) => hub.rest.bulkRegistry.updateRegistry([
      { id: device.deviceId, tags: { a: 1 }, properties: { desired: { interval: 5 } }, ...members },
    ]);
    assert.deepEqual(plain(await update({ importMode: 'updateTwinIfMatchETag', twinETag: before.etag })), DONE);
    assert.deepEqual(await deltas.takeOne(), { interval: 5, $version: 2 });
    const stale = plain(await update({ importMode: 'updateTwinIfMatchETag', twinETag: before.etag }));
    assert.equal(stale.errors[0].errorCode, 'PreconditionFailed');
    assert.deepEqual(plain(await update({ importMode: 'updateTwin' })), DONE);
    assert.equal((await device.twin()).responseBody.etag, 'AAAAAAAAAAM=');
  });

  test('disconnects who is disabled', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Mqtt);
    const gone = event(client, 'disconnect');
    await hub.registry.updateDevices([{ ...device.identity, status: 'disabled' }], true);
    await gone;
  });
});

function fleet(count) {
  const name = randomUUID();
  return Array.from({ length: count }, (_, i) => ({ deviceId: `node-${name}-${i}` }));
}

// failure is the result of a bulk operation of which not all was done, which the
// SDK takes for an error.
async function failure(operation) {
  const err = await operation.then(() => assert.fail('it was done'), (e) => e);
  assert.equal(err.name, 'ArgumentError', err.stack);
  assert.equal(err.response.headers['iothub-errorcode'], 'BulkRegistryOperationFailure');
  return JSON.parse(err.responseBody);
}

function plain(result) {
  return JSON.parse(JSON.stringify(result));
}
