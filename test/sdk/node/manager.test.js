'use strict';
// The service SDK's other registry: IoTHubRegistryManager, which it makes but does
// not export, and its clients with Entra ID's credentials.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client, IoTHubTokenCredentials, Registry } = require('azure-iothub');
const { IoTHubRegistryManager } = require('azure-iothub/dist/cl/iothub_registry_manager');
const { hub } = require('./lib/hubs');
const { answering } = require('./lib/methods');
const { describe, test } = require('./lib/tests');
const { until } = require('./lib/wait');

const KEY = Buffer.alloc(32, 'k').toString('base64');
const THUMBPRINT = 'ab'.repeat(20);

const manager = new IoTHubRegistryManager(new IoTHubTokenCredentials(hub.policies.iothubowner));

describe('the registry manager', () => {
  test('makes devices of every kind, updates and deletes them', async () => {
    const [sas, x509, ca] = ['sas', 'x509', 'ca'].map((kind) => `node-${kind}-${randomUUID()}`);
    const made = await manager.createDeviceWithSas(sas, KEY, KEY, 'enabled');
    assert.equal(made.authentication.symmetricKey.primaryKey, KEY);
    assert.equal((await manager.createDeviceWithX509(x509, THUMBPRINT, THUMBPRINT, 'enabled')).authentication.type, 'selfSigned');
    assert.equal((await manager.createDeviceWithCertificateAuthority(ca, 'enabled')).authentication.type, 'certificateAuthority');
    assert.equal((await manager.getDevice(sas)).etag, made.etag);
    assert.equal((await manager.getDevices(1)).length, 1);
    await assert.rejects(manager.createDeviceWithSas(sas, KEY, KEY, 'enabled'), { statusCode: 409 });
    for (const id of [sas, x509, ca]) {
      await deleted(() => manager.deleteDevice(id), () => manager.getDevice(id));
    }
  });

  test('makes modules of every kind and deletes them', async () => {
    const { deviceId } = await hub.newDevice();
    await manager.createModuleWithSas(deviceId, 'sas', 'me', KEY, KEY);
    await manager.createModuleWithX509(deviceId, 'x509', 'me', THUMBPRINT, THUMBPRINT);
    await manager.createModuleWithCertificateAuthority(deviceId, 'ca', 'me');
    assert.equal((await manager.getModules(deviceId)).length, 3);
    const { etag, managedBy } = await manager.getModule(deviceId, 'sas');
    assert.equal(managedBy, 'me');
    await deleted(() => manager.deleteModule(deviceId, 'sas', `"${etag}"`), () => manager.getModule(deviceId, 'sas'));
  });

  test('reads, replaces and updates twins', async () => {
    const { deviceId } = await hub.newModule();
    for (const [get, replace, update, ...ids] of [
      ['getTwin', 'replaceTwin', 'updateTwin', deviceId],
      ['getModuleTwin', 'replaceModuleTwin', 'updateModuleTwin', deviceId, 'sensor'],
    ]) {
      await manager[replace](...ids, { tags: { a: 1 }, properties: { desired: { b: 2 } } });
      const { etag } = await manager[get](...ids);
      await manager[update](...ids, { tags: { c: 3 } }, `"${etag}"`);
      await assert.rejects(manager[update](...ids, { tags: {} }, `"${etag}"`), { statusCode: 412 });
      const twin = await manager[get](...ids);
      assert.deepEqual(twin.tags, { a: 1, c: 3 });
      assert.equal(twin.properties.desired.b, 2);
    }
  });

  test('registers in bulk and counts', async () => {
    const id = `node-${randomUUID()}`;
    assert.equal((await manager.bulkCreateOrUpdateDevices([{ id, importMode: 'create' }])).isSuccessful, true);
    const again = await manager.bulkCreateOrUpdateDevices([{ id, importMode: 'create' }]);
    assert.deepEqual([again.isSuccessful, again.errors[0].errorCode], [false, 'DeviceAlreadyExists']);
    assert.ok((await manager.getDeviceRegistryStatistics()).totalDeviceCount >= 1);
    assert.ok((await manager.getServiceStatistics()).connectedDeviceCount >= 0);
  });

  test('calls methods', async (t) => {
    const device = await hub.newDevice();
    const module = await hub.newModule({ device });
    await answering(await device.connect(t, Mqtt), 'reboot', () => [200, 'device']);
    await answering(await module.connect(t, Mqtt), 'reboot', () => [201, 'module']);
    // The manager sends an empty string, whatever the payload.
    const call = { methodName: 'reboot', payload: 1, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 0 };
    assert.deepEqual(answer(await manager.invokeDeviceMethod(device.deviceId, { ...call })), [200, 'device']);
    assert.deepEqual(answer(await manager.invokeDeviceModuleMethod(device.deviceId, 'sensor', { ...call })), [201, 'module']);
  });
});

describe('a back end with a token of Entra ID', () => {
  const credential = { getToken: async () => ({ token: 'eyJ0eXAiOiJKV1QifQ.e30.c2ln', expiresOnTimestamp: Date.now() + 3_600_000 }) };

  test('is refused by the registry and the service', async () => {
    const { deviceId } = await hub.newDevice();
    const registry = Registry.fromTokenCredential(hub.host, credential);
    const refused = (err) => {
      assert.equal(err.name, 'UnauthorizedError');
      assert.equal(err.response.headers['iothub-errorcode'], 'IotHubUnauthorizedAccess');
      return true;
    };
    await assert.rejects(registry.get(deviceId), (err) => {
      assert.equal(JSON.parse(err.responseBody).Message, 'ErrorCode:IotHubUnauthorizedAccess;Unauthorized');
      return refused(err);
    });
    await assert.rejects(registry.getTwin(deviceId), refused);
    const service = Client.fromTokenCredential(hub.host, credential);
    await assert.rejects(service.invokeDeviceMethod(deviceId, { methodName: 'reboot' }), refused);
    await assert.rejects(service.open(), (err) => err.amqpError.name === 'UnauthorizedError');
  });
});

// deleted deletes, which the manager does without telling when it is done.
async function deleted(remove, get) {
  remove();
  await until(() => get().then(() => false, (err) => err.statusCode === 404), 'the end of the identity');
}

function answer({ status, payload }) {
  return [status, payload];
}
