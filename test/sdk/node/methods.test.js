'use strict';
// Direct methods: a back end calls, the device answers, both hear of it at once.
// What has to do with the clock is in clock.test.js.

const assert = require('node:assert/strict');
const { hub } = require('./lib/hubs');
const { answering, refuses } = require('./lib/methods');
const { overEachTransport, test } = require('./lib/tests');
const { roundTrip, within } = require('./lib/wait');

const LARGEST = 128 * 1024; // bytes of a payload

overEachTransport('direct methods', (Transport) => {
  test('carry a payload there, and a status and a payload back', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'reboot', () => [202, { rebooting: true, in: ['5', 's'], note: 'Grüße ☃' }]);
    const payload = { delay: 5, reason: 'Grüße, 世界 ☃', nested: { list: [1, null, 'x'] } };

    const answer = await device.invoke({ methodName: 'reboot', payload });
    assert.deepEqual(answer, { status: 202, payload: { rebooting: true, in: ['5', 's'], note: 'Grüße ☃' } });
    assert.deepEqual((await calls.takeOne()).payload, payload);
  });

  test('carry any JSON', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await answering(client, 'echo', ({ payload }) => [200, payload]);
    for (const payload of [0, -1.5, '', 'text', true, false, [], [1, [2]], {}, { a: { b: null } }]) {
      assert.deepEqual(await device.invoke({ methodName: 'echo', payload }), { status: 200, payload });
    }
  });

  test('need no payload either way', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'ping', () => [204]);
    assert.deepEqual(await device.invoke({ methodName: 'ping' }), { status: 204, payload: null });
    assert.equal((await calls.takeOne()).payload, null);
  });

  test('report the device\'s failure as the device put it', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await answering(client, 'fail', () => [500, 'no fuel']);
    assert.deepEqual(await device.invoke({ methodName: 'fail' }), { status: 500, payload: 'no fuel' });
  });

  test('called at the same time get their own answers, in any order', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'square', () => undefined);
    const numbers = [1, 2, 3, 4, 5];
    const answers = numbers.map((payload) => device.invoke({ methodName: 'square', payload }));
    for (const call of (await calls.take(numbers.length)).reverse()) {
      call.send(200, call.payload ** 2);
    }
    assert.deepEqual((await Promise.all(answers)).map((a) => a.payload), [1, 4, 9, 16, 25]);
  });

  test('carry 128 KB and no more', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await answering(client, 'echo', ({ payload }) => [200, payload]);
    const payload = 'x'.repeat(LARGEST - 2); // two for the quotes
    const answer = await device.invoke({ methodName: 'echo', payload });
    assert.ok(answer.payload === payload, `${answer.payload?.length} bytes came back`);
    await assert.rejects(device.invoke({ methodName: 'echo', payload: `${payload}x` }),
      (err) => err.response.statusCode === 413);
  });

  test('of a device that is away are refused', async (t) => {
    const device = await hub.newDevice();
    await refuses(device.invoke({ methodName: 'reboot' }), 404103);

    const client = await device.connect(t, Transport);
    await answering(client, 'reboot');
    await client.close();
    await refuses(device.invoke({ methodName: 'reboot' }), 404103);
  });

  test('of a device that does not listen to methods are refused', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await roundTrip(client);
    await refuses(device.invoke({ methodName: 'reboot' }), 404103);
  });

  test('fail at once when the device goes away', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const calls = await answering(client, 'reboot', () => undefined);
    const failed = refuses(device.invoke({ methodName: 'reboot', responseTimeoutInSeconds: 300 }), 404103);
    await calls.takeOne();
    await client.close();
    await within(failed, 'failure of the call');
  });

  test('wait for a device that is about to come', async (t) => {
    const device = await hub.newDevice();
    const answer = device.invoke({ methodName: 'reboot', payload: 1, connectTimeoutInSeconds: 60 });
    await device.registered(); // asked after the call, so by now the hub has the call
    const client = await device.connect(t, Transport);
    await answering(client, 'reboot', ({ payload }) => [200, payload + 1]);
    assert.deepEqual(await within(answer, 'answer'), { status: 200, payload: 2 });
  });

  test('work again after the device was away, without a new subscription', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    await answering(client, 'reboot');
    await client.close();
    await client.open();
    assert.equal((await device.invoke({ methodName: 'reboot' })).status, 200);
  });
});

test('direct methods of an unknown device or module are refused', async () => {
  await refuses(hub.service.invokeDeviceMethod('nobody', { methodName: 'reboot' }), 404001);
  const device = await hub.newDevice();
  await refuses(hub.service.invokeDeviceMethod(device.deviceId, 'nobody', { methodName: 'reboot' }), 404010);
});

test('direct methods with impossible timeouts or names are refused', async () => {
  const device = await hub.newDevice();
  for (const params of [
    { methodName: 'reboot', responseTimeoutInSeconds: 4 },
    { methodName: 'reboot', responseTimeoutInSeconds: 301 },
    { methodName: 'reboot', connectTimeoutInSeconds: 301 },
    { methodName: 'a/b' },
    { methodName: 'a b' },
  ]) {
    await assert.rejects(device.invoke(params), { name: 'ArgumentError' }, JSON.stringify(params));
  }
});
