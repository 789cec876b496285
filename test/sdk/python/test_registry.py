"""The service SDK's registry manager, over REST."""

import base64

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from hub import ADDRESS

KEY = base64.b64encode(b"k" * 32).decode()


def status(call, *args):
    with pytest.raises(HttpOperationError) as failure:
        call(*args)
    return failure.value.response.status_code


def test_a_device_lives(hub, device):
    made = hub.registry.create_device_with_sas(device, KEY, KEY, "enabled", status_reason="new")
    assert made.device_id == device
    assert made.authentication.symmetric_key.primary_key == KEY
    assert made.status_reason == "new"
    read = hub.registry.get_device(device)
    assert (read.etag, read.generation_id) == (made.etag, made.generation_id)
    changed = hub.registry.update_device_with_sas(device, read.etag, KEY, KEY, "disabled")
    assert changed.status == "disabled"
    assert changed.etag != read.etag
    hub.registry.delete_device(device, changed.etag)
    assert status(hub.registry.get_device, device) == 404


def test_conditions_are_kept(hub, device):
    made = hub.registry.create_device_with_sas(device, KEY, KEY, "enabled")
    assert status(hub.registry.create_device_with_sas, device, KEY, KEY, "enabled") == 409
    hub.registry.update_device_with_sas(device, made.etag, KEY, KEY, "disabled")
    assert status(hub.registry.update_device_with_sas, device, made.etag, KEY, KEY, "enabled") == 412
    assert status(hub.registry.delete_device, device, made.etag) == 412
    hub.registry.delete_device(device)


def test_devices_are_listed_and_counted(hub, device):
    before = hub.registry.get_device_registry_statistics().total_device_count
    hub.create(device)
    assert device in [d.device_id for d in hub.registry.get_devices(1000)]
    after = hub.registry.get_device_registry_statistics()
    assert after.total_device_count == before + 1
    assert after.enabled_device_count <= after.total_device_count
    assert hub.registry.get_service_statistics().connected_device_count >= 0


def test_modules_live(hub, device):
    hub.create(device)
    made = hub.registry.create_module_with_sas(device, "m", "someone", KEY, KEY)
    assert (made.module_id, made.device_id, made.managed_by) == ("m", device, "someone")
    assert [m.module_id for m in hub.registry.get_modules(device)] == ["m"]
    assert hub.registry.get_module(device, "m").etag == made.etag
    hub.registry.update_module_with_sas(device, "m", "other", made.etag, KEY, KEY)
    hub.registry.delete_module(device, "m")
    assert status(hub.registry.get_module, device, "m") == 404


def test_twins_are_patched_and_replaced_under_conditions(hub, device):
    hub.create(device)
    first = hub.registry.get_twin(device)
    patch = Twin(tags={"a": 1}, properties=TwinProperties(desired={"x": {"y": 1}}))
    second = hub.registry.update_twin(device, patch, first.etag)
    assert second.etag != first.etag
    assert second.version == first.version + 1
    assert status(hub.registry.update_twin, device, patch, first.etag) == 412
    replaced = hub.registry.replace_twin(device, Twin(properties=TwinProperties(desired={"z": 1})), second.etag)
    assert not replaced.tags
    assert "x" not in replaced.properties.desired
    assert replaced.properties.desired["z"] == 1


def test_a_wrong_service_key_is_refused(device):
    stranger = IoTHubRegistryManager.from_connection_string(
        f"HostName={ADDRESS};SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}"
    )
    assert status(stranger.get_device, device) == 401


def test_a_policy_has_its_rights_and_no_more(hub, device):
    strings = hub.get("/v1/connection-strings")["policies"]
    reader = IoTHubRegistryManager.from_connection_string(strings["registryRead"])
    assert status(reader.create_device_with_sas, device, KEY, KEY, "enabled") == 401
    hub.create(device)
    assert reader.get_device(device).device_id == device
    assert status(reader.get_twin, device) == 401
