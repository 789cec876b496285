'use strict';
// Queries over twins as a back end asks them, over HTTPS.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { describe, test } = require('./lib/tests');

// fleet is some devices of the test's own, with a tag that no others have.
async function fleet(size) {
  const fleet = `fleet-${randomUUID()}`;
  const devices = [];
  for (let n = 0; n < size; n++) {
    const device = await hub.newDevice();
    await hub.registry.updateTwin(device.deviceId, {
      tags: { fleet, n, site: n % 2 ? 'north' : 'south', 'odd-name': { group: `g${n}` } },
      properties: { desired: { interval: 30 * n } },
    }, '*');
    devices.push(device);
  }
  return { fleet, devices, ids: devices.map((d) => d.deviceId) };
}

// all reads a query to its end, page by page. With a promise, the SDK's next
// starts anew unless it is given the token.
async function all(query, next = () => query.next(query.continuationToken)) {
  const pages = [];
  while (query.hasMoreResults) {
    const { result, responseBody } = await next();
    pages.push(result || responseBody);
  }
  return pages;
}

// rows is what a query answers.
async function rows(sql, pageSize) {
  return (await all(hub.registry.createQuery(sql, pageSize))).flat();
}

describe('queries', () => {
  test('answer twins that can be worked with', async () => {
    const { fleet: name, ids } = await fleet(3);
    const query = hub.registry.createQuery(`SELECT * FROM devices WHERE tags.fleet = '${name}' AND tags.site = 'south'`);
    const pages = await all(query, () => query.nextAsTwin());
    const [first, second] = pages.flat();
    assert.deepEqual([first.deviceId, second.deviceId], [ids[0], ids[2]]);
    assert.equal(second.properties.desired.interval, 60);
    assert.equal(second.properties.desired.$version, 2);
    assert.ok(second.properties.desired.$metadata.interval.$lastUpdated);

    await second.update({ tags: { site: 'west' } });
    const [west] = await rows(`SELECT * FROM devices WHERE tags.fleet = '${name}' AND tags.site = 'west'`);
    assert.equal(west.deviceId, ids[2]);
    assert.equal(west.etag, second.etag);
    const { responseBody: read } = await hub.registry.getTwin(ids[2]);
    assert.deepEqual(west, JSON.parse(JSON.stringify(read)), 'a query shows the twin that GET shows');
  });

  test('are read page by page', async () => {
    const { fleet: name, ids } = await fleet(5);
    const query = hub.registry.createQuery(`SELECT deviceId FROM devices WHERE tags.fleet = '${name}'`, 2);
    const pages = await all(query);
    assert.deepEqual(pages.map((page) => page.length), [2, 2, 1]);
    assert.deepEqual(pages.flat(), ids.map((deviceId) => ({ deviceId })));

    const again = hub.registry.createQuery(`SELECT deviceId FROM devices WHERE tags.fleet = '${name}'`, 2);
    await again.next();
    const token = again.continuationToken;
    await again.next(token);
    const { responseBody, result } = await again.next(token);
    assert.deepEqual(result || responseBody, ids.slice(2, 4).map((deviceId) => ({ deviceId })), 'a token can be used again');
  });

  test('miss and repeat nothing while devices come and go', async () => {
    const { fleet: name, devices, ids } = await fleet(6);
    const query = hub.registry.createQuery(`SELECT deviceId, tags.n FROM devices WHERE tags.fleet = '${name}'`, 2);
    const first = await query.next();
    await hub.registry.delete(ids[0]);
    await hub.registry.delete(ids[3]);
    await hub.registry.updateTwin(devices[4].deviceId, { tags: { n: 40 } }, '*');
    const late = await hub.newDevice();
    await hub.registry.updateTwin(late.deviceId, { tags: { fleet: name, n: 7 } }, '*');
    const seen = [...(first.result || first.responseBody), ...(await all(query)).flat()];
    assert.deepEqual(seen, [0, 1, 2, 4, 5].map((n) => ({ deviceId: ids[n], n: n === 4 ? 40 : n }))
      .concat({ deviceId: late.deviceId, n: 7 }));
  });

  test('answer nothing when nothing matches', async () => {
    const query = hub.registry.createQuery(`SELECT * FROM devices WHERE tags.fleet = '${randomUUID()}'`);
    const { result, responseBody } = await query.nextAsTwin();
    assert.deepEqual(result || responseBody, []);
    assert.equal(query.hasMoreResults, false);
    assert.deepEqual(await rows("SELECT * FROM devices.jobs WHERE devices.jobs.status = 'completed'"), []);
  });

  test('project', async () => {
    const { fleet: name, ids } = await fleet(2);
    const where = `FROM devices WHERE tags.fleet = '${name}'`;
    assert.deepEqual(await rows(`SELECT DeviceId, tags.[[odd-name]].[[group]] AS [[the group]], tags.none ${where}`), [
      { deviceId: ids[0], 'the group': 'g0' }, { deviceId: ids[1], 'the group': 'g1' },
    ]);
    const [row] = await rows(`SELECT TOP 1 status, connectionState, lastActivityTime, properties.desired ${where}`);
    assert.deepEqual([row.status, row.connectionState], ['enabled', 'Disconnected']);
    assert.match(row.lastActivityTime, /^0001-01-01T00:00:00/);
    assert.equal(row.desired.interval, 0);
  });

  test('group and aggregate', async () => {
    const { fleet: name } = await fleet(5);
    const where = `FROM devices WHERE tags.fleet = '${name}'`;
    assert.deepEqual(await rows(`SELECT COUNT() AS total, SUM(tags.n) AS s, AVG(tags.n) AS a, MIN(tags.n) AS l, MAX(tags.n) AS g ${where}`),
      [{ total: 5, s: 10, a: 2, l: 0, g: 4 }]);
    assert.deepEqual(await rows(`SELECT tags.site AS site, COUNT() AS n ${where} GROUP BY tags.site`),
      [{ site: 'north', n: 2 }, { site: 'south', n: 3 }]);
    assert.deepEqual(await rows(`SELECT tags.n FROM devices WHERE tags.fleet = '${name}' GROUP BY tags.n`, 2),
      [0, 1, 2, 3, 4].map((n) => ({ n })));
  });

  test('see what a device reports, and that it is there', async (t) => {
    const device = await hub.newDevice();
    const client = await device.connect(t, Mqtt);
    const twin = await client.getTwin();
    await new Promise((resolve, reject) => {
      twin.properties.reported.update({ temp: 21.5, on: true }, (err) => err ? reject(err) : resolve());
    });
    const where = `WHERE deviceId = '${device.deviceId}' AND properties.reported.temp > 20 AND properties.reported.on`;
    assert.deepEqual(await rows(`SELECT connectionState, properties.reported.temp FROM devices ${where}`),
      [{ connectionState: 'Connected', temp: 21.5 }]);
  });

  test('know modules', async () => {
    const module = await hub.newModule();
    const [twin] = await rows(`SELECT * FROM devices.modules WHERE deviceId = '${module.deviceId}'`);
    assert.deepEqual([twin.deviceId, twin.moduleId, twin.version], [module.deviceId, 'sensor', 2]);
    assert.deepEqual(await rows(`SELECT * FROM devices WHERE deviceId = '${module.deviceId}' AND is_defined(moduleId)`), []);
  });

  test('that are wrong are told where', async () => {
    const refusal = (message) => ({ name: 'ArgumentError', message });
    await assert.rejects(rows("SELECT * FROM devices WHERE deviceId == 'x'"), refusal("Error at column 39: unexpected '='"));
    await assert.rejects(rows('SELECT * FROM devices WHERE tags.group = 1'),
      refusal("Error at column 34: unexpected 'group': as a name it is written [[group]]"));
    await assert.rejects(hub.registry.createQuery('SELECT * FROM devices').next('no token'),
      refusal('The continuation token is malformed, or not one of this query.'));
    await assert.rejects(hub.registryAs('registryReadWrite').createQuery('SELECT * FROM devices').next(),
      { name: 'UnauthorizedError' });
  });
});
