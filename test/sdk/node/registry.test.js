'use strict';
// The registry, twins and rights as a back end meets them, over HTTPS.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { promisify } = require('node:util');
const { ConnectionString, Registry } = require('azure-iothub');
const { hub, restClient } = require('./lib/hubs');
const { describe, test } = require('./lib/tests');

const NEVER = /^0001-01-01T00:00:00/;
const KEY = /^[A-Za-z0-9+/]{43}=$/;

describe('the registry', () => {
  test('makes a device with keys of its own', async () => {
    const deviceId = `node-${randomUUID()}`;
    const { responseBody: made, httpResponse } = await hub.registry.create({ deviceId });
    assert.equal(httpResponse.statusCode, 200);
    const { primaryKey, secondaryKey } = made.authentication.symmetricKey;
    assert.match(primaryKey, KEY);
    assert.match(secondaryKey, KEY);
    assert.notEqual(primaryKey, secondaryKey);
    const { connectionStateUpdatedTime, statusUpdatedTime, lastActivityTime, etag, generationId, ...rest } = made;
    for (const time of [connectionStateUpdatedTime, statusUpdatedTime, lastActivityTime]) {
      assert.match(time, NEVER);
    }
    assert.match(Buffer.from(etag, 'base64').toString(), /^\d+$/);
    assert.match(generationId, /^\d+$/);
    assert.deepEqual(plain(rest), {
      deviceId,
      connectionState: 'Disconnected',
      status: 'enabled',
      statusReason: null,
      cloudToDeviceMessageCount: 0,
      authentication: {
        symmetricKey: { primaryKey, secondaryKey },
        x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
        type: 'sas',
      },
      capabilities: { iotEdge: false },
    });

    const { responseBody: found } = await hub.registry.get(deviceId);
    assert.equal(found.etag, etag);
    assert.equal(found.generationId, generationId);
    assert.deepEqual(found.authentication, made.authentication);
  });

  test('makes a device as it is told', async () => {
    const symmetricKey = { primaryKey: key('primary'), secondaryKey: key('secondary') };
    const { identity } = await hub.newDevice({
      status: 'disabled', statusReason: 'not yet', authentication: { symmetricKey },
    });
    assert.equal(identity.status, 'disabled');
    assert.equal(identity.statusReason, 'not yet');
    assert.deepEqual(identity.authentication.symmetricKey, symmetricKey);
  });

  test('makes no device twice', async () => {
    const { deviceId } = await hub.newDevice();
    await assert.rejects(hub.registry.create({ deviceId }), {
      name: 'DeviceAlreadyExistsError',
      message: `A device with ID '${deviceId}' is already registered.`,
    });
  });

  test('refuses ids and keys that nothing may have', async () => {
    const refusal = { name: 'ArgumentError' };
    await assert.rejects(hub.registry.create({ deviceId: 'a b' }), refusal);
    await assert.rejects(hub.registry.create({ deviceId: 'x'.repeat(129) }), refusal);
    await assert.rejects(hub.newDevice({
      authentication: { symmetricKey: { primaryKey: 'not base64!', secondaryKey: 'not base64!' } },
    }), refusal);
    await assert.rejects(hub.newDevice({
      authentication: { symmetricKey: { primaryKey: key('only one'), secondaryKey: '' } },
    }), refusal);
  });

  test('knows no device that is not there', async () => {
    const deviceId = `nobody-${randomUUID()}`;
    const refusal = { name: 'DeviceNotFoundError' };
    await assert.rejects(hub.registry.get(deviceId), refusal);
    await assert.rejects(hub.registry.update({ deviceId, status: 'disabled' }), refusal);
    await assert.rejects(hub.registry.delete(deviceId), refusal);
    await assert.rejects(hub.registry.getTwin(deviceId), refusal);
    // Modules have an error envelope of their own, of which the SDK reads the status only.
    const missing = (err) => err.response.statusCode === 404 && JSON.parse(err.responseBody).errorCode === 404001;
    await assert.rejects(hub.registry.addModule({ deviceId, moduleId: 'sensor' }), missing);
    await assert.rejects(hub.registry.getModulesOnDevice(deviceId), missing);
  });

  test('updates a device', async () => {
    const { deviceId, identity } = await hub.newDevice();
    const { responseBody: updated } = await hub.registry.update({
      ...identity, status: 'disabled', statusReason: 'maintenance',
    });
    assert.equal(updated.status, 'disabled');
    assert.equal(updated.statusReason, 'maintenance');
    assert.doesNotMatch(updated.statusUpdatedTime, NEVER);
    assert.notEqual(updated.etag, identity.etag);
    assert.equal(updated.generationId, identity.generationId);
    assert.deepEqual(updated.authentication, identity.authentication);
    assert.equal((await hub.registry.get(deviceId)).responseBody.etag, updated.etag);
  });

  test('deletes a device with its modules and twin', async () => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    const { httpResponse } = await hub.registry.delete(device.deviceId);
    assert.equal(httpResponse.statusCode, 204);
    await assert.rejects(device.registered(), { name: 'DeviceNotFoundError' });
    await assert.rejects(device.twin(), { name: 'DeviceNotFoundError' });
    await assert.rejects(module.registered());
  });

  test('updates and deletes a device only while its etag is the caller\'s', async () => {
    const { deviceId, identity } = await hub.newDevice();
    const stale = { ifMatch: `"${identity.etag}"` };
    const changed = { deviceId, status: 'disabled', authentication: identity.authentication };
    const updated = await hub.rest.devices.createOrUpdateIdentity(deviceId, changed, stale);
    assert.notEqual(updated.etag, identity.etag);

    await assert.rejects(hub.rest.devices.createOrUpdateIdentity(deviceId, changed, stale), { statusCode: 412 });
    await assert.rejects(hub.rest.devices.deleteIdentity(deviceId, stale), { statusCode: 412 });
    await hub.rest.devices.deleteIdentity(deviceId, { ifMatch: `"${updated.etag}"` });
  });

  test('lists devices', async () => {
    const ids = [];
    for (let i = 0; i < 3; i++) {
      ids.push((await hub.newDevice()).deviceId);
    }
    const { responseBody: listed } = await hub.registry.list();
    const found = new Map(listed.map((device) => [device.deviceId, device]));
    for (const id of ids) {
      assert.match(found.get(id).authentication.symmetricKey.primaryKey, KEY);
    }
    assert.equal((await hub.rest.devices.getDevices({ top: 2 })).length, 2);
  });

  test('counts devices', async (t) => {
    const { Mqtt } = require('azure-iot-device-mqtt');
    const [device, disabled] = [await hub.newDevice(), await hub.newDevice({ status: 'disabled' })];
    await device.connect(t, Mqtt);
    // Other tests make devices of their own all the while.
    const { responseBody: counted } = await hub.registry.getRegistryStatistics();
    assert.ok(counted.totalDeviceCount >= 2);
    assert.ok(counted.disabledDeviceCount >= 1, disabled.deviceId);
    assert.equal(counted.totalDeviceCount, counted.enabledDeviceCount + counted.disabledDeviceCount);
    const { connectedDeviceCount } = await hub.rest.statistics.getServiceStatistics();
    assert.ok(connectedDeviceCount >= 1);
  });
});

