'use strict';
// The device's side of its twin.

const { promisify } = require('node:util');
const { Inbox, roundTrip, within } = require('./wait');

// getTwin fetches the twin. The SDK itself would wait for ever.
function getTwin(client) {
  return within(client.getTwin(), 'twin');
}

// report patches the reported properties.
function report(twin, patch) {
  const { reported } = twin.properties;
  return within(promisify(reported.update)(patch), 'acknowledgement of reported properties');
}

// watchDesired subscribes the client to changes of its desired properties. It
// returns the SDK's twin and an inbox of the changes to come, or, as the SDK
// announces those too, of what the client fetches with getTwin.
async function watchDesired(client) {
  const twin = await getTwin(client);
  const deltas = Inbox.of(twin, 'properties.desired');
  await roundTrip(client);
  await deltas.takeOne(); // the SDK tells a new listener what is there already
  return { twin, deltas };
}

module.exports = { getTwin, report, watchDesired };
