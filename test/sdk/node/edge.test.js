'use strict';
// Edge devices in the registry: scopes, parents and system modules.

const assert = require('node:assert/strict');
const { hub } = require('./lib/hubs');
const { describe, test } = require('./lib/tests');

describe('an edge device', () => {
  test('has a scope and system modules with twins', async () => {
    const { deviceId, identity } = await hub.newDevice({ capabilities: { iotEdge: true } });
    assert.equal(identity.deviceScope, `ms-azure-iot-edge://${deviceId}-${identity.generationId}`);
    const { responseBody: modules } = await hub.registry.getModulesOnDevice(deviceId);
    assert.deepEqual(modules.map((m) => [m.moduleId, m.managedBy, m.authentication.type]), [
      ['$edgeAgent', 'iotEdge', 'none'],
      ['$edgeHub', 'iotEdge', 'none'],
    ]);
    const { responseBody: twin } = await hub.registry.getModuleTwin(deviceId, '$edgeAgent');
    await twin.update({ properties: { desired: { schemaVersion: '1.1' } } });
    assert.equal((await hub.registry.getModuleTwin(deviceId, '$edgeAgent')).responseBody.properties.desired.schemaVersion, '1.1');
  });

  test('keeps its system modules to itself', async () => {
    const { deviceId } = await hub.newDevice({ capabilities: { iotEdge: true } });
    const { responseBody: agent } = await hub.registry.getModule(deviceId, '$edgeAgent');
    const refused = (err) => {
      assert.equal(err.response.statusCode, 401);
      assert.equal(err.response.headers['iothub-errorcode'], 'SystemModuleModifyUnauthorizedAccess');
      return true;
    };
    await assert.rejects(hub.registry.updateModule({ ...agent, managedBy: 'me' }, true), refused);
    await assert.rejects(hub.registry.removeModule(deviceId, '$edgeAgent'), refused);
    await assert.rejects(hub.registry.addModule({ deviceId, moduleId: '$mine' }), { name: 'ArgumentError' });
  });

  test('has children', async () => {
    const { identity: { deviceScope } } = await hub.newDevice({ capabilities: { iotEdge: true } });
    const { identity: leaf } = await hub.newDevice({ deviceScope });
    assert.deepEqual([leaf.deviceScope, leaf.parentScopes], [deviceScope, [deviceScope]]);
    const { identity: lower } = await hub.newDevice({ capabilities: { iotEdge: true }, parentScopes: [deviceScope] });
    assert.deepEqual(lower.parentScopes, [deviceScope]);
    assert.notEqual(lower.deviceScope, deviceScope);
    await assert.rejects(hub.newDevice({ deviceScope: 'ms-azure-iot-edge://nobody-1' }), { name: 'ArgumentError' });
  });

  test('may cease to be one', async () => {
    const { deviceId, identity } = await hub.newDevice({ capabilities: { iotEdge: true } });
    const { responseBody: plain } = await hub.registry.update({ ...identity, capabilities: { iotEdge: false } });
    assert.equal(plain.deviceScope, undefined);
    assert.deepEqual((await hub.registry.getModulesOnDevice(deviceId)).responseBody, []);
  });
});
