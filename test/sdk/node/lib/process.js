'use strict';
// A hub: the built binary on the real ports of a loopback address of its own.

const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { setTimeout: pause } = require('node:timers/promises');

const DEADLINE = 15_000; // ms, to start and to stop
const KNOCK = 25; // ms between two looks at whether the hub is up

class HubProcess {
  constructor(name, address, child, log, data) {
    this.name = name;
    this.data = data; // where its CA is kept
    this.control = `http://${address}:8080`;
    this.child = child;
    this.log = log;
    this.ended = new Promise((resolve) => {
      child.once('error', (err) => resolve(err.message));
      child.once('exit', (code, signal) => resolve(code ?? signal));
    });
    // Whatever becomes of the suite, no hub outlives it.
    process.once('exit', () => child.kill('SIGKILL'));
  }

  // start starts a hub and returns it when it is ready.
  static async start(binary, name, address, folder) {
    fs.mkdirSync(folder);
    const log = path.join(folder, 'hub.log');
    const data = path.join(folder, 'data');
    const config = path.join(folder, 'linarite.yaml');
    fs.writeFileSync(config, 'consumerGroups: [dashboard]\n');
    const output = fs.openSync(log, 'w');
    const child = spawn(binary, [
      'serve',
      '--hostname', address,
      '--mqtt', `${address}:8883`,
      '--amqps', `${address}:5671`,
      '--amqp', `${address}:5672`,
      '--https', `${address}:443`,
      '--control', `${address}:8080`,
      '--data', data,
      '--config', config,
      '--log-format', 'json',
    ], { stdio: ['ignore', output, output], env: environment() });
    fs.closeSync(output);
    const hub = new HubProcess(name, address, child, log, data);
    await hub.#ready();
    return hub;
  }

  async #ready() {
    let why = 'it did not answer in time';
    const given = AbortSignal.timeout(DEADLINE);
    const over = this.ended.then((code) => { why = `it ended with ${code}`; return true; });
    while (!given.aborted) {
      const answer = await Promise.race([this.get('/health').catch(() => undefined), over]);
      if (answer === true) {
        break;
      }
      if (answer?.ok) {
        return;
      }
      await pause(KNOCK);
    }
    throw new Error(`hub ${this.name} is not ready: ${why}\n${this.#said()}`);
  }

  // get asks the control API.
  get(resource) {
    return fetch(this.control + resource, { signal: AbortSignal.timeout(DEADLINE) });
  }

  // stop ends the hub as a user would and returns its exit code, or what ended it.
  async stop() {
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), DEADLINE);
    const code = await this.ended;
    clearTimeout(late);
    return code;
  }

  #said() {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8') : '';
  }
}

// environment is ours without what would set the hub up.
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LINARITE_')));
}

module.exports = { HubProcess };
