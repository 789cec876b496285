'use strict';
// Who may connect, who may not, and what ends a connection.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { errors } = require('azure-iot-common');
const { ConnectionString } = require('azure-iothub');
const { hub } = require('./lib/hubs');
const { overEachTransport, test } = require('./lib/tests');
const { refused } = require('./lib/refusal');
const { event, Inbox, roundTrip, within } = require('./lib/wait');

const HOUR = 3600; // seconds

overEachTransport('connecting', (Transport) => {
  test('shows in the registry and on the control port', async (t) => {
    const device = await hub.newDevice();
    assert.equal((await device.registered()).connectionState, 'Disconnected');
    const client = await device.connect(t, Transport);
    assert.equal((await device.registered()).connectionState, 'Connected');
    const connection = await device.connection();
    assert.equal(connection.connected, true);
    assert.equal(connection.protocol, Transport.name);
    assert.equal(connection.authentication, 'sas');
    assert.match(connection.agent, /^azure-iot-device\/1\.18\.4/);

    await client.close();
    const { code, reason } = await device.lastDisconnect();
    assert.deepEqual([code, reason], [0, '']); // it said goodbye
    assert.equal((await device.registered()).connectionState, 'Disconnected');
  });

  test('works with either key', async (t) => {
    const device = await hub.newDevice();
    const connectionString = device.connectionString({ SharedAccessKey: device.secondaryKey });
    await roundTrip(await device.connect(t, Transport, { connectionString }));
  });

  test('works with the connection string the hub prints', async (t) => {
    const device = await hub.newDevice();
    const connectionString = await hub.control.connectionString(device.deviceId);
    await roundTrip(await device.connect(t, Transport, { connectionString }));
  });

  test('works with a token, even shortly after it has run out', async (t) => {
    const device = await hub.newDevice();
    for (const seconds of [HOUR, -60]) {
      const client = await device.connect(t, Transport, { connectionString: device.withToken(seconds) });
      await roundTrip(client);
      await client.close();
    }
  });

  test('works under a policy that lets devices connect', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport, { connectionString: underPolicy(device, 'device') });
    await roundTrip(client);
    const [sent] = await hub.control.events(device.deviceId, 1);
    const method = JSON.parse(sent.systemProperties['iothub-connection-auth-method']);
    assert.deepEqual([method.scope, method.type], ['hub', 'sas']);
  });

  test('works by another of the hub\'s names', async (t) => {
    const device = await hub.newDevice();
    const connectionString = device.connectionString({ HostName: 'localhost', GatewayHostName: hub.host });
    await roundTrip(await device.connect(t, Transport, { connectionString }));
  });

  test('works with every character that an id may have', async (t) => {
    const { deviceId } = await hub.newDevice();
    const device = await hub.newDevice({ deviceId: `${deviceId}.-%_*!(),=@$':` });
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    await roundTrip(client);
    await device.send({ body: 'hello' });
    const message = await inbox.takeOne();
    assert.equal(message.to, `/devices/${device.deviceId}/messages/deviceBound`);
    assert.equal((await hub.control.events(device.deviceId, 1)).length, 1);
  });

  test('is refused with a wrong key', async (t) => {
    const [device, other] = [await hub.newDevice(), await hub.newDevice()];
    const connectionString = device.connectionString({ SharedAccessKey: other.primaryKey });
    await refused(t, device, Transport, 401003, { connectionString });
  });

  test('is refused with a key that was replaced', async (t) => {
    const device = await hub.newDevice();
    const identity = await device.registered();
    identity.authentication.symmetricKey = { primaryKey: '', secondaryKey: '' };
    await hub.registry.update(identity);
    await refused(t, device, Transport, 401003);
  });

  test('is refused with an expired token', async (t) => {
    const device = await hub.newDevice();
    await refused(t, device, Transport, 401003, { connectionString: device.withToken(-HOUR) });
  });

  test('is refused under a policy that does not let devices connect', async (t) => {
    const device = await hub.newDevice();
    await refused(t, device, Transport, 401003, { connectionString: underPolicy(device, 'registryReadWrite') });
  });

  test('is refused to a device that is unknown, disabled or deleted', async (t) => {
    const device = await hub.newDevice();
    await device.setStatus('disabled');
    await refused(t, device, Transport, 403012);
    await device.setStatus('enabled');
    await roundTrip(await device.connect(t, Transport));
    await hub.registry.delete(device.deviceId);
    await refused(t, device, Transport, 404001);
  });

  test('is refused to a device that was never registered, though it has the well-known key', async (t) => {
    const { SharedAccessKey } = ConnectionString.parse(hub.policies.device);
    await refused(t, hub.unregistered(SharedAccessKey), Transport, 404001);
  });

  test('is refused to a device of the same name that was made anew', async (t) => {
    const device = await hub.newDevice();
    await hub.registry.delete(device.deviceId);
    const again = await hub.newDevice({ deviceId: device.deviceId });
    assert.notEqual(again.identity.generationId, device.identity.generationId);
    await refused(t, device, Transport, 401003);
    await roundTrip(await again.connect(t, Transport));
  });

  test('needs a CA that the client trusts', async (t) => {
    const device = await hub.newDevice();
    const stranger = device.client(t, Transport);
    await stranger.setOptions({ ca: tls.rootCertificates[0] });
    await assert.rejects(within(stranger.open(), 'refusal'));
    assert.equal(await device.connection(), undefined); // the hub never heard its name
    assert.equal(await device.refusal(), undefined);

    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'linarite-ca-')), 'ca.pem');
    t.after(() => fs.rmSync(path.dirname(file), { recursive: true }));
    fs.writeFileSync(file, hub.ca);
    for (const ca of [hub.ca, file]) { // the SDK takes both
      const client = device.client(t, Transport);
      await client.setOptions({ ca });
      await client.open();
      await roundTrip(client);
      await client.close();
    }
  });

  test('twice under one id leaves the newer connection', async (t) => {
    const device = await hub.newDevice();
    const older = await device.connect(t, Transport);
    const gone = event(older, 'disconnect');
    const newer = await device.connect(t, Transport);
    assert.ok((await gone).transportObj instanceof errors.NotConnectedError);
    assert.equal((await device.lastDisconnect()).code, 400027);
    await roundTrip(newer);
    const inbox = Inbox.of(newer, 'message');
    await device.send({ body: 'to the newer' });
    await inbox.takeOne();
  });

  test('ends when the device is disabled, and works again when it is enabled', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const gone = event(client, 'disconnect');
    await device.setStatus('disabled');
    await gone;
    await refused(t, device, Transport, 403012);
    await device.setStatus('enabled');
    await client.open();
    await roundTrip(client);
  });

  test('ends when the device is deleted', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const gone = event(client, 'disconnect');
    await hub.registry.delete(device.deviceId);
    await gone;
  });

  test('is what the SDK does by itself when the connection breaks', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport, { retry: true });
    const inbox = Inbox.of(client, 'message');
    await roundTrip(client);
    const back = event(client, 'connect');
    await hub.control.kick(device.deviceId);
    await back;
    await device.send({ body: 'welcome back' });
    await inbox.takeOne();
  });
});

// underPolicy is a connection string with the policy's key in place of the
// device's.
function underPolicy(device, name) {
  const { SharedAccessKeyName, SharedAccessKey } = ConnectionString.parse(hub.policies[name]);
  return device.connectionString({ SharedAccessKeyName, SharedAccessKey });
}
