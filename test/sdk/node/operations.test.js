'use strict';
// Operations monitoring, as the Event Hubs SDK reads it.

const assert = require('node:assert/strict');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { Reader, WAYS } = require('./lib/events');
const { describe, test } = require('./lib/tests');
const { within } = require('./lib/wait');

const ENTITY = 'linarite-operationmonitoring';

for (const [name, way] of Object.entries(WAYS)) {
  describe(`operations monitoring over ${name}`, () => {
    test('is an endpoint of its own', async (t) => {
      const { client } = reader(t, way);
      const endpoint = await within(client.getEventHubProperties(), 'properties');
      assert.equal(endpoint.name, ENTITY);
      assert.deepEqual(endpoint.partitionIds, ['0', '1', '2', '3']);
      assert.equal((await within(client.getPartitionProperties('1'), 'partition')).eventHubName, ENTITY);
    });

    test('tells of a device that comes, is thrown out, comes again and leaves', async (t) => {
      const device = await hub.newDevice();
      const inbox = reader(t, way).read([device.deviceId]);
      await device.connect(t, Mqtt);
      const [came] = await inbox.take(1);
      assert.equal(came.contentType, 'application/json');
      const connected = JSON.parse(came.body);
      assert.deepEqual(Object.keys(connected), [
        'durationMs', 'authType', 'protocol', 'time', 'operationName', 'category', 'level', 'deviceId',
      ]);
      assert.deepEqual(JSON.parse(connected.authType), {
        scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null,
      });
      assert.equal(connected.protocol, 'Mqtt');
      assert.equal(connected.operationName, 'deviceConnect');
      assert.equal(connected.level, 'Information');

      await hub.control.kick(device.deviceId);
      const thrown = JSON.parse((await inbox.take(1))[0].body);
      assert.equal(thrown.operationName, 'deviceDisconnect');
      assert.equal(thrown.category, 'Connections');
      assert.equal(thrown.level, 'Error');
      assert.equal(thrown.statusCode, 404);
      assert.equal(thrown.statusType, 404104);
      assert.match(thrown.statusDescription, /^DeviceConnectionClosedRemotely: /);

      const client = await device.connect(t, Mqtt);
      const [again] = await inbox.take(1);
      assert.equal(JSON.parse(again.body).operationName, 'deviceConnect');
      await within(client.close(), 'closing the device');
      const left = JSON.parse((await inbox.take(1))[0].body);
      assert.equal(left.operationName, 'deviceDisconnect');
      assert.equal(left.level, 'Information');
      assert.equal(left.statusCode, undefined);
    });

    test('tells of an identity that could not be created', async (t) => {
      const device = await hub.newDevice();
      const inbox = reader(t, way).read([device.deviceId]);
      await assert.rejects(hub.registry.create({ deviceId: device.deviceId }));
      const [event] = await inbox.take(1);
      const { category, operationName, statusCode, sharedAccessPolicy, userAgent } = JSON.parse(event.body);
      assert.deepEqual({ category, operationName, statusCode, sharedAccessPolicy }, {
        category: 'DeviceIdentityOperations', operationName: 'create', statusCode: 409, sharedAccessPolicy: 'iothubowner',
      });
      assert.ok(userAgent);
    });
  });
}

// reader reads operations monitoring.
function reader(t, way) {
  return new Reader(t, hub, way, hub.events.replace(/EntityPath=.*/, `EntityPath=${ENTITY}`));
}
