"""Digital twins through the service SDK's client: a Plug and Play device."""

import threading

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub import DigitalTwinClient
from msrest.exceptions import HttpOperationError

from hub import DEADLINE

MODEL = "dtmi:com:example:TemperatureController;1"


@pytest.fixture
def twins(hub):
    return DigitalTwinClient.from_connection_string(hub.strings["policies"]["service"])


def refused(status, call, *args):
    with pytest.raises(HttpOperationError) as failure:
        call(*args)
    assert failure.value.response.status_code == status


class Command(threading.Thread):
    """A command in the background: the service SDK blocks."""

    def __init__(self, twins, device, name, payload, component=None):
        super().__init__(daemon=True)
        arguments = (device, component, name, payload) if component else (device, name, payload)
        call = twins.invoke_component_command if component else twins.invoke_command
        self.call, self.answer, self.error = lambda: call(*arguments, 10, 10), None, None
        self.start()

    def run(self):
        try:
            self.answer = self.call()
        except Exception as error:  # it is told to the test below
            self.error = error

    def result(self):
        self.join(DEADLINE)
        assert not self.is_alive(), "the caller hangs"
        if self.error:
            raise self.error
        return self.answer


def test_a_digital_twin_shows_what_the_device_is_and_reports(hub, make, device, twins):
    client = make(hub.create(device), product_info=MODEL)
    client.connect()
    client.patch_twin_reported_properties({"serialNumber": "x", "thermostat1": {"__t": "c", "maxTemp": 25.5}})
    seen = twins.get_digital_twin(device)
    assert seen["$dtId"] == device
    assert seen["$metadata"]["$model"] == MODEL
    assert seen["serialNumber"] == "x"
    assert seen["thermostat1"]["maxTemp"] == 25.5
    assert "lastUpdateTime" in seen["thermostat1"]["$metadata"]["maxTemp"]


def test_a_digital_twin_is_patched_and_the_device_follows(hub, make, device, twins):
    client = make(hub.create(device))
    client.connect()
    changes = client.desired()
    twins.update_digital_twin(device, [
        {"op": "add", "path": "/interval", "value": 10},
        {"op": "add", "path": "/thermostat1", "value": {"target": 21, "$metadata": {}}},
    ])
    assert changes.wait(1) == [{"interval": 10, "thermostat1": {"__t": "c", "target": 21}, "$version": 2}]
    client.patch_twin_reported_properties({"interval": {"value": 10, "ac": 200, "av": 2, "ad": "done"}})
    seen = twins.get_digital_twin(device)
    assert seen["interval"] == 10
    acknowledged = seen["$metadata"]["interval"]
    assert (acknowledged["desiredValue"], acknowledged["ackVersion"], acknowledged["ackCode"]) == (10, 2, 200)
    assert seen["thermostat1"] == {"$metadata": {"target": {"desiredValue": 21, "desiredVersion": 2}}}


def test_a_digital_twin_is_patched_under_conditions(hub, device, twins):
    hub.create(device)
    patch = [{"op": "add", "path": "/interval", "value": 1}]
    etag = '"AAAAAAAAAAE="'
    twins.update_digital_twin(device, patch, etag)
    refused(412, twins.update_digital_twin, device, patch, etag)
    refused(400, twins.update_digital_twin, device, [{"op": "remove", "path": "/nothing"}])
    refused(400, twins.update_digital_twin, device, [{"op": "add", "path": "/list", "value": [1]}])
    refused(404, twins.get_digital_twin, device + "x")


def test_commands_are_called_and_answered(hub, make, device, twins):
    client = make(hub.create(device))
    client.connect()
    calls = client.methods()
    caller = Command(twins, device, "reboot", {"delay": 1})
    request = calls.wait(1)[0]
    assert (request.name, request.payload) == ("reboot", {"delay": 1})
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"done": True}))
    assert caller.result() == {"done": True}

    caller = Command(twins, device, "getReport", "since", component="thermostat1")
    request = calls.wait(2)[1]
    assert (request.name, request.payload) == ("thermostat1*getReport", "since")
    client.send_method_response(MethodResponse.create_from_method_request(request, 404, "no"))
    assert caller.result() == "no"


def test_commands_of_a_device_that_is_away(hub, device, twins):
    hub.create(device)
    refused(404, twins.invoke_command, device, "reboot", {})
    refused(404, twins.invoke_component_command, device, "thermostat1", "reboot", {}, 0, 5)
    refused(400, twins.invoke_command, device, "reboot", {}, 0, 4)
