// Package seed is the seed file: how a hub is started, and the devices it
// starts with. It reads the file, checks it, and applies it to a hub.
//
// The file is YAML, called linarite.yaml as a rule; JSON is YAML too. Schema
// describes it to editors. It is read strictly: a key that is not known, a value
// of the wrong kind and a device that IoT Hub would refuse are errors, which name
// the line and the key, all of them at once. Anchors, aliases and merge keys are
// welcome; tags (`!!str`) and a second document are not. Durations are Go's.
//
// This file has every key there is:
//
//	# yaml-language-server: $schema=https://raw.githubusercontent.com/linarite/linarite/main/seed/linarite.schema.json
//
//	# Settings. Those up to operationsMonitoring are the flags of the same names.
//	name: plant
//	hostnames: [127.0.0.1, hub.plant.test]
//	mqtt: 127.0.0.1:8883
//	https: 127.0.0.1:8443
//	amqps: 127.0.0.1:5671
//	amqp: 127.0.0.1:5672
//	control: 127.0.0.1:8080
//	controlHosts: [hub]
//	data: /var/lib/linarite
//	tlsCert: hub.pem
//	tlsKey: hub-key.pem
//	sasGrace: 5m
//	autoCreate: false
//	partitions: 2
//	consumerGroups: [dashboard]
//	maxPerAddress: 500
//	maxStrangers: 100
//	logLevel: debug
//	logFormat: json
//	resourceLog: /var/log/linarite/resource.jsonl
//	operationsMonitoring:
//	  connections: verbose
//	  deviceTelemetry: error
//	  c2dCommands: error
//	  deviceIdentityOperations: none
//	  fileUploadOperations: error
//	  routes: verbose
//
//	retention: 24h
//	cloudToDevice:
//	  defaultTtl: 30m
//	  maxDeliveryCount: 3
//	  lockDuration: 60s
//	  maxQueueDepth: 10
//	  countLockExpiry: true
//	  feedback:
//	    ttl: 2h
//	    lockDuration: 30s
//	    maxDeliveryCount: 5
//
//	# A built-in policy keeps what is not said of it. Keys come in pairs; without
//	# them a policy has the well-known key.
//	policies:
//	  - name: service
//	    primaryKey: c2VydmljZS1wcmltYXJ5LWtleS0zMi1ieXRlcy1sb24=
//	    secondaryKey: c2VydmljZS1zZWNvbmRhcnktMzItYnl0ZXMtbG9uZy4=
//	  - name: dashboard
//	    rights: [RegistryRead, ServiceConnect]
//
//	# CA certificates that vouch for devices, given here or in a file beside this one.
//	# Whoever writes this file vouches for them: no proof of possession is needed.
//	certificates:
//	  - name: factory
//	    certificate: |
//	      -----BEGIN CERTIFICATE-----
//	      MIIBcDCCARagAwIBAgIUbE0y2E6nYxJSmQJh48YgL6aWQTkwCgYIKoZIzj0EAwIw
//	      FTETMBEGA1UEAxMKRmFjdG9yeSBDQTAgFw0yNjAxMDEwMDAwMDBaGA8yMTI2MDEw
//	      MTAwMDAwMFowFTETMBEGA1UEAxMKRmFjdG9yeSBDQTBZMBMGByqGSM49AgEGCCqG
//	      SM49AwEHA0IABBDVRJ5/QrFuKc72g5dBpjp+1DvWwTu7vZwbys+9h0EGE/w+9zPB
//	      DMooDlcGonQ3T3IZn6cwJAtTW3uFs3GntAKjQjBAMA4GA1UdDwEB/wQEAwICBDAP
//	      BgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQvusNwykmmZIAKH3dM1Rv9AXD2czAK
//	      BggqhkjOPQQDAgNIADBFAiEA3oGdnWNVlxEdaqUpIszL0pgbRfCLZDdIsKHG2BLO
//	      sDYCIG812la+KvRIMINp5/exBd61SCNbSQ/xzxwraVXOlmTU
//	      -----END CERTIFICATE-----
//	  - name: plant
//	    file: plant-ca.pem
//
//	# A device without keys has one that follows from its id, so that connection
//	# strings stay as they are.
//	devices:
//	  - id: thermostat-1
//	    tags: &north
//	      building: north
//	      floor: 2
//	    desired:
//	      interval: 30
//	      setpoint: { value: 21.5, unit: celsius }
//
//	  - id: thermostat-2
//	    status: disabled
//	    statusReason: in repair
//	    primaryKey: dGhlcm1vc3RhdC0yLXByaW1hcnktMzItYnl0ZXMtbG8=
//	    secondaryKey: dGhlcm1vc3RhdC0yLXNlY29uZGFyeS0zMi1ieXRlcyE=
//	    tags: *north
//
//	  - id: gateway
//	    iotEdge: true
//	    modules:
//	      - id: opc
//	        managedBy: IoTEdge
//	        tags: { line: 7 }
//	        desired: { endpoints: [opc.tcp://plc-1, opc.tcp://plc-2] }
//	      - id: camera
//	        primaryKey: Z2F0ZXdheS1jYW1lcmEtcHJpbWFyeS0zMi1ieXRlcyE=
//	        secondaryKey: Z2F0ZXdheS1jYW1lcmEtc2Vjb25kYXJ5LTMyLWJ5dGU=
//	      - id: signed
//	        authentication: selfSigned
//	        primaryThumbprint: 0123456789ABCDEF0123456789ABCDEF01234567
//	        secondaryThumbprint: 89ABCDEF0123456789ABCDEF0123456789ABCDEF
//
//	  - id: meter
//	    authentication: selfSigned
//	    primaryThumbprint: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
//	    secondaryThumbprint: 89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567
//
//	  - id: pump
//	    authentication: certificateAuthority
//
//	# Where messages go. Device messages that no route takes go to the built-in
//	# endpoint, events, unless the fallback route is disabled.
//	routes:
//	  - name: hot
//	    source: DeviceMessages
//	    condition: level = 'critical' AND $body.temperature > 80
//	    endpointNames: [alarms, events]
//	  - name: twins
//	    source: TwinChangeEvents
//	    endpointNames: [archive]
//	    isEnabled: false
//
//	endpoints:
//	  - name: archive
//	    file:
//	      path: /var/lib/linarite/archive.jsonl
//	      maxSize: 1048576
//	      maxFiles: 3
//	  - name: alarms
//	    webhook:
//	      url: http://127.0.0.1:9000/alarms
//	      schema: cloudEvents
//	      maxEventsPerBatch: 10
//	      timeout: 10s
//
//	enrichments:
//	  - key: building
//	    value: $twin.tags.building
//	    endpointNames: [alarms, events]
//
//	fallbackRoute:
//	  isEnabled: true
//
// A setting that is left out has the default of its flag. A setting's flag beats
// the environment, which beats the file.
package seed
