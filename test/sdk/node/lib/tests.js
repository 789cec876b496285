'use strict';
// How tests are declared.

const { describe, test: declare } = require('node:test');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');

const TEST_DEADLINE = 60_000; // ms

// test declares a test, which fails when it takes too long.
function test(name, body) {
  declare(name, { timeout: TEST_DEADLINE }, body);
}

// overEachTransport declares a suite once for each of the transports, which are
// the device SDK's for MQTT unless others are given.
function overEachTransport(what, declareTests, transports = [Mqtt, MqttWs]) {
  for (const Transport of transports) {
    describe(`${what} over ${Transport.name}`, () => declareTests(Transport));
  }
}

module.exports = { describe, test, overEachTransport };
