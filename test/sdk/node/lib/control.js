'use strict';
// The hub's control API: what Azure does not have, and tests need.

const { DEADLINE } = require('./wait');

class Control {
  constructor(base) {
    this.base = base;
  }

  // events waits until the device has sent count events, and returns all it has
  // sent. filter may narrow them, such as { module, property: 'name=value' }.
  async events(device, count, filter = {}) {
    const { events } = await this.#call('GET', '/v1/events', {
      query: { device, wait: count, timeout: `${DEADLINE}ms`, ...filter },
    });
    if (events.length < count) {
      throw new Error(`${device} has sent ${events.length} events instead of ${count}: ${JSON.stringify(events)}`);
    }
    return events;
  }

  // send queues a cloud-to-device message: { body, bodyEncoding, properties,
  // messageId, correlationId, userId, contentType, contentEncoding, ack, ttl }.
  send(device, message) {
    return this.#call('POST', `/v1/devices/${encodeURIComponent(device)}/messages`, { body: message });
  }

  // feedback waits until count messages of the device have a feedback record, and
  // returns all records it has.
  async feedback(device, count) {
    const { records } = await this.#call('GET', '/v1/feedback', {
      query: { device, wait: count, timeout: `${DEADLINE}ms` },
    });
    if (records.length < count) {
      throw new Error(`${device} has ${records.length} feedback records instead of ${count}`);
    }
    return records;
  }

  // connection is what the hub knows of a device's or module's connection.
  async connection(device, module) {
    const { connections } = await this.#call('GET', '/v1/connections');
    return connections.find((c) => c.deviceId === device && c.moduleId === module);
  }

  // refusal is why the hub last turned the device or module away.
  async refusal(device, module) {
    const { refused } = await this.#call('GET', '/v1/connections');
    return refused.findLast((c) => c.deviceId === device && c.moduleId === module);
  }

  // kick cuts a device's connection.
  kick(device) {
    return this.#call('DELETE', `/v1/connections/${encodeURIComponent(device)}`);
  }

  // connectionString is what the hub prints for a device or module.
  async connectionString(device, module) {
    const { devices } = await this.#call('GET', '/v1/connection-strings', { query: { device } });
    return devices[module ? `${device}/${module}` : device];
  }

  // registerCertificate registers a CA certificate in PEM, verified or not.
  registerCertificate(name, certificate, isVerified) {
    return this.#call('PUT', `/v1/certificates/${name}`, { body: { properties: { certificate, isVerified } } });
  }

  // verificationCode is the common name that a proof of possession needs.
  async verificationCode(name) {
    const { properties } = await this.#call('POST', `/v1/certificates/${name}/generateVerificationCode`);
    return properties.verificationCode;
  }

  // verifyCertificate takes a proof of possession.
  verifyCertificate(name, certificate) {
    return this.#call('POST', `/v1/certificates/${name}/verify`, { body: { certificate } });
  }

  deleteCertificate(name) {
    return this.#call('DELETE', `/v1/certificates/${name}`);
  }

  // advance moves the hub's clock; what falls due has happened when it returns.
  advance(duration) {
    return this.#call('POST', '/v1/clock', { body: { advance: duration } });
  }

  // configure puts a route, an endpoint or an enrichment: kind is the plural.
  configure(kind, name, document) {
    return this.#call('PUT', `/v1/${kind}/${name}`, { body: document });
  }

  // remove takes one away.
  remove(kind, name) {
    return this.#call('DELETE', `/v1/${kind}/${name}`);
  }

  // tryRoutes says what the routes make of a message.
  tryRoutes(message) {
    return this.#call('POST', '/v1/routes/test', { body: message });
  }

  async #call(method, path, { query = {}, body } = {}) {
    const url = new URL(path, this.base);
    url.search = new URLSearchParams(query);
    const answer = await fetch(url, {
      method,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(2 * DEADLINE), // a long poll takes one
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new ControlError(`${method} ${path}: ${answer.status} ${text}`, answer.status, text);
    }
    return text && JSON.parse(text);
  }
}

// ControlError is a refusal by the control API.
class ControlError extends Error {
  constructor(message, status, text) {
    super(message);
    this.status = status;
    this.code = text.startsWith('{') ? JSON.parse(text).error.code : undefined;
  }
}

module.exports = { Control, ControlError };
