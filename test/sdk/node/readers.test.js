'use strict';
// Readers of the event endpoint while the hub's clock moves, in company, and where
// they have no business. They have a hub to themselves.

const assert = require('node:assert/strict');
const { EventHubProducerClient } = require('@azure/event-hubs');
const { Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Reader, Tokens, WAYS } = require('./lib/events');
const { readersHub: hub } = require('./lib/hubs');
const { describe, test } = require('./lib/tests');
const { Inbox, within } = require('./lib/wait');

const RENEWALS = 3;
const PARTITIONS = 4; // the hub's default, each with a token of its own

for (const [name, way] of Object.entries(WAYS)) {
  describe(`a reader over ${name}`, () => {
    test('ends with its token', async (t) => {
      const device = await hub.newDevice();
      const partition = await send(t, device, 'before');
      const reader = new Reader(t, hub, way);
      await reader.read([device.deviceId], { partition }).takeOne();
      await hub.control.advance('66m'); // an hour and the grace
      const err = await reader.errors.takeOne();
      assert.equal(err.code, 'UnauthorizedError', err.stack);
    });

    test('has a consumer group of the config file', async (t) => {
      const device = await hub.newDevice();
      const partition = await send(t, device, 'hello');
      const reader = new Reader(t, hub, way, hub.events, { group: 'Dashboard' });
      await reader.read([device.deviceId], { partition }).takeOne();

      const stranger = new Reader(t, hub, way, hub.events, { group: 'nobody' });
      stranger.read([device.deviceId], { partition });
      assert.equal((await stranger.errors.takeOne()).code, 'MessagingEntityNotFoundError');
    });

    test('with an owner level ends the others and those below', async (t) => {
      const device = await hub.newDevice();
      const partition = await send(t, device, 'hello');
      const group = { group: 'dashboard' };
      const [none, low, high, late] = Array.from({ length: 4 }, () => new Reader(t, hub, way, hub.events, group));
      await none.read([device.deviceId], { partition }).takeOne();
      await low.read([device.deviceId], { partition, ownerLevel: 1 }).takeOne();
      assert.equal((await none.errors.takeOne()).code, 'ReceiverDisconnectedError');
      const inbox = high.read([device.deviceId], { partition, ownerLevel: 2 });
      await inbox.takeOne();
      assert.equal((await low.errors.takeOne()).code, 'ReceiverDisconnectedError');
      late.read([device.deviceId], { partition, ownerLevel: 1 });
      assert.equal((await late.errors.takeOne()).code, 'ReceiverDisconnectedError');
      await send(t, device, 'again');
      await inbox.takeOne();
    });

    test('hears where its partition ends', async (t) => {
      const device = await hub.newDevice();
      const partition = await send(t, device, 'hello');
      const [event] = await hub.control.events(device.deviceId, 1);
      const reader = new Reader(t, hub, way);
      const ends = new Inbox();
      reader.read([device.deviceId], { partition, ends });
      const end = await ends.takeOne();
      assert.ok(end.sequenceNumber >= event.sequenceNumber, `${end.sequenceNumber}`);
      assert.ok(Number(end.offset) >= Number(event.offset), end.offset);
      assert.ok(end.enqueuedOn >= Date.parse(event.enqueuedTime), `${end.enqueuedOn}`);
      assert.ok(end.retrievedOn >= Date.parse(event.enqueuedTime), `${end.retrievedOn}`);
    });

    test('cannot send', async (t) => {
      const connectionString = [hub.events, way.connectionString].filter(Boolean).join(';');
      const producer = new EventHubProducerClient(connectionString, { retryOptions: { maxRetries: 0 }, ...way.options });
      t.after(() => within(producer.close(), 'closing the producer'));
      await assert.rejects(within(producer.sendBatch([{ body: 'hello' }]), 'refusal'), /only devices send/);
    });
  });
}

// The client for plain TCP takes no credentials but a connection string's.
for (const name of ['TLS', 'WebSocket']) {
  test(`a reader over ${name} reads on with new tokens`, async (t) => {
    const devices = await Promise.all(Array.from({ length: RENEWALS + 1 }, () => hub.newDevice()));
    const credential = new Tokens(hub.events);
    t.after(() => credential.stop());
    const inbox = new Reader(t, hub, WAYS[name], hub.events, { credential }).read(devices.map((d) => d.deviceId));
    // Each device signs its first token.
    for (const device of devices) {
      await send(t, device, device.deviceId);
      assert.equal((await inbox.takeOne()).body.toString(), device.deviceId);
      await hub.control.advance('50m');
      credential.given.clear();
      await credential.given.take(2 * PARTITIONS); // the hub has taken the ones before
    }
  });
}

// send sends an event from the device and returns its partition.
async function send(t, device, text) {
  const client = await device.connect(t, Mqtt);
  await client.sendEvent(new Message(text));
  await within(client.close(), 'closing');
  const events = await hub.control.events(device.deviceId, 1);
  return `${events[0].partition}`;
}