describe('modules', () => {
  test('are made, found, listed and removed', async () => {
    const { deviceId } = await hub.newDevice();
    const { responseBody: made } = await hub.registry.addModule({ deviceId, moduleId: 'a', managedBy: 'somebody' });
    await hub.registry.addModule({ deviceId, moduleId: 'b' });
    assert.match(made.authentication.symmetricKey.primaryKey, KEY);
    assert.equal(made.managedBy, 'somebody');
    assert.equal(made.connectionState, 'Disconnected');
    const { responseBody: found } = await hub.registry.getModule(deviceId, 'a');
    assert.deepEqual([found.deviceId, found.moduleId, found.etag], [deviceId, 'a', made.etag]);

    const { responseBody: listed } = await hub.registry.getModulesOnDevice(deviceId);
    assert.deepEqual(listed.map((module) => module.moduleId).sort(), ['a', 'b']);
    const { httpResponse } = await hub.registry.removeModule(deviceId, 'a');
    assert.equal(httpResponse.statusCode, 204);
    assert.equal((await hub.registry.getModulesOnDevice(deviceId)).responseBody.length, 1);
    await assert.rejects(hub.registry.getModule(deviceId, 'a'), (err) => err.response.statusCode === 404);
  });

  test('are not made twice', async () => {
    const { deviceId, moduleId } = await hub.newModule();
    await assert.rejects(hub.registry.addModule({ deviceId, moduleId }), (err) => {
      assert.equal(err.name, 'DeviceAlreadyExistsError');
      assert.equal(JSON.parse(err.responseBody).errorCode, 409301);
      return true;
    });
  });

  test('are updated and removed only while their etag is the caller\'s', async () => {
    const { identity } = await hub.newModule();
    const { responseBody: updated } = await hub.registry.updateModule({ ...identity, managedBy: 'one' });
    assert.equal(updated.managedBy, 'one');
    await assert.rejects(hub.registry.updateModule({ ...identity, managedBy: 'two' }), { name: 'InvalidEtagError' });
    await hub.registry.updateModule({ ...identity, managedBy: 'three' }, true); // by force
    const remove = promisify(hub.registry.removeModule.bind(hub.registry)); // its promise form takes ids only
    await assert.rejects(remove(updated), { name: 'InvalidEtagError' });
    const { responseBody: last } = await hub.registry.getModule(identity.deviceId, identity.moduleId);
    assert.equal(last.managedBy, 'three');
    await remove(last);
  });
});

