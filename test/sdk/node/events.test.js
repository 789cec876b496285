'use strict';
// The Event-Hubs-compatible endpoint, as the Event Hubs SDK reads it.

const assert = require('node:assert/strict');
const { earliestEventPosition, latestEventPosition } = require('@azure/event-hubs');
const { Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub } = require('./lib/hubs');
const { Reader, sender, WAYS } = require('./lib/events');
const { describe, test } = require('./lib/tests');
const { within } = require('./lib/wait');

const PARTITIONS = ['0', '1', '2', '3']; // the hub's default

const AWKWARD = {
  plain: 'value',
  empty: '',
  slash: '/devices/other/messages/events/',
  ampersand: 'a=1&b=2',
  percent: '100%25%',
  unicode: 'Grüße, 世界 ☃ 𝄞',
  'a name/with=all&of+them %?#': 'x',
};

for (const [name, way] of Object.entries(WAYS)) {
  describe(`events over ${name}`, () => {
    test('come from an endpoint that describes itself', async (t) => {
      const { sent } = await sendThree(t);
      const { client } = new Reader(t, hub, way);
      const endpoint = await within(client.getEventHubProperties(), 'properties');
      assert.equal(endpoint.name, entity());
      assert.deepEqual(endpoint.partitionIds, PARTITIONS);
      assert.ok(endpoint.createdOn <= new Date());
      assert.deepEqual(await within(client.getPartitionIds(), 'partitions'), PARTITIONS);

      const last = sent.at(-1);
      const partition = await within(client.getPartitionProperties(`${last.partition}`), 'partition');
      assert.equal(partition.partitionId, `${last.partition}`);
      assert.equal(partition.eventHubName, entity());
      assert.equal(partition.isEmpty, false);
      assert.equal(partition.beginningSequenceNumber, 0);
      assert.ok(partition.lastEnqueuedSequenceNumber >= last.sequenceNumber);
      assert.ok(Number(partition.lastEnqueuedOffset) >= Number(last.offset));
      assert.ok(partition.lastEnqueuedOnUtc >= new Date(last.enqueuedTime));
    });

    test('have everything that the device and the hub said', async (t) => {
      const device = await hub.newDevice();
      const client = await device.connect(t, Mqtt);
      const message = new Message(JSON.stringify({ temperature: 21.5, where: 'Grüße, 世界 ☃' }));
      Object.assign(message, {
        messageId: 'm-1.2:3_4*5?(6),7=8@9;$\'!%#',
        correlationId: 'a correlation/with = & + % ünïcode',
        userId: 'somebody@example.com',
        contentType: 'application/json;charset=utf-8',
        contentEncoding: 'utf-8',
        expiryTimeUtc: '2035-01-02T03:04:05.678Z',
      });
      message.setAsSecurityMessage();
      for (const [key, value] of Object.entries(AWKWARD)) {
        message.properties.add(key, value);
      }
      message.properties.add('dt-subject', 'thermostat1');
      await client.sendEvent(message);
      const [sent] = await hub.control.events(device.deviceId, 1);

      const event = await new Reader(t, hub, way).read([device.deviceId]).takeOne();
      assert.deepEqual(event.body, Buffer.from(message.getData()));
      assert.deepEqual(event.properties, AWKWARD);
      assert.equal(event.sequenceNumber, sent.sequenceNumber);
      assert.equal(event.offset, `${sent.offset}`);
      assert.equal(event.enqueuedTimeUtc.getTime(), Date.parse(sent.enqueuedTime));
      assert.equal(event.messageId, message.messageId);
      assert.equal(event.correlationId, message.correlationId);
      assert.equal(event.contentType, message.contentType);
      const { userId, ...system } = event.systemProperties;
      assert.equal(Buffer.from(Object.values(userId)).toString(), message.userId); // bytes by index
      assert.deepEqual(system, {
        'iothub-connection-device-id': device.deviceId,
        'iothub-connection-auth-generation-id': device.identity.generationId,
        'iothub-connection-auth-method': sent.systemProperties['iothub-connection-auth-method'],
        'iothub-enqueuedtime': Date.parse(sent.enqueuedTime),
        'iothub-message-source': 'Telemetry',
        'iothub-interface-id': message.interfaceId,
        'dt-subject': 'thermostat1',
        messageId: message.messageId,
        correlationId: message.correlationId,
        contentType: message.contentType,
        contentEncoding: message.contentEncoding,
        absoluteExpiryTime: Date.parse(message.expiryTimeUtc),
      });
    });

    test('may be binary, or empty', async (t) => {
      const device = await hub.newDevice();
      const client = await device.connect(t, Mqtt);
      const bytes = Buffer.from([0x00, 0x01, 0x80, 0xfe, 0xff, 0x0a]);
      await client.sendEvent(new Message(bytes));
      await client.sendEvent(new Message(''));

      const [binary, empty] = await new Reader(t, hub, way).read([device.deviceId]).take(2);
      assert.deepEqual(binary.body, bytes);
      assert.equal(empty.body.length, 0);
      assert.equal(empty.properties, undefined);
    });

    test('of all partitions are read, in each device\'s order, and as they come', async (t) => {
      const senders = await Promise.all(Array.from({ length: 12 }, () => sendThree(t)));
      assert.ok(new Set(senders.map(({ sent }) => sent[0].partition)).size > 1);
      const inbox = new Reader(t, hub, way).read(senders.map(({ device }) => device.deviceId));
      const events = await inbox.take(3 * senders.length);
      await Promise.all(senders.map(({ client }) => client.sendEvent(new Message('fourth'))));
      events.push(...await inbox.take(senders.length));
      for (const { device } of senders) {
        const own = events.filter((e) => sender(e) === device.deviceId);
        assert.deepEqual(own.map(body), ['first', 'second', 'third', 'fourth']);
      }
    });

    test('are read from the position that the reader names', async (t) => {
      const { device, client, sent } = await sendThree(t);
      const partition = `${sent[1].partition}`;
      const time = Date.parse(sent[0].enqueuedTime);
      const { offset, sequenceNumber } = sent[1];
      await client.sendEvent(new Message('end'));
      for (const [startPosition, expected] of [
        [earliestEventPosition, ['first', 'second', 'third']],
        [{ offset: `${offset}` }, ['third']],
        [{ offset: `${offset}`, isInclusive: true }, ['second', 'third']],
        [{ sequenceNumber }, ['third']],
        [{ sequenceNumber, isInclusive: true }, ['second', 'third']],
        [{ enqueuedOn: new Date(time - 1) }, ['first', 'second', 'third']],
        [{ enqueuedOn: time }, sent.filter((e) => Date.parse(e.enqueuedTime) > time).map((e) => e.body)],
      ]) {
        const reader = new Reader(t, hub, way);
        const inbox = reader.read([device.deviceId], { partition, startPosition });
        const events = await inbox.take(expected.length + 1);
        await reader.close();
        assert.deepEqual(events.map(body), [...expected, 'end'], JSON.stringify(startPosition));
      }
    });

    test('that were there before are not read from the latest on', async (t) => {
      const { device, client, sent } = await sendThree(t);
      const inbox = new Reader(t, hub, way).read([device.deviceId], {
        partition: `${sent[0].partition}`,
        startPosition: latestEventPosition,
      });
      // The SDK does not say when it has attached, so there is one more message
      // until one arrives.
      while (inbox.waiting.length === 0) {
        await client.sendEvent(new Message('new'));
      }
      assert.ok(inbox.waiting.every((e) => body(e) === 'new'));
    });

    test('are refused to who has no right to them', async (t) => {
      const { primaryKey } = await hub.newDevice();
      for (const connectionString of [
        hub.events.replace(/SharedAccessKey=[^;]*/, `SharedAccessKey=${primaryKey}`),
        hub.events.replace(/SharedAccessKeyName=[^;]*/, 'SharedAccessKeyName=nobody'),
        hub.events.replace(/SharedAccessKeyName=[^;]*/, 'SharedAccessKeyName=device'),
      ]) {
        const { client } = new Reader(t, hub, way, connectionString);
        await assert.rejects(within(client.getPartitionIds(), 'refusal'), { code: 'UnauthorizedError' });
      }
    });
  });
}

// entity is the name of the endpoint.
function entity() {
  return hub.events.match(/EntityPath=([^;]*)/)[1];
}

// sendThree sends three events from a new device.
async function sendThree(t) {
  const device = await hub.newDevice();
  const client = await device.connect(t, Mqtt);
  for (const text of ['first', 'second', 'third']) {
    await client.sendEvent(new Message(text));
  }
  return { device, client, sent: await hub.control.events(device.deviceId, 3) };
}

function body(event) {
  return event.body.toString();
}
