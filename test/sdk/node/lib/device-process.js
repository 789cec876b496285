'use strict';
// A device in a process of its own, which can be frozen: a frozen device keeps its
// connection and acknowledges nothing. The SDK acknowledges every message by
// itself, so there is no other way to see what becomes of one it did not.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const { Inbox, roundTrip, within } = require('./wait');

class DeviceProcess {
  constructor(child) {
    this.child = child;
    this.messages = new Inbox(); // bodies, as text
    child.on('message', ({ body }) => body !== undefined && this.messages.put(body));
  }

  // start starts a device that listens to cloud-to-device messages, and returns it
  // when it does. It is killed when the test is over.
  static async start(t, device, Transport) {
    const child = fork(__filename, [device.connectionString(), Transport.name], { execArgv: [] });
    t.after(() => child.kill('SIGKILL'));
    const started = new DeviceProcess(child);
    await within(once(child, 'message'), `process of ${device.deviceId}`);
    return started;
  }

  freeze() {
    this.child.kill('SIGSTOP');
  }

  thaw() {
    this.child.kill('SIGCONT');
  }

  // kill ends the process; the system closes its connection.
  kill() {
    this.child.kill('SIGKILL');
  }
}

// listen is what runs in the process.
async function listen(connectionString, transport) {
  const { Client } = require('azure-iot-device');
  const { [transport]: Transport } = require('azure-iot-device-mqtt');
  const client = Client.fromConnectionString(connectionString, Transport);
  await client.open();
  client.on('message', (message) => process.send({ body: message.getData().toString() }));
  await roundTrip(client);
  process.send({ listening: true });
  process.once('disconnect', () => process.exit());
}

if (require.main === module) {
  listen(...process.argv.slice(2));
}

module.exports = { DeviceProcess };
