'use strict';
// Twins: what the device reports, what the back end desires, and how each learns
// of the other.

const assert = require('node:assert/strict');
const { hub } = require('./lib/hubs');
const { overEachTransport, test } = require('./lib/tests');
const { getTwin, report, watchDesired } = require('./lib/twin');
const { Inbox, roundTrip } = require('./lib/wait');

const LARGEST = 32 * 1024; // what reported properties may count, in all

// Every type a property can have.
const VARIETY = {
  text: 'Grüße, 世界 ☃ 𝄞 "quoted" \\ /',
  empty: '',
  integer: -4503599627370496,
  fraction: 21.5,
  small: 1e-7,
  yes: true,
  no: false,
  list: [1, 'two', { three: 3 }, [4]],
  object: { nested: { deeper: { leaf: 'x' } }, none: {} },
};

overEachTransport('twin', (Transport) => {
  test('of a new device is empty', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { $version: 1 });
    assert.deepEqual(reported(properties), { $version: 1 });
  });

  test('has what the device reported, one version on', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const twin = await getTwin(client);
    await report(twin, VARIETY);

    const { responseBody: seen } = await device.twin();
    const { $metadata: metadata, ...properties } = seen.properties.reported;
    assert.deepEqual(properties, { ...VARIETY, $version: 2 });
    assert.ok(Date.parse(metadata.object.nested.deeper.leaf.$lastUpdated) <= Date.now());
    const again = await getTwin(client);
    assert.deepEqual(reported(again.properties), { ...VARIETY, $version: 2 });
  });

  test('merges what the device reports; null deletes', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const twin = await getTwin(client);
    await report(twin, { firmware: { version: '1', build: 7 }, uptime: 1, gone: 'soon' });
    await report(twin, { firmware: { build: 8 }, gone: null });
    await report(twin, { firmware: { version: null } });

    const { properties } = await getTwin(client);
    assert.deepEqual(reported(properties), { firmware: { build: 8 }, uptime: 1, $version: 4 });
  });

  test('refuses what may not be reported, and stays as it was', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const twin = await getTwin(client);
    for (const [what, patch] of Object.entries({
      'a name with a dollar': { $own: 1 },
      'a name with a dot': { 'a.b': 1 },
      'a name with a space': { 'a b': 1 },
      'too deep': { 1: { 2: { 3: { 4: { 5: { 6: { 7: { 8: { 9: { 10: { 11: { 12: 1 } } } } } } } } } } } },
      'too long a text': { text: 'x'.repeat(4097) },
      'too large a number': { number: 2 ** 53 },
      'too much in all': Object.fromEntries(
        Array.from({ length: 9 }, (_, i) => [`text${i}`, 'x'.repeat(LARGEST / 8)])),
    })) {
      await assert.rejects(report(twin, patch), Error, what);
    }

    const { properties } = await getTwin(client);
    assert.deepEqual(reported(properties), { $version: 1 });
  });

  test('pushes desired properties to the device', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const { twin, deltas } = await watchDesired(client);
    const leaf = Inbox.of(twin, 'properties.desired.object.nested.deeper.leaf');
    await device.setDesired(VARIETY);

    assert.deepEqual(await deltas.takeOne(), { ...VARIETY, $version: 2 });
    assert.equal(await leaf.takeOne(), 'x');
    assert.deepEqual(twin.properties.desired, { ...VARIETY, $version: 2 });
  });

  test('pushes changes only; null deletes', async (t) => {
    const device = await hub.newDevice();
    await device.setDesired({ interval: 10, limits: { low: 1, high: 9 } });
    const client = await device.connect(t, Transport);
    const { twin, deltas } = await watchDesired(client);
    assert.deepEqual(twin.properties.desired, { interval: 10, limits: { low: 1, high: 9 }, $version: 2 });

    await device.setDesired({ limits: { high: 8 } });
    assert.deepEqual(await deltas.takeOne(), { limits: { high: 8 }, $version: 3 });
    await device.setDesired({ interval: null, limits: { low: null } });
    assert.deepEqual(await deltas.takeOne(), { interval: null, limits: { low: null }, $version: 4 });
    assert.deepEqual(twin.properties.desired, { limits: { high: 8 }, $version: 4 });

    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { limits: { high: 8 }, $version: 4 });
  });

  test('pushes all of the desired properties when they are replaced', async (t) => {
    const device = await hub.newDevice();
    await device.setDesired({ interval: 10, mode: 'night' });
    const client = await device.connect(t, Transport);
    const { deltas } = await watchDesired(client);
    await hub.rest.devices.replaceTwin(device.deviceId, { properties: { desired: { mode: 'day' } } });

    assert.deepEqual(await deltas.takeOne(), { mode: 'day', $version: 3 });
    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { mode: 'day', $version: 3 });
  });

  test('keeps its tags from the device', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const { deltas } = await watchDesired(client);
    const { responseBody: twin } = await device.twin();
    await twin.update({ tags: { site: 'Berlin' } });
    await device.setDesired({ after: 'tags' });

    assert.deepEqual(await deltas.takeOne(), { after: 'tags', $version: 2 });
    const { properties, tags } = await getTwin(client);
    assert.deepEqual(properties.desired, { after: 'tags', $version: 2 });
    assert.equal(tags, undefined);
  });

  test('sends no stale notification to a device that was away', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Transport);
    const { deltas } = await watchDesired(client);
    await client.close();
    await device.setDesired({ interval: 10 });
    await device.setDesired({ interval: 20 });

    await client.open(); // subscribes to nothing: the hub has kept its session
    await roundTrip(client);
    assert.deepEqual(deltas.waiting, []);
    const { properties } = await getTwin(client);
    assert.deepEqual(properties.desired, { interval: 20, $version: 3 });
    assert.deepEqual(await deltas.takeOne(), { interval: 20, $version: 3 }); // what it fetched

    await device.setDesired({ interval: 30 });
    assert.deepEqual(await deltas.takeOne(), { interval: 30, $version: 4 });
  });
});

// reported is the reported properties without the SDK's own function among them.
function reported({ reported: { update, ...rest } }) {
  return rest;
}
