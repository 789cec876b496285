'use strict';
// Both sides of direct methods.

const assert = require('node:assert/strict');
const { Inbox, roundTrip } = require('./wait');

// answering makes a device or module client answer a method with what answer(call)
// returns, [status, payload]; when it returns nothing the call stays open. It
// returns an inbox of the calls, each with its payload and send(status, payload).
async function answering(client, name, answer = () => [200]) {
  const calls = new Inbox();
  const handle = (request, response) => {
    const call = { payload: request.payload, send: response.send.bind(response) };
    const reply = answer(call);
    if (reply) {
      call.send(...reply);
    }
    calls.put(call);
  };
  if (client.onMethod) {
    client.onMethod(name, handle);
  } else {
    client.onDeviceMethod(name, handle);
  }
  await roundTrip(client);
  return calls;
}

// refuses asserts that a call fails with a six-digit code. The SDK knows only the
// HTTP status of a failed method; the code is in the body.
function refuses(call, code) {
  return assert.rejects(call, (err) => {
    assert.equal(err.response?.statusCode, Math.floor(code / 1000), err.stack);
    assert.equal(JSON.parse(JSON.parse(err.responseBody).Message).errorCode, code);
    return true;
  });
}

module.exports = { answering, refuses };
