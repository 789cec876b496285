'use strict';
// Devices that authenticate by certificates. Node's modules cannot.

const assert = require('node:assert/strict');
const { Client, Message } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Http } = require('azure-iot-device-http');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Authority } = require('./lib/certificates');
const { x509Hub: hub } = require('./lib/hubs');
const { answering } = require('./lib/methods');
const { overEachTransport, test } = require('./lib/tests');
const { report, watchDesired } = require('./lib/twin');
const { Inbox, roundTrip, within } = require('./lib/wait');

const ALL = [Mqtt, MqttWs, Amqp, AmqpWs, Http];
const METHOD = { scope: 'device', type: 'x509Certificate', issuer: 'external', acceptingIpFilterRule: null };
const YEAR = '8784h';

const byCA = () => hub.newDevice({ authentication: { type: 'certificateAuthority' } });

function byThumbprint(primaryThumbprint, secondaryThumbprint) {
  return hub.newDevice({ authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint, secondaryThumbprint } } });
}

// client is a client of an identity that shows a certificate, or none.
function client(t, identity, Transport, { cert, key } = {}) {
  const connectionString = identity.connectionString({ SharedAccessKey: undefined, x509: 'true' });
  const made = identity.client(t, Transport, { connectionString });
  if (cert) {
    made.setOptions({ cert, key });
  }
  return made;
}

// connect is such a client that has connected. Over HTTP that means nothing yet.
async function connect(t, identity, Transport, certificate) {
  const made = client(t, identity, Transport, certificate);
  await within(made.open(), `connecting ${identity.deviceId}`);
  return made;
}

// denied asserts that the hub refuses a client, and for that reason.
async function denied(t, identity, Transport, certificate, reason) {
  const made = client(t, identity, Transport, certificate);
  await assert.rejects(within(made.open().then(() => roundTrip(made)), 'refusal'), /.*/);
  const refusal = await identity.refusal();
  assert.equal(refusal?.code, 401003, refusal?.reason);
  assert.match(refusal.reason, reason);
}

overEachTransport('a certificate', (Transport) => {
  test('of a CA\'s connects the device it is made out to', async (t) => {
    const device = await byCA();
    await roundTrip(await connect(t, device, Transport, new Authority(t, hub).issue(device.deviceId)));
    const [sent] = await hub.control.events(device.deviceId, 1);
    assert.deepEqual(JSON.parse(sent.systemProperties['iothub-connection-auth-method']), METHOD);
    const { responseBody: twin } = await device.twin();
    assert.equal(twin.authenticationType, 'certificateAuthority');
    const connection = await device.connection();
    if (Transport !== Http) {
      assert.equal(connection.authentication, 'certificateAuthority');
      assert.equal(connection.protocol, Transport.name);
    } else {
      assert.equal(connection, undefined);
    }
  });

  test('is known by its thumbprint, SHA-1 or SHA-256, the first or the second', async (t) => {
    const own = new Authority(t, hub).issue('anything');
    const other = '0'.repeat(40);
    for (const prints of [[own.sha1], [own.sha256.toLowerCase()], [other, own.sha256]]) {
      const device = await byThumbprint(...prints);
      await roundTrip(await connect(t, device, Transport, own));
      const { responseBody: twin } = await device.twin();
      assert.equal(twin.authenticationType, 'selfSigned');
      const { authentication } = await device.registered();
      assert.equal(authentication.x509Thumbprint.primaryThumbprint, prints[0]);
    }
  });

  test('opens nothing that it is not for', async (t) => {
    const authority = new Authority(t, hub);
    const foreign = Authority.own(t, hub, 'Elsewhere');
    const device = await byCA();
    await denied(t, device, Transport, authority.issue('another'), /common name is "another"/);
    await denied(t, device, Transport, foreign.issue(device.deviceId), /issued by "CN=Elsewhere", which is no certificate authority/);
    const pinned = await byThumbprint('0'.repeat(64));
    await denied(t, pinned, Transport, authority.issue(pinned.deviceId), /thumbprint \(SHA-256 [0-9A-F]{64}\) is neither/);
    const keyed = await hub.newDevice();
    await denied(t, keyed, Transport, authority.issue(keyed.deviceId), /authenticates by "sas", and there is no token/);
  });

  test('cannot be replaced by a token', async (t) => {
    const device = await byCA();
    const token = Client.fromConnectionString(
      device.connectionString({ SharedAccessKey: Buffer.alloc(32).toString('base64') }), Transport,
    );
    t.after(() => token.close());
    await assert.rejects(within(token.open().then(() => roundTrip(token)), 'refusal'));
    assert.match((await device.refusal()).reason, /authenticates by "certificateAuthority", not by shared access signatures/);
  });
}, ALL);

