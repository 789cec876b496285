'use strict';
// Renewing a token. MQTT has no way to do that within a connection, so the SDK
// leaves and comes back under the same id. It subscribes to nothing again: the hub
// has to have kept the session.

const assert = require('node:assert/strict');
const { hub } = require('./lib/hubs');
const { answering } = require('./lib/methods');
const { overEachTransport, test } = require('./lib/tests');
const { report, watchDesired } = require('./lib/twin');
const { Inbox, roundTrip, within } = require('./lib/wait');

const HOUR = 3600; // seconds
const TIMES = 3; // so that the session is kept more than once

overEachTransport('renewing a token', (Transport) => {
  test('keeps the subscriptions of a device that signs with its key', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const works = await listening(device, client);
    for (let i = 1; i <= TIMES; i++) {
      const { since } = await device.connection();
      // New values make the SDK sign a new token, and use it, at once.
      await client.setOptions({
        tokenRenewal: { tokenValidTimeInSeconds: HOUR + i, tokenRenewalMarginInSeconds: HOUR / 4 },
      });
      await roundTrip(client); // which the SDK holds back until it is connected again
      const connection = await device.connection();
      assert.notEqual(connection.since, since);
      assert.deepEqual(connection.listening, { messages: true, methods: true, desired: true });
      await works(i);
    }
  });

  test('keeps the subscriptions of a device that is given its tokens', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport, { connectionString: device.withToken(HOUR) });
    const works = await listening(device, client);
    for (let i = 1; i <= TIMES; i++) {
      await within(new Promise((resolve, reject) => {
        client.updateSharedAccessSignature(device.token(HOUR + i), (err) => (err ? reject(err) : resolve()));
      }), 'renewal');
      await works(i);
    }
  });

  test('keeps the subscriptions of a module', async (t) => {
    const module = await hub.newModule();
    const client = await module.connect(t, Transport);
    const calls = await answering(client, 'reboot');
    const { deltas } = await watchDesired(client);
    await client.setOptions({
      tokenRenewal: { tokenValidTimeInSeconds: 2 * HOUR, tokenRenewalMarginInSeconds: HOUR },
    });
    await roundTrip(client);
    await module.invoke({ methodName: 'reboot' });
    await calls.takeOne();
    await module.setDesired({ interval: 10 });
    assert.deepEqual(await deltas.takeOne(), { interval: 10, $version: 2 });
  });

  test('loses no message that is on its way', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const inbox = Inbox.of(client, 'message');
    await roundTrip(client);
    const bodies = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    for (const body of bodies) {
      await device.send({ body });
      if (body === 'message 10') {
        await client.setOptions({
          tokenRenewal: { tokenValidTimeInSeconds: 2 * HOUR, tokenRenewalMarginInSeconds: HOUR },
        });
      }
    }
    // One whose acknowledgement was lost arrives twice.
    const seen = new Set();
    while (seen.size < bodies.length) {
      seen.add((await inbox.takeOne()).getData().toString());
    }
    assert.deepEqual([...seen], bodies);
  });
});

// listening makes the device listen to all there is and returns a function that
// asserts that all of it still arrives.
async function listening(device, client) {
  const messages = Inbox.of(client, 'message');
  await answering(client, 'double', ({ payload }) => [200, 2 * payload]);
  const { twin, deltas } = await watchDesired(client);
  return async (i) => {
    await device.send({ body: `message ${i}` });
    assert.equal((await messages.takeOne()).getData().toString(), `message ${i}`);
    assert.deepEqual(await device.invoke({ methodName: 'double', payload: i }), { status: 200, payload: 2 * i });
    const desired = await device.setDesired({ round: i });
    assert.deepEqual(await deltas.takeOne(), { round: i, $version: desired.properties.desired.$version });
    await report(twin, { round: i });
  };
}
