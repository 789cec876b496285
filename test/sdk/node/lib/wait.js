'use strict';
// Waiting for things to happen. Nothing here waits for time to pass: DEADLINE is
// when a test gives up on what should have happened at once.

const { once } = require('node:events');
const { Message } = require('azure-iot-device');

const DEADLINE = 15_000; // ms

// within is the promise's outcome, or an error that says what did not happen.
async function within(promise, what, deadline = DEADLINE) {
  let late;
  const given = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`${what}: nothing after ${deadline} ms`)), deadline);
  });
  try {
    return await Promise.race([promise, given]);
  } finally {
    clearTimeout(late);
  }
}

// event is the next event of that name.
async function event(emitter, name) {
  const [value] = await within(once(emitter, name), `event ${name}`);
  return value;
}

// until asks again and again until the answer is truthy, and returns it. It is for
// what the hub tells only when it is asked.
async function until(ask, what) {
  const given = AbortSignal.timeout(DEADLINE);
  while (!given.aborted) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
  }
  throw new Error(`${what}: nothing after ${DEADLINE} ms`);
}

// Inbox keeps what an emitter emits until a test takes it.
class Inbox {
  #items = [];
  #arrived = () => {};

  // of is an inbox that listens for events of that name.
  static of(emitter, name) {
    const inbox = new Inbox();
    emitter.on(name, (item) => inbox.put(item));
    return inbox;
  }

  put(item) {
    this.#items.push(item);
    this.#arrived();
  }

  // take removes the oldest count items and returns them; it waits for them.
  async take(count) {
    await within(this.#hold(count), `item ${count} of an inbox`);
    return this.#items.splice(0, count);
  }

  // takeOne removes the oldest item.
  async takeOne() {
    const [item] = await this.take(1);
    return item;
  }

  // clear forgets what nobody took.
  clear() {
    this.#items = [];
  }

  // waiting is what has arrived and nobody took.
  get waiting() {
    return [...this.#items];
  }

  async #hold(count) {
    while (this.#items.length < count) {
      await new Promise((resolve) => { this.#arrived = resolve; });
    }
  }
}

// roundTrip sends an event and waits for the hub's acknowledgement. The hub deals
// with the packets of a connection in order, so what the client sent before, such
// as a subscription, of which the SDK reports nothing, has been dealt with, and
// what the hub had to deliver until then has been sent.
function roundTrip(client) {
  return within(client.sendEvent(new Message('round trip')), 'round trip');
}

module.exports = { DEADLINE, within, event, until, Inbox, roundTrip };
