'use strict';
// Azure's own SDKs against the hub in a container: a back end registers a device
// through port 443, which connects through 8883, sends, and answers a method.

const { Registry, Client: ServiceClient } = require('azure-iothub');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const CONTROL = 'http://127.0.0.1:8080';
const ID = 'sdk-device';

async function main() {
  const strings = await (await fetch(`${CONTROL}/v1/connection-strings`)).json();
  // On the host the hub is at an address, which is on its certificate too.
  const service = strings.service.replace('linarite.test', '127.0.0.1');
  const { responseBody } = await Registry.fromConnectionString(service).create({ deviceId: ID });
  const key = responseBody.authentication.symmetricKey.primaryKey;

  const device = Client.fromConnectionString(`HostName=127.0.0.1;DeviceId=${ID};SharedAccessKey=${key}`, Mqtt);
  await device.open();
  await device.sendEvent(new Message('from outside'));
  const { events } = await (await fetch(`${CONTROL}/v1/events?device=${ID}&wait=1&timeout=10s`)).json();
  expect('event', events[0]?.body, 'from outside');

  // onDeviceMethod subscribes without saying when that is done; the hub waits.
  device.onDeviceMethod('ping', (request, response) => response.send(200, { pong: request.payload }));
  const back = ServiceClient.fromConnectionString(service);
  const { result } = await back.invokeDeviceMethod(ID, {
    methodName: 'ping', payload: 7, connectTimeoutInSeconds: 10, responseTimeoutInSeconds: 10,
  });
  expect('method', JSON.stringify(result), '{"status":200,"payload":{"pong":7}}');
  await device.close();
}

function expect(what, found, wanted) {
  if (found !== wanted) {
    throw new Error(`${what}: ${found}, wanted ${wanted}`);
  }
  console.log(`ok: Node SDK, ${what}`);
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
