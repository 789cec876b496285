'use strict';
// The hubs that run.js started, and fresh devices and modules on them.

const { randomUUID } = require('node:crypto');
const { Client: ServiceClient, ConnectionString, IoTHubTokenCredentials, Registry } = require('azure-iothub');
// The service SDK's generated REST client: it has the conditional requests, PUT of
// a twin, purge and statistics, which Registry and Client do not offer.
const { IotHubGatewayServiceAPIs } = require('azure-iothub/dist/pl/iotHubGatewayServiceAPIs');
const { Control } = require('./control');
const { Device, Module } = require('./device');

class Hub {
  constructor({ control, policies, events, ca, binary, data }) {
    this.control = new Control(control);
    this.ca = ca; // PEM
    this.binary = binary; // linarite
    this.data = data; // where the hub's CA is kept
    this.policies = policies; // connection strings by name
    this.events = events; // the connection string of the event endpoint
    this.host = ConnectionString.parse(policies.iothubowner).HostName;
    this.registry = this.registryAs('iothubowner');
    this.service = this.serviceAs('iothubowner');
    this.rest = restClient(policies.iothubowner);
  }

  registryAs(policy) {
    return Registry.fromConnectionString(this.policies[policy]);
  }

  serviceAs(policy) {
    return ServiceClient.fromConnectionString(this.policies[policy]);
  }

  // newDevice registers a device with an id that no other test has.
  async newDevice({ deviceId = `node-${randomUUID()}`, ...rest } = {}) {
    const { responseBody } = await this.registry.create({ deviceId, ...rest });
    return new Device(this, responseBody);
  }

  // unregistered is a device that the hub does not know.
  unregistered(primaryKey) {
    return new Device(this, { deviceId: `node-${randomUUID()}`, authentication: { symmetricKey: { primaryKey } } });
  }

  // newModule registers a module, on a device of its own unless one is given.
  async newModule({ device, moduleId = 'sensor' } = {}) {
    const { deviceId } = device || await this.newDevice();
    const { responseBody } = await this.registry.addModule({ deviceId, moduleId });
    return this.moduleOf(responseBody);
  }

  // moduleOf is a module by the registry's document.
  moduleOf(document) {
    return new Module(this, document);
  }
}

function restClient(connectionString) {
  const credentials = new IoTHubTokenCredentials(connectionString);
  return new IotHubGatewayServiceAPIs(credentials, {
    baseUri: `https://${credentials.getHubName()}`,
    apiVersion: '2021-04-12',
    deserializationContentTypes: { json: ['application/json'] },
  });
}

if (!process.env.LINARITE_HUBS) {
  throw new Error('there is no hub: start the suite with `node run.js`');
}
const hubs = JSON.parse(process.env.LINARITE_HUBS);

module.exports = {
  hub: new Hub(hubs.main),
  clockHub: new Hub(hubs.clock),
  backEndHub: new Hub(hubs.backEnd),
  routingHub: new Hub(hubs.routing),
  readersHub: new Hub(hubs.readers),
  x509Hub: new Hub(hubs.x509),
  restClient,
};