describe('twins', () => {
  for (const [what, make] of [['device', () => hub.newDevice()], ['module', () => hub.newModule()]]) {
    test(`of a new ${what} are empty`, async () => {
      const owner = await make();
      const { responseBody: twin } = await owner.twin();
      assert.equal(twin.deviceId, owner.deviceId);
      assert.equal(twin.moduleId, owner.moduleId);
      assert.equal(twin.etag, 'AAAAAAAAAAE=');
      assert.equal(twin.version, 2);
      assert.equal(twin.connectionState, 'Disconnected');
      assert.equal(twin.authenticationType, 'sas');
      assert.deepEqual(twin.tags, {});
      assert.equal(twin.properties.desired.$version, 1);
      assert.equal(twin.properties.reported.$version, 1);
    });

    test(`of a ${what} are patched: members merge, null deletes`, async () => {
      const owner = await make();
      const { responseBody: twin } = await owner.twin();
      await twin.update({
        tags: { site: { city: 'Berlin', floor: 3 } },
        properties: { desired: { interval: 10, limits: { low: 1, high: 9 } } },
      });
      await twin.update({ tags: { site: { floor: null } }, properties: { desired: { limits: { low: null } } } });
      const { responseBody: seen } = await owner.twin();
      assert.deepEqual(seen.tags, { site: { city: 'Berlin' } });
      const { $metadata: metadata, ...desired } = seen.properties.desired;
      assert.deepEqual(desired, { interval: 10, limits: { high: 9 }, $version: 3 });
      assert.equal(metadata.interval.$lastUpdatedVersion, 2);
      assert.equal(metadata.limits.$lastUpdatedVersion, 3);
      assert.equal(seen.version, 4);
    });

    test(`of a ${what} are patched only while their etag is the caller's`, async () => {
      const owner = await make();
      const { responseBody: mine } = await owner.twin();
      const { responseBody: theirs } = await owner.twin();
      await theirs.update({ tags: { owner: 'them' } });
      await assert.rejects(mine.update({ tags: { owner: 'me' } }), { name: 'InvalidEtagError' });
      mine.etag = '*';
      await mine.update({ tags: { owner: 'me' } });
      assert.deepEqual((await owner.twin()).responseBody.tags, { owner: 'me' });
    });

    test(`of a ${what} are replaced: what is not there is emptied`, async () => {
      const owner = await make();
      const { responseBody: twin } = await owner.twin();
      await twin.update({ tags: { site: 'Berlin' }, properties: { desired: { interval: 10, mode: 'night' } } });
      const stale = { ifMatch: `"${twin.etag}"` };
      await replaceTwin(owner, { tags: { site: 'Bonn' }, properties: { desired: { mode: 'day' } } }, stale);
      await assert.rejects(replaceTwin(owner, { tags: {} }, stale), { statusCode: 412 });
      const { responseBody: seen } = await owner.twin();
      const { $metadata: _, ...desired } = seen.properties.desired;
      assert.deepEqual(seen.tags, { site: 'Bonn' });
      assert.deepEqual(desired, { mode: 'day', $version: 3 });
    });
  }

  test('may not have what is against the rules', async () => {
    const device = await hub.newDevice();
    for (const [what, patch] of Object.entries({
      'a name with a dollar': { properties: { desired: { $own: 1 } } },
      'a name with a dot': { tags: { 'a.b': 1 } },
      'null in a list': { properties: { desired: { list: [null] } } },
      'too long a text': { properties: { desired: { text: 'x'.repeat(4097) } } },
    })) {
      const { responseBody: twin } = await device.twin();
      await assert.rejects(twin.update(patch), { name: 'ArgumentError' }, what);
    }
    assert.equal((await device.twin()).responseBody.version, 2);
  });
});

