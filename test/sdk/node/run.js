'use strict';
// Runs the suite: starts the hubs from the built binary, makes Node trust their
// CAs, runs every *.test.js file in a process of its own, stops the hubs.
//
//   node run.js            everything
//   node run.js c2d twin   the files whose names begin so
//
// It exits with 0 only when every test has run and passed and the hubs ended
// as they should. LINARITE_BIN names another binary than bin/linarite.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('node:test');
const { spec: Spec } = require('node:test/reporters');
const { HubProcess } = require('./lib/process');

const BINARY = process.env.LINARITE_BIN || path.join(__dirname, '../../../bin/linarite');
const FILES_AT_ONCE = 4;
const FILE_DEADLINE = 300_000; // ms

// The hubs, by the name the tests know them under. A hub's clock and its routes
// are those of all its devices, so each file of tests that changes them has one to
// itself.
const ADDRESSES = {
  main: '127.0.0.29',
  clock: '127.0.0.13',
  backEnd: '127.0.0.15',
  routing: '127.0.0.16',
  x509: '127.0.0.18',
  readers: '127.0.0.30',
};

async function main() {
  const files = selected(process.argv.slice(2));
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'linarite-node-'));
  const hubs = [];
  let totals;
  let stopped = false;
  try {
    for (const [name, address] of Object.entries(ADDRESSES)) {
      hubs.push(await HubProcess.start(BINARY, name, address, path.join(scratch, name)));
    }
    await equip(hubs, scratch);
    totals = await runFiles(files);
  } finally {
    stopped = await stop(hubs);
  }
  const good = stopped && totals.failed === 0 && totals.skipped === 0 && totals.passed > 0;
  if (good) {
    fs.rmSync(scratch, { recursive: true });
  } else {
    console.log(`the hubs' logs are in ${scratch}`);
  }
  if (totals.skipped > 0) {
    console.log(`${totals.skipped} tests did not run, which counts as a failure`);
  }
  console.log(`${totals.passed} passed, ${totals.failed + totals.skipped + (stopped ? 0 : 1)} failed`);
  process.exitCode = good ? 0 : 1;
}

// equip sets the environment that the test processes inherit. Node reads
// NODE_EXTRA_CA_CERTS once, at its start; the file may hold several CAs.
async function equip(hubs, scratch) {
  const trusted = path.join(scratch, 'ca.pem');
  const described = {};
  for (const hub of hubs) {
    const ca = await hub.get('/v1/ca.pem').then((answer) => answer.text());
    fs.appendFileSync(trusted, ca);
    const { policies, events } = await hub.get('/v1/connection-strings').then((answer) => answer.json());
    described[hub.name] = { control: hub.control, ca, policies, events, binary: BINARY, data: hub.data };
  }
  process.env.NODE_EXTRA_CA_CERTS = trusted;
  process.env.NODE_OPTIONS = `--require=${JSON.stringify(path.join(__dirname, 'lib/recorder.js'))}`;
  process.env.LINARITE_HUBS = JSON.stringify(described);
}

function selected(prefixes) {
  const files = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js'))
    .filter((name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix)));
  if (files.length === 0) {
    throw new Error(`no test file begins with ${prefixes.join(' or ')}`);
  }
  return files.map((name) => path.join(__dirname, name));
}

// runFiles runs the files, prints what happens, and counts. The runner's closing
// diagnostics are the only place where it counts tests and not suites.
async function runFiles(files) {
  const counts = {};
  const results = run({ files, concurrency: FILES_AT_ONCE, timeout: FILE_DEADLINE });
  results.on('test:diagnostic', ({ message }) => {
    const [, what, n] = message.match(/^(pass|fail|cancelled|skipped|todo) (\d+)$/) || [];
    if (what) {
      counts[what] = Number(n);
    }
  });
  const report = results.compose(new Spec());
  for await (const text of report) {
    process.stdout.write(text);
  }
  return {
    passed: counts.pass,
    failed: counts.fail + counts.cancelled,
    skipped: counts.skipped + counts.todo,
  };
}

// stop ends the hubs and says whether they ended well.
async function stop(hubs) {
  const codes = await Promise.all(hubs.map((hub) => hub.stop()));
  codes.forEach((code, i) => {
    if (code !== 0) {
      console.log(`hub ${hubs[i].name} ended with ${code} instead of 0`);
    }
  });
  return codes.every((code) => code === 0);
}

// Even when it is interrupted, the suite ends its hubs; they go with this process.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => process.exit(1));
}

main().catch((err) => {
  console.error(err.message);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
});
