'use strict';
// Connections that the hub turns away.

const assert = require('node:assert/strict');
const { errors } = require('azure-iot-common');
const { within } = require('./wait');

// refused asserts that a new client of the identity may not connect, with the one
// CONNACK code there is for it or a put-token that fails, and that the hub says why
// with a six-digit code.
//
// The SDK calls everything that goes wrong with a first connection unauthorized;
// what it was is in the middle of the message.
async function refused(t, identity, Transport, code, options) {
  const client = identity.client(t, Transport, options);
  await assert.rejects(within(client.open(), 'refusal'), (err) => {
    assert.ok(err instanceof errors.UnauthorizedError, err.stack);
    assert.match(err.message, /Connection refused: Not authorized|IotHubUnauthorized|DeviceDisabled/);
    return true;
  });
  const refusal = await identity.refusal();
  assert.equal(refusal?.code, code, refusal?.reason);
}

module.exports = { refused };
