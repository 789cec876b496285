'use strict';
// A device: it sends three messages, reports what is desired of it, and ends when
// a back end calls its method `stop`. With a hub running:
//
//   linarite device create my-device
//   eval "$(linarite env --device my-device)"
//   node device.js

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

async function main() {
  const client = Client.fromConnectionString(process.env.IOTHUB_DEVICE_CONNECTION_STRING, Mqtt);
  await client.open();

  const twin = await client.getTwin();
  twin.on('properties.desired', (desired) => {
    const { $version, ...wanted } = desired;
    if (Object.keys(wanted).length > 0) {
      console.log('desired', JSON.stringify(wanted));
      twin.properties.reported.update(wanted, (err) => err && console.error(err));
    }
  });
  client.on('message', (message) => {
    console.log('message', message.data.toString());
    client.complete(message);
  });
  const stopped = new Promise((resolve) => {
    client.onDeviceMethod('stop', (request, response) => {
      response.send(200, { stopped: true }, resolve);
    });
  });

  for (let number = 1; number <= 3; number++) {
    const message = new Message(JSON.stringify({ number, temperature: 20 + number }));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    await client.sendEvent(message);
    console.log('sent', message.data.toString());
  }
  await stopped;
  await client.close();
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
