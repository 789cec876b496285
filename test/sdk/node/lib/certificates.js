'use strict';
// Certificates, made by the program's own verbs.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

// Authority is a CA that issues certificates: the hub's development CA, or one of
// its own.
class Authority {
  constructor(t, hub) {
    this.hub = hub;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'linarite-x509-'));
    t.after(() => fs.rmSync(this.folder, { recursive: true }));
    this.args = ['--data', hub.data];
  }

  // own is a CA that no hub knows.
  static own(t, hub, name) {
    const made = new Authority(t, hub);
    const { certificate, key } = made.#files(['ca', '--name', name]);
    made.pem = fs.readFileSync(certificate, 'utf8');
    made.args = ['--ca', certificate, '--ca-key', key];
    return made;
  }

  // issue is a new certificate for an identity: { cert, key, sha1, sha256 }, the
  // first two in PEM.
  issue(id) {
    const folder = fs.mkdtempSync(path.join(this.folder, 'device-'));
    const { certificate, key, sha1, sha256 } = this.#files(['device', '--id', id, ...this.args], folder);
    return { cert: fs.readFileSync(certificate, 'utf8'), key: fs.readFileSync(key, 'utf8'), sha1, sha256 };
  }

  // proof is a certificate that proves possession of the CA's key.
  proof(code) {
    return this.#run(['proof', '--code', code, ...this.args]);
  }

  #files(args, folder = this.folder) {
    return JSON.parse(this.#run([...args, '--out', folder, '--json']));
  }

  #run(args) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LINARITE_')));
    return execFileSync(this.hub.binary, ['certs', ...args], { encoding: 'utf8', env });
  }
}

module.exports = { Authority };
