"""Routes, and the events that the hub sends about devices, as the events SDK reads them."""

import base64
import itertools
import json
import re

import pytest
from azure.iot.device import Message
from azure.iot.hub import DigitalTwinClient
from azure.iot.hub.models import Twin, TwinProperties

from hub import Reader

counter = itertools.count(1)


@pytest.fixture(params=[("sync", False), ("aio", True)], ids=["sync-mqtt", "aio-ws"])
def flavour(request):
    """One of each is enough: how events are made does not depend on it."""
    return request.param


@pytest.fixture
def route(hub):
    """Routes the messages of a source that meet a condition to the built-in endpoint."""
    made = []

    def make_route(source, condition):
        name = f"python-{next(counter)}"
        hub.put(f"/v1/routes/{name}", {"source": source, "condition": condition, "endpointNames": ["events"]})
        made.append(name)

    yield make_route
    for name in made:
        hub.delete(f"/v1/routes/{name}")


@pytest.fixture
def watch(route, device):
    """Routes the device's events of a source; the hub is shared, and others count theirs."""
    return lambda source: route(source, f"deviceId = {json.dumps(device)}")


@pytest.fixture
def read(hub):
    """The device's events of a source, from the control API and, the same, from the events SDK."""
    clients = []

    def read_events(device, source, count):
        shown = hub.events(device, count, source=source)
        assert len(shown) == count
        clients.append(hub.consumer())
        total = len(hub.events(device, count))
        reader = Reader(clients[-1], device, partition_id=hub.partition(device), starting_position="-1")
        events = [e for e in reader.wait(total) if e.system_properties[b"iothub-message-source"] == source.encode()]
        assert [(e.sequence_number, e.body_as_str()) for e in events] == [(s["sequenceNumber"], s["body"]) for s in shown]
        return events

    yield read_events
    for client in clients:
        client.close()


def check(event, device, source, schema, operation, module=None, content=b"application/json"):
    """Checks all of an event but its body (iot-hub-non-telemetry-event-schema)."""
    properties = {k.decode(): v.decode() for k, v in event.properties.items()}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", properties.pop("operationTimestamp"))
    expected = {"hubName": "linarite", "deviceId": device, "iothub-message-schema": schema, "opType": operation}
    if module:
        expected["moduleId"] = module
    assert properties == expected
    system = dict(event.system_properties)
    assert re.fullmatch(rb"[0-9a-f]+", system.pop(b"correlation-id"))
    milliseconds = round(event.enqueued_time.timestamp() * 1000)
    assert system == {
        b"user-id": b"linarite",
        b"content-type": content,
        b"content-encoding": b"utf-8",
        b"x-opt-sequence-number": event.sequence_number,
        b"x-opt-offset": event.offset.encode(),
        b"x-opt-enqueued-time": milliseconds,
        b"iothub-enqueuedtime": milliseconds,
        b"iothub-message-source": source.encode(),
        b"iothub-connection-device-id": device.encode(),
        **({b"iothub-connection-module-id": module.encode()} if module else {}),
    }
    return json.loads(event.body_as_str())


def test_changes_of_a_twin_are_told(hub, make, watch, read, device):
    watch("TwinChangeEvents")
    client = make(hub.create(device))
    client.connect()
    client.patch_twin_reported_properties({"a": 1, "b": {"c": "x"}})
    client.patch_twin_reported_properties({"a": None})
    hub.registry.update_twin(device, Twin(tags={"site": "north"}, properties=TwinProperties(desired={"level": 1})), "*")
    hub.registry.replace_twin(device, Twin(properties=TwinProperties(desired={"only": "this"})), "*")

    first, second, third, fourth = read(device, "twinChangeEvents", 4)
    names = ("twinChangeEvents", "twinChangeNotification")
    body = check(first, device, *names, "updateTwin")
    written = body["properties"]["reported"]["$metadata"]["$lastUpdated"]
    assert body == {"version": 3, "properties": {"reported": {
        "a": 1, "b": {"c": "x"},
        "$metadata": {"$lastUpdated": written, "a": {"$lastUpdated": written},
                      "b": {"$lastUpdated": written, "c": {"$lastUpdated": written}}},
        "$version": 2,
    }}}
    body = check(second, device, *names, "updateTwin")
    assert body["version"] == 4
    assert body["properties"]["reported"]["a"] is None
    assert list(body["properties"]["reported"]["$metadata"]) == ["$lastUpdated"]

    body = check(third, device, *names, "updateTwin")
    assert (body["version"], body["tags"]) == (5, {"site": "north"})
    assert body["properties"]["desired"]["$metadata"]["level"]["$lastUpdatedVersion"] == 2

    body = check(fourth, device, *names, "replaceTwin")
    assert list(body) == ["deviceId", "etag", "version", "properties"]
    assert body["properties"]["desired"]["only"] == "this"


