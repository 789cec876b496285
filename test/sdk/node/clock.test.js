'use strict';
// What time does to messages, calls and connections, seen by moving the hub's
// clock. These tests have a hub to themselves and run one after the other.

const assert = require('node:assert/strict');
const { errors } = require('azure-iot-common');
const { clockHub: hub } = require('./lib/hubs');
const { answering, refuses } = require('./lib/methods');
const { DeviceProcess } = require('./lib/device-process');
const { refused } = require('./lib/refusal');
const { overEachTransport, test } = require('./lib/tests');
const { event, Inbox, roundTrip, within } = require('./lib/wait');

overEachTransport('the clock', (Transport) => {
  test('gives a message back when its lock runs out', async (t) => {
    const device = await hub.newDevice();
    const slow = await DeviceProcess.start(t, device, Transport);
    slow.freeze(); // it receives and says nothing
    await device.send({ body: 'hello', messageId: 'locked', ack: 'full' });
    await hub.control.advance('59s');
    assert.equal(await device.queued(), 1);
    await hub.control.advance('2s');
    slow.thaw();

    // It got the message twice, and only its second acknowledgement counts.
    assert.deepEqual(await slow.messages.take(2), ['hello', 'hello']);
    const records = await device.feedback(1);
    assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode]), [['locked', 'Success']]);
    assert.equal(await device.queued(), 0);
  });

  test('expires messages that nobody fetched, and feedback says so', async (t) => {
    const device = await hub.newDevice();
    for (const ack of ['none', 'positive', 'negative', 'full']) {
      await device.send({ messageId: ack, ack, ttl: '30s' });
    }
    await device.send({ messageId: 'longer', body: 'still good', ttl: '10m' });
    await hub.control.advance('15s'); // a margin for a busy machine
    assert.equal(await device.queued(), 5);
    await hub.control.advance('16s');

    const records = await device.feedback(2);
    assert.deepEqual(records.map((r) => [r.originalMessageId, r.statusCode, r.description]), [
      ['negative', 'Expired', 'Expired'], ['full', 'Expired', 'Expired'],
    ]);
    assert.equal(await device.queued(), 1);
    const client = await device.connect(t, Transport);
    const message = await Inbox.of(client, 'message').takeOne();
    assert.equal(message.messageId, 'longer');
    assert.match(message.expiryTimeUtc, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
    assert.ok(Date.parse(message.expiryTimeUtc) > Date.now());
  });

  test('ends a connection when its token has run out and the grace is over', async (t) => {
    const device = await hub.newDevice();
    const connectionString = device.withToken(120);
    const client = await device.connect(t, Transport, { connectionString });
    const gone = event(client, 'disconnect');
    await hub.control.advance('121s'); // run out
    await roundTrip(client);
    await hub.control.advance('290s'); // nearly five minutes later
    await roundTrip(client);
    await hub.control.advance('10s'); // expiry is in whole seconds: a margin on both sides
    assert.ok((await gone).transportObj instanceof errors.NotConnectedError);
    assert.equal((await device.lastDisconnect()).code, 401003);

    await refused(t, device, Transport, 401003, { connectionString });
    // A token that is signed now is new, however far the hub's clock is ahead.
    await roundTrip(await device.connect(t, Transport, { connectionString: device.withToken(600) }));
  });

  test('spares a connection whose token was renewed', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport, { connectionString: device.withToken(120) });
    await within(new Promise((resolve, reject) => {
      client.updateSharedAccessSignature(device.token(1200), (err) => (err ? reject(err) : resolve()));
    }), 'renewal');
    const { since } = await device.connection();
    await hub.control.advance('10m');
    await roundTrip(client);
    assert.equal((await device.connection()).since, since);
  });

  test('ends a call that the device does not answer', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'reboot', ({ payload }) => payload && [200, payload]);
    const unanswered = device.invoke({ methodName: 'reboot', responseTimeoutInSeconds: 5 });
    const call = await calls.takeOne();
    const failed = assert.rejects(unanswered, (err) => {
      assert.equal(err.name, 'GatewayTimeoutError');
      assert.equal(JSON.parse(JSON.parse(err.responseBody).Message).errorCode, 504101);
      return true;
    });
    await hub.control.advance('6s');
    await within(failed, 'failure of the call');

    await call.send(200, 'too late'); // which is nobody's answer any more
    assert.deepEqual(await device.invoke({ methodName: 'reboot', payload: 'again' }), { status: 200, payload: 'again' });
  });

  test('ends the wait for a device that does not come', async () => {
    const device = await hub.newDevice();
    const failed = refuses(device.invoke({ methodName: 'reboot', connectTimeoutInSeconds: 10 }), 404103);
    await device.registered(); // asked after the call, so by now the hub has the call
    await hub.control.advance('11s');
    await within(failed, 'failure of the call');
  });
});
