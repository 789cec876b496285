"""Device twins."""

import pytest
from azure.iot.hub.models import Twin, TwinProperties


def desired(**properties):
    return Twin(properties=TwinProperties(desired=properties))


def test_reported_properties_are_merged(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    twin = client.get_twin()
    assert twin == {"desired": {"$version": 1}, "reported": {"$version": 1}}

    client.patch_twin_reported_properties({"a": 1, "b": {"c": "x", "d": [1, 2, {"e": None is None}]}})
    client.patch_twin_reported_properties({"a": None, "b": {"c": "y"}})
    assert client.get_twin()["reported"] == {"b": {"c": "y", "d": [1, 2, {"e": True}]}, "$version": 3}

    reported = hub.registry.get_twin(device).properties.reported
    assert reported["b"] == {"c": "y", "d": [1, 2, {"e": True}]}
    assert reported["$version"] == 3
    assert "$lastUpdated" in reported["$metadata"]["b"]["c"]


def test_a_bad_reported_patch_is_refused(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    with pytest.raises(Exception):
        client.patch_twin_reported_properties({"bad.key": 1})
    assert client.get_twin()["reported"] == {"$version": 1}


def test_desired_changes_are_pushed(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.desired()
    hub.registry.update_twin(device, desired(level=1, name="n"), "*")
    assert inbox.wait(1) == [{"level": 1, "name": "n", "$version": 2}]
    hub.registry.update_twin(device, desired(name=None, extra={"deep": True}), "*")
    assert inbox.wait(2)[1] == {"name": None, "extra": {"deep": True}, "$version": 3}
    assert client.get_twin()["desired"] == {"level": 1, "extra": {"deep": True}, "$version": 3}
    hub.registry.replace_twin(device, desired(only="this"), "*")
    assert inbox.wait(3)[2] == {"only": "this", "$version": 4}
    assert client.get_twin()["desired"] == {"only": "this", "$version": 4}


def test_changes_made_while_away_are_read_not_pushed(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.desired()
    hub.registry.update_twin(device, desired(n=1), "*")
    inbox.wait(1)
    client.disconnect()
    hub.registry.update_twin(device, desired(n=2), "*")
    hub.registry.update_twin(device, desired(n=3), "*")
    client.connect()
    assert client.get_twin()["desired"] == {"n": 3, "$version": 4}
    hub.registry.update_twin(device, desired(n=4), "*")
    assert inbox.wait(2) == [{"n": 1, "$version": 2}, {"n": 4, "$version": 5}]


def test_tags_are_the_services_alone(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    twin = hub.registry.update_twin(device, Twin(tags={"site": {"floor": 2}}), "*")
    assert twin.tags == {"site": {"floor": 2}}
    assert "tags" not in client.get_twin()