def test_changes_of_a_digital_twin_are_told(hub, make, watch, read, device):
    watch("DigitalTwinChangeEvents")
    client = make(hub.create(device), product_info="dtmi:com:example:Thermostat;1")
    client.connect()
    client.patch_twin_reported_properties({"maxTemp": 25.5})
    twins = DigitalTwinClient.from_connection_string(hub.strings["policies"]["service"])
    twins.update_digital_twin(device, [{"op": "add", "path": "/target", "value": 21}])

    events = read(device, "digitalTwinChangeEvents", 2)
    names = ("digitalTwinChangeEvents", "digitalTwinChangeNotification", "updateDigitalTwin")
    reported, desired = (check(e, device, *names, content=b"application/json-patch+json") for e in events)
    (value, metadata) = reported
    assert value == {"op": "add", "path": "/maxTemp", "value": 25.5}
    assert (metadata["op"], metadata["path"], list(metadata["value"])) == ("add", "/$metadata/maxTemp", ["lastUpdateTime"])
    assert desired == [{"op": "add", "path": "/$metadata/target", "value": {"desiredValue": 21, "desiredVersion": 2}}]


def test_a_device_that_comes_and_goes_is_told(hub, watch, read, device):
    watch("DeviceLifecycleEvents")
    hub.create(device)
    hub.create_module(device, "m-1")
    hub.registry.delete_device(device)

    created, module, module_gone, gone = read(device, "deviceLifecycleEvents", 4)
    source = "deviceLifecycleEvents"
    twin = check(created, device, source, "deviceLifecycleNotification", "createDeviceIdentity")
    assert (twin["deviceId"], twin["etag"], twin["version"]) == (device, "AAAAAAAAAAE=", 2)
    check(module, device, source, "moduleLifecycleNotification", "createModuleIdentity", "m-1")
    check(module_gone, device, source, "moduleLifecycleNotification", "deleteModuleIdentity", "m-1")
    assert check(gone, device, source, "deviceLifecycleNotification", "deleteDeviceIdentity") == twin


def test_connections_are_told_once_a_minute(hub, make, watch, read, device):
    watch("DeviceConnectionStateEvents")
    client = make(hub.create(device))
    client.send_message("hello")
    hub.advance("60s")
    client.disconnect()
    while hub.connection(device)["connected"]:
        pass
    hub.advance("60s")

    connected, disconnected = read(device, "deviceConnectionStateEvents", 2)
    names = ("deviceConnectionStateEvents", "deviceConnectionStateNotification")
    before = check(connected, device, *names, "deviceConnected")["sequenceNumber"]
    after = check(disconnected, device, *names, "deviceDisconnected")["sequenceNumber"]
    assert re.fullmatch(r"[0-9A-F]{64}", before)
    assert before < after


def test_a_device_that_only_reads_its_twin_is_not_told_of(hub, make, watch, device):
    watch("DeviceConnectionStateEvents")
    client = make(hub.create(device))
    client.connect()
    client.get_twin()
    hub.advance("60s")
    client.send_message("hello")
    hub.advance("60s")
    assert [e["source"] for e in hub.events(device, 2)] == ["Telemetry", "deviceConnectionStateEvents"]


def test_a_condition_looks_into_properties_body_and_twin(hub, make, route, device):
    connection_string = hub.create(device)
    hub.registry.update_twin(device, Twin(tags={"site": "north"}), "*")
    client = make(connection_string)
    client.connect()
    route("DeviceMessages", f"$connectionDeviceId = {json.dumps(device)} AND $body.readings[1] > 20 AND unit = 'C' AND $twin.tags.site = 'north'")
    hub.put("/v1/routes/$fallback", {"isEnabled": False})  # else the rest would come, too
    try:
        for unit, reading in [("F", 30), ("C", 10), ("C", 21)]:
            body = json.dumps({"readings": [0, reading]}).encode("utf-16")
            message = Message(body, content_encoding="utf-16", content_type="application/json")
            message.custom_properties = {"Unit": unit}
            client.send_message(message)
    finally:
        hub.put("/v1/routes/$fallback", {"isEnabled": True})
    (event,) = hub.events(device)
    assert json.loads(base64.b64decode(event["body"]).decode("utf-16")) == {"readings": [0, 21]}
