'use strict';
// Devices and modules as tests see them: an identity, its credentials, and the
// SDK clients made for it, which are closed when their test is over.

const { encodeUriComponentStrict, NoRetry, SharedAccessSignature } = require('azure-iot-common');
const { Client, ModuleClient } = require('azure-iot-device');
const { until, within } = require('./wait');

// Credentials is what devices and modules have in common.
class Credentials {
  constructor(hub, identity) {
    this.hub = hub;
    this.identity = identity; // the registry's document
    this.deviceId = identity.deviceId;
    this.moduleId = identity.moduleId;
    this.primaryKey = identity.authentication.symmetricKey.primaryKey;
    this.secondaryKey = identity.authentication.symmetricKey.secondaryKey;
  }

  // connectionString has the primary key, unless parts say otherwise. A part that
  // is undefined is left out.
  connectionString(parts = {}) {
    const all = {
      HostName: this.hub.host,
      DeviceId: this.deviceId,
      ModuleId: this.moduleId,
      SharedAccessKey: parts.SharedAccessSignature ? undefined : this.primaryKey,
      ...parts,
    };
    return Object.entries(all).filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}`).join(';');
  }

  // token is signed by key and good for that many seconds from now.
  token(seconds, key = this.primaryKey) {
    const path = `${this.hub.host}/devices/${this.deviceId}${this.moduleId ? `/modules/${this.moduleId}` : ''}`;
    const expiry = Math.floor(Date.now() / 1000) + seconds;
    return SharedAccessSignature.create(encodeUriComponentStrict(path), null, key, expiry).toString();
  }

  // withToken is a connection string with such a token in place of the key.
  withToken(seconds, key) {
    return this.connectionString({ SharedAccessSignature: this.token(seconds, key) });
  }

  // client is an SDK client that has not connected yet. It does not retry: what
  // goes wrong is the test's to see. With retry it has the SDK's own policy.
  client(t, Transport, { connectionString = this.connectionString(), retry = false } = {}) {
    const client = this.kind.fromConnectionString(connectionString, Transport);
    if (!retry) {
      client.setRetryPolicy(new NoRetry());
    }
    t.after(() => within(client.close(), `closing the client of ${this.deviceId}`));
    return client;
  }

  // connect is a client that has connected.
  async connect(t, Transport, options) {
    const client = this.client(t, Transport, options);
    await within(client.open(), `connecting ${this.deviceId}`);
    return client;
  }

  // connection is what the hub knows of the identity's connection.
  connection() {
    return this.hub.control.connection(this.deviceId, this.moduleId);
  }

  // lastDisconnect is how the identity's last connection ended. The client may
  // know of the end before the hub has noted it.
  lastDisconnect() {
    return until(async () => (await this.connection())?.lastDisconnect, `disconnection of ${this.deviceId}`);
  }

  // refusal is why the hub last turned the identity away.
  refusal() {
    return this.hub.control.refusal(this.deviceId, this.moduleId);
  }

  // setDesired patches the desired properties as a back end does.
  async setDesired(desired) {
    const { responseBody: twin } = await this.twin();
    await twin.update({ properties: { desired } });
    return twin;
  }
}

class Device extends Credentials {
  get kind() {
    return Client;
  }

  // twin is the service's view, with the HTTP response.
  twin() {
    return this.hub.registry.getTwin(this.deviceId);
  }

  // registered is the registry's document as it is now.
  async registered() {
    const { responseBody } = await this.hub.registry.get(this.deviceId);
    return responseBody;
  }

  // setStatus enables or disables the device and keeps its keys.
  async setStatus(status) {
    return this.hub.registry.update({ ...await this.registered(), status });
  }

  send(message) {
    return this.hub.control.send(this.deviceId, message);
  }

  // queued is how many cloud-to-device messages wait.
  async queued() {
    return (await this.registered()).cloudToDeviceMessageCount;
  }

  feedback(count) {
    return this.hub.control.feedback(this.deviceId, count);
  }

  // invoke calls a direct method and returns its { status, payload }.
  async invoke(params) {
    return (await this.hub.service.invokeDeviceMethod(this.deviceId, params)).result;
  }
}

class Module extends Credentials {
  get kind() {
    return ModuleClient;
  }

  twin() {
    return this.hub.registry.getModuleTwin(this.deviceId, this.moduleId);
  }

  async registered() {
    const { responseBody } = await this.hub.registry.getModule(this.deviceId, this.moduleId);
    return responseBody;
  }

  async invoke(params) {
    return (await this.hub.service.invokeDeviceMethod(this.deviceId, this.moduleId, params)).result;
  }
}

module.exports = { Device, Module };
