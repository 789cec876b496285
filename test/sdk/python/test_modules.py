"""Module identities: a client of its own beside the device's."""

from azure.iot.device import MethodResponse
from azure.iot.hub.models import Twin, TwinProperties

from test_methods import Invocation


def test_a_module_is_an_identity_of_its_own(hub, make, device):
    device_client = make(hub.create(device))
    module_client = make(hub.create_module(device, "m-1"))
    device_client.connect()
    module_client.connect()
    module_client.send_message("from the module")
    device_client.send_message("from the device")

    (event,) = hub.events(device, module="m-1")
    assert event["body"] == "from the module"
    assert event["systemProperties"]["iothub-connection-module-id"] == "m-1"
    assert len(hub.events(device, 2)) == 2
    assert device_client.connected and module_client.connected


def test_a_module_has_a_twin(hub, make, device):
    hub.create(device)
    client = make(hub.create_module(device, "m-1"))
    client.connect()
    changes = client.desired()
    client.patch_twin_reported_properties({"state": "up"})
    hub.registry.update_module_twin(device, "m-1", Twin(properties=TwinProperties(desired={"want": 1})), "*")
    assert changes.wait(1) == [{"want": 1, "$version": 2}]
    twin = hub.registry.get_module_twin(device, "m-1")
    assert twin.properties.reported["state"] == "up"
    assert "state" not in hub.registry.get_twin(device).properties.reported
    client.patch_twin_reported_properties({"state": None})
    assert "state" not in client.get_twin()["reported"]


def test_the_newer_connection_of_a_module_wins(hub, make, device):
    device_client = make(hub.create(device))
    connection_string = hub.create_module(device, "m-1")
    older, newer = (make(connection_string, connection_retry=False) for _ in range(2))
    for client in (device_client, older, newer):
        client.connect()
    older.connection_changes.wait_for(False)
    assert newer.connected and device_client.connected


def test_a_module_answers_methods(hub, make, device):
    hub.create(device)
    client = make(hub.create_module(device, "m-1"))
    client.connect()
    requests = client.methods()
    call = Invocation(hub, device, module="m-1", method_name="ping", payload=1)
    (request,) = requests.wait()
    client.send_method_response(MethodResponse(request.request_id, 200, {"pong": 1}))
    assert call.result().payload == {"pong": 1}
