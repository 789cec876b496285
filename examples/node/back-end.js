'use strict';
// A back end: it sets a desired property of a device, waits until the device
// reports it, and calls the device's method `stop`. With device.js running:
//
//   eval "$(linarite env)"
//   node back-end.js my-device

const { Client, Registry } = require('azure-iothub');
const { setTimeout: pause } = require('node:timers/promises');

async function main(device) {
  const service = process.env.IOTHUB_CONNECTION_STRING;
  const registry = Registry.fromConnectionString(service);
  await registry.updateTwin(device, { properties: { desired: { interval: 30 } } }, '*');
  for (;;) {
    const { responseBody: twin } = await registry.getTwin(device);
    if (twin.properties.reported.interval === 30) {
      break;
    }
    await pause(100);
  }
  console.log('the device reports its interval');

  const { result } = await Client.fromConnectionString(service).invokeDeviceMethod(device, {
    methodName: 'stop', payload: null, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10,
  });
  console.log('stop:', JSON.stringify(result));
}

main(process.argv[2] ?? 'my-device').then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