overEachTransport('a device with a certificate', (Transport) => {
  test('does all that devices do', async (t) => {
    const device = await byCA();
    const made = await connect(t, device, Transport, new Authority(t, hub).issue(device.deviceId));
    const inbox = Inbox.of(made, 'message');
    await answering(made, 'ping', () => [200, 'pong']);
    const { twin, deltas } = await watchDesired(made);
    await report(twin, { temperature: 21.5 });
    await roundTrip(made);

    await device.send({ body: 'hello' });
    assert.equal((await inbox.takeOne()).getData().toString(), 'hello');
    assert.deepEqual(await device.invoke({ methodName: 'ping', payload: null, connectTimeoutInSeconds: 10 }), { status: 200, payload: 'pong' });
    await device.setDesired({ interval: 30 });
    assert.equal((await deltas.takeOne()).interval, 30);
    assert.equal((await device.twin()).responseBody.properties.reported.temperature, 21.5);
  });

  test('comes back with the connection string that the hub prints', async (t) => {
    const device = await byCA();
    const connectionString = await hub.control.connectionString(device.deviceId);
    assert.match(connectionString, /;x509=true$/);
    const { cert, key } = new Authority(t, hub).issue(device.deviceId);
    for (let i = 0; i < 2; i += 1) {
      const made = device.client(t, Transport, { connectionString });
      made.setOptions({ cert, key });
      await within(made.open(), 'connection');
      await roundTrip(made);
      await within(made.close(), 'closing');
    }
  });
}, [Mqtt, MqttWs, Amqp, AmqpWs]);

test('a CA of one\'s own vouches once somebody has proven to have its key', async (t) => {
  const factory = Authority.own(t, hub, 'Factory');
  const device = await byCA();
  const certificate = factory.issue(device.deviceId);
  await hub.control.registerCertificate('factory', factory.pem, false);
  t.after(() => hub.control.deleteCertificate('factory'));
  await denied(t, device, Mqtt, certificate, /"factory" is registered, but that somebody has its key was not verified/);

  const code = await hub.control.verificationCode('factory');
  await assert.rejects(hub.control.verifyCertificate('factory', Authority.own(t, hub, 'Factory').proof(code)), /not signed with the certificate's key/);
  await hub.control.verifyCertificate('factory', factory.proof(code));
  await roundTrip(await connect(t, device, Mqtt, certificate));
});

test('a CA of one\'s own may need no proof', async (t) => {
  const factory = Authority.own(t, hub, 'Trusted factory');
  const device = await byCA();
  await hub.control.registerCertificate('trusted', factory.pem, true);
  const made = await connect(t, device, Amqp, factory.issue(device.deviceId));
  await roundTrip(made);
  await hub.control.deleteCertificate('trusted');
  await roundTrip(made); // who is connected stays
  await denied(t, device, Mqtt, factory.issue(device.deviceId), /issued by "CN=Trusted factory", which is no certificate authority/);
});

// The last: it moves the hub's clock.
test('a certificate runs out by the hub\'s clock', async (t) => {
  const device = await byCA();
  const certificate = new Authority(t, hub).issue(device.deviceId);
  const made = await connect(t, device, Mqtt, certificate);
  await roundTrip(made);
  await hub.control.advance(YEAR);
  await within(made.sendEvent(new Message('still here')), 'acknowledgement');
  await made.close();
  for (const Transport of ALL) {
    await denied(t, device, Transport, certificate, /the certificate expired at .*, and the hub's clock says/);
  }
});
