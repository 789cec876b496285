'use strict';
// Loaded before anything else into each process of tests when LINARITE_EXCHANGES
// names a file: what the SDKs send and get over HTTPS is added to it, a line for
// each exchange. test/contract holds it against the Swagger afterwards.

const fs = require('node:fs');
const https = require('node:https');
const { syncBuiltinESMExports } = require('node:module');

const file = process.env.LINARITE_EXCHANGES;

if (file) {
  const { request } = https;
  https.request = (...args) => record(request.apply(https, args));
  syncBuiltinESMExports();
}

// record listens to a request without taking anything from it. An upgrade to
// WebSockets is no response.
function record(request) {
  const sent = [];
  for (const name of ['write', 'end']) {
    const original = request[name];
    request[name] = (chunk, ...rest) => {
      if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') {
        sent.push(Buffer.from(chunk));
      }
      return original.call(request, chunk, ...rest);
    };
  }
  request.prependOnceListener('response', (response) => {
    const got = [];
    const { push } = response;
    response.push = (chunk, ...rest) => {
      if (chunk === null) {
        note(request, sent, response, got);
      } else {
        got.push(Buffer.from(chunk));
      }
      return push.call(response, chunk, ...rest);
    };
  });
  return request;
}

function note(request, sent, response, got) {
  const { authorization, ...header } = request.getHeaders();
  fs.appendFileSync(file, `${JSON.stringify({
    method: request.method,
    target: request.path,
    request: { header: plain(header), body: Buffer.concat(sent).toString() },
    status: response.statusCode,
    response: { header: plain(response.headers), body: Buffer.concat(got).toString() },
  })}\n`);
}

function plain(header) {
  return Object.fromEntries(Object.entries(header).map(([name, value]) => [name, String(value)]));
}
