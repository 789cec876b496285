"""Direct methods."""

import threading

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub.models import CloudToDeviceMethod
from msrest.exceptions import HttpOperationError

from hub import DEADLINE


class Invocation(threading.Thread):
    """A method call in the background: the service SDK blocks."""

    def __init__(self, hub, device, module=None, **method):
        super().__init__(daemon=True)
        self.hub, self.device, self.module, self.method = hub, device, module, CloudToDeviceMethod(**method)
        self.answer = self.error = None
        self.start()

    def run(self):
        try:
            if self.module:
                self.answer = self.hub.registry.invoke_device_module_method(self.device, self.module, self.method)
            else:
                self.answer = self.hub.registry.invoke_device_method(self.device, self.method)
        except Exception as error:  # it is told to the test below
            self.error = error

    def result(self):
        self.join(DEADLINE)
        assert not self.is_alive(), "the caller hangs"
        if self.error:
            raise self.error
        return self.answer


def test_a_method_is_called_and_answered(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    requests = client.methods()
    call = Invocation(hub, device, method_name="reboot", payload={"delay": 5, "list": [1, None]})
    (request,) = requests.wait()
    assert request.name == "reboot"
    assert request.payload == {"delay": 5, "list": [1, None]}
    client.send_method_response(MethodResponse(request.request_id, 202, {"accepted": True}))
    answer = call.result()
    assert answer.status == 202
    assert answer.payload == {"accepted": True}


def test_a_method_without_payload(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    requests = client.methods()
    call = Invocation(hub, device, method_name="ping")
    (request,) = requests.wait()
    assert not request.payload
    client.send_method_response(MethodResponse(request.request_id, 200))
    answer = call.result()
    assert answer.status == 200
    assert answer.payload is None


def test_a_device_that_is_not_there(hub, make, device):
    client = make(hub.create(device))
    with pytest.raises(HttpOperationError) as offline:
        Invocation(hub, device, method_name="x").result()
    assert offline.value.response.status_code == 404
    assert "404103" in offline.value.response.text

    client.connect()  # but not listening to methods
    with pytest.raises(HttpOperationError) as deaf:
        Invocation(hub, device, method_name="x").result()
    assert "404103" in deaf.value.response.text


def test_a_device_that_comes_within_the_connect_timeout(hub, make, device):
    client = make(hub.create(device))
    call = Invocation(hub, device, method_name="x", connect_timeout_in_seconds=30)
    client.connect()
    requests = client.methods()
    (request,) = requests.wait()
    client.send_method_response(MethodResponse(request.request_id, 200, "late but here"))
    assert call.result().payload == "late but here"


def test_a_device_that_does_not_answer(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    requests = client.methods()
    call = Invocation(hub, device, method_name="x", response_timeout_in_seconds=60)
    (request,) = requests.wait()
    hub.advance("61s")
    with pytest.raises(HttpOperationError) as timeout:
        call.result()
    assert timeout.value.response.status_code == 504
    assert "504101" in timeout.value.response.text
    client.send_method_response(MethodResponse(request.request_id, 200))  # too late: dropped

    again = Invocation(hub, device, method_name="y")
    second = requests.wait(2)[1]
    client.send_method_response(MethodResponse(second.request_id, 201))
    assert again.result().status == 201
