"""The service SDK's registry manager: many identities at once, X.509 identities,
edge devices, and what their documents say."""

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import ExportImportDevice, Twin
from azure.iot.hub.protocol.models import DeviceCapabilities, PropertyContainer
from msrest.exceptions import HttpOperationError

from hub import ADDRESS

THUMBPRINT = "0123456789abcdef0123456789ABCDEF01234567"


def refused(status, call, *args, **kwargs):
    with pytest.raises(HttpOperationError) as failure:
        call(*args, **kwargs)
    assert failure.value.response.status_code == status
    return failure.value.response


def item(device, mode="create", **members):
    return ExportImportDevice(id=device, import_mode=mode, **members)


def test_a_hundred_devices_are_made_and_deleted(hub, device):
    ids = [f"{device}{n}" for n in range(100)]
    result = hub.registry.bulk_create_or_update_devices([item(i, status="enabled") for i in ids])
    assert (result.is_successful, result.errors, result.warnings) == (True, [], [])
    assert hub.registry.get_device(ids[99]).status == "enabled"
    refused(413, hub.registry.bulk_create_or_update_devices, [item(f"{i}x") for i in ids] + [item(device)])
    assert hub.registry.bulk_create_or_update_devices([item(i, "delete") for i in ids]).is_successful
    refused(404, hub.registry.get_device, ids[0])


def test_each_failure_is_told(hub, device):
    hub.create(device)
    result = hub.registry.bulk_create_or_update_devices([
        item(device), item(f"{device}1"), item(f"{device}2", "update"), item(device, "delete", module_id="m"),
    ])
    assert not result.is_successful
    assert [(e.device_id, e.module_id, e.error_code) for e in result.errors] == [
        (device, None, "DeviceAlreadyExists"),
        (f"{device}2", None, "DeviceNotFound"),
        (device, "m", "ModuleNotFound"),
    ]
    assert result.errors[0].error_status == f"A device with ID '{device}' is already registered."
    assert hub.registry.get_device(f"{device}1").device_id == f"{device}1"


def test_twins_and_modules_are_made_in_bulk(hub, device):
    properties = PropertyContainer(desired={"interval": 10})
    result = hub.registry.bulk_create_or_update_devices([
        item(device, tags={"site": "north"}, properties=properties),
        item(device, module_id="m", properties=properties),
    ])
    assert result.is_successful
    twin = hub.registry.get_twin(device)
    assert (twin.tags, twin.properties.desired["interval"], twin.version) == ({"site": "north"}, 10, 2)
    module = hub.registry.get_module_twin(device, "m")
    assert module.properties.desired["$version"] == 1
    assert module.properties.desired["$metadata"]["interval"]["$lastUpdatedVersion"] == 1


def test_conditions_hold_in_bulk(hub, device):
    hub.create(device)
    first = hub.registry.get_device(device)
    first_twin = hub.registry.get_twin(device)

    def bulk(mode, **members):
        result = hub.registry.bulk_create_or_update_devices([item(device, mode, **members)])
        return [e.error_code for e in result.errors]

    assert bulk("updateIfMatchETag", e_tag=first.etag, status_reason="one") == []
    assert bulk("updateIfMatchETag", e_tag=first.etag, status_reason="two") == ["PreconditionFailed"]
    assert hub.registry.get_device(device).status_reason == "one"
    assert bulk("updateTwinIfMatchETag", twin_etag=first_twin.etag, tags={"a": 1}) == []
    assert bulk("updateTwinIfMatchETag", twin_etag=first_twin.etag, tags={"a": 2}) == ["PreconditionFailed"]
    assert bulk("updateTwin", tags={"b": 3}) == []
    assert hub.registry.get_twin(device).tags == {"a": 1, "b": 3}
    assert bulk("deleteIfMatchETag", e_tag=first.etag) == ["PreconditionFailed"]
    assert bulk("deleteIfMatchETag", e_tag=hub.registry.get_device(device).etag) == []