describe('rights', () => {
  const refusal = { name: 'UnauthorizedError' };

  test('come with a key', async () => {
    const parts = ConnectionString.parse(hub.policies.iothubowner);
    const stranger = Registry.fromConnectionString(
      `HostName=${parts.HostName};SharedAccessKeyName=iothubowner;SharedAccessKey=${key('wrong')}`);
    await assert.rejects(stranger.list(), refusal);
    const nobody = Registry.fromConnectionString(
      `HostName=${parts.HostName};SharedAccessKeyName=nobody;SharedAccessKey=${parts.SharedAccessKey}`);
    await assert.rejects(nobody.list(), refusal);
  });

  test('to read do not suffice to write', async () => {
    const device = await hub.newDevice();
    const reader = hub.registryAs('registryRead');
    assert.equal((await reader.get(device.deviceId)).responseBody.deviceId, device.deviceId);
    await reader.list();
    await reader.getRegistryStatistics();
    await assert.rejects(reader.create({ deviceId: `node-${randomUUID()}` }), refusal);
    await assert.rejects(reader.update(device.identity), refusal);
    await assert.rejects(reader.delete(device.deviceId), refusal);
    const writer = hub.registryAs('registryReadWrite');
    await writer.update(device.identity);
  });

  test('to the registry are not rights to the service, nor the other way round', async () => {
    const device = await hub.newDevice();
    await assert.rejects(hub.registryAs('registryReadWrite').getTwin(device.deviceId), refusal);
    await assert.rejects(
      hub.serviceAs('registryReadWrite').invokeDeviceMethod(device.deviceId, { methodName: 'reboot' }), refusal);
    const service = hub.registryAs('service');
    await service.getTwin(device.deviceId);
    await assert.rejects(service.get(device.deviceId), refusal);
    const { cloudToDeviceMessages } = restClient(hub.policies.registryReadWrite);
    await assert.rejects(
      cloudToDeviceMessages.purgeCloudToDeviceMessageQueue(device.deviceId), { statusCode: 401 });
  });

  test('of devices are for devices', async () => {
    const device = await hub.newDevice();
    const asDevice = hub.registryAs('device');
    await assert.rejects(asDevice.get(device.deviceId), refusal);
    await assert.rejects(asDevice.getTwin(device.deviceId), refusal);
  });
});

// key is a key that is 32 bytes, as base64.
function key(word) {
  return Buffer.from(word.padEnd(32, '.')).toString('base64');
}

function plain(object) {
  return JSON.parse(JSON.stringify(object));
}

function replaceTwin(owner, twin, options) {
  return owner.moduleId
    ? hub.rest.modules.replaceTwin(owner.deviceId, owner.moduleId, twin, options)
    : hub.rest.devices.replaceTwin(owner.deviceId, twin, options);
}