def test_devices_of_certificates_live(hub, device):
    made = hub.registry.create_device_with_x509(device, THUMBPRINT, THUMBPRINT, "enabled")
    assert made.authentication.type == "selfSigned"
    assert made.authentication.x509_thumbprint.primary_thumbprint == THUMBPRINT
    twin = hub.registry.get_twin(device)
    assert twin.authentication_type == "selfSigned"
    changed = hub.registry.update_device_with_certificate_authority(device, made.etag, "disabled")
    assert (changed.authentication.type, changed.status) == ("certificateAuthority", "disabled")
    assert changed.authentication.symmetric_key.primary_key is None
    hub.registry.create_module_with_x509(device, "x", "me", THUMBPRINT, THUMBPRINT)
    ca = hub.registry.create_module_with_certificate_authority(device, "ca", "me")
    again = hub.registry.update_module_with_x509(device, "ca", "you", ca.etag, THUMBPRINT, THUMBPRINT)
    assert (again.authentication.type, again.managed_by) == ("selfSigned", "you")
    refused(400, hub.registry.create_device_with_x509, f"{device}1", "12:34", "56:78", "enabled")


def test_edge_devices_have_scopes_children_and_system_modules(hub, device):
    edge = hub.registry.create_device_with_sas(device, None, None, "enabled", iot_edge=True)
    assert edge.device_scope == f"ms-azure-iot-edge://{device}-{edge.generation_id}"
    assert edge.capabilities.iot_edge
    modules = hub.registry.get_modules(device)
    assert [(m.module_id, m.managed_by, m.authentication.type) for m in modules] == [
        ("$edgeAgent", "iotEdge", "none"), ("$edgeHub", "iotEdge", "none"),
    ]
    refused(401, hub.registry.update_module_with_sas, device, "$edgeAgent", "me", "*", None, None)
    refused(401, hub.registry.delete_module, device, "$edgeHub")
    refused(400, hub.registry.create_module_with_sas, device, "$mine", "me", None, None)
    hub.registry.update_module_twin(device, "$edgeHub", Twin(tags={"a": 1}), "*")

    child = hub.registry.create_device_with_sas(f"{device}1", None, None, "enabled", device_scope=edge.device_scope)
    assert (child.device_scope, child.parent_scopes) == (edge.device_scope, [edge.device_scope])
    lower = hub.registry.create_device_with_sas(
        f"{device}2", None, None, "enabled", iot_edge=True, parent_scopes=[edge.device_scope]
    )
    assert lower.parent_scopes == [edge.device_scope]
    result = hub.registry.bulk_create_or_update_devices([
        item(f"{device}3", capabilities=DeviceCapabilities(iot_edge=True)), item(f"{device}4", device_scope="nowhere"),
    ])
    assert [(e.device_id, e.error_code) for e in result.errors] == [(f"{device}4", "InvalidDeviceScope")]
    assert len(hub.registry.get_modules(f"{device}3")) == 2


class Credential:
    """Stands for Entra ID."""

    def get_token(self, *scopes, **options):
        from azure.core.credentials import AccessToken

        return AccessToken("eyJ0eXAiOiJKV1QifQ.e30.c2ln", 4102444800)


def test_a_token_of_entra_id_is_refused(hub, device):
    hub.create(device)
    manager = IoTHubRegistryManager.from_token_credential(ADDRESS, Credential())
    response = refused(401, manager.get_device, device)
    assert response.headers["iothub-errorcode"] == "IotHubUnauthorizedAccess"
    assert response.json()["Message"] == "ErrorCode:IotHubUnauthorizedAccess;Unauthorized"
    with pytest.raises(Exception, match="(?i)unauthorized|auth"):
        manager.send_c2d_message(device, "over AMQP")
    assert "Bearer token of Entra ID" in hub.read_log()
