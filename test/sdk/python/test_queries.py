"""Queries over twins."""

import uuid

import pytest
from azure.iot.hub.models import QuerySpecification, Twin, TwinProperties
from msrest.exceptions import HttpOperationError


@pytest.fixture
def fleet(hub, device):
    """Five devices with a tag that no others have."""
    name = str(uuid.uuid4())
    ids = [f"{n}-{device}" for n in range(5)]
    for n, identity in enumerate(ids):
        hub.create(identity)
        hub.registry.update_twin(identity, Twin(
            tags={"fleet": name, "n": n, "site": "x" if n % 2 else "y"},
            properties=TwinProperties(desired={"interval": n * 1.5}),
        ))
    return name, ids


def ask(hub, text, continuation=None, size=None):
    return hub.registry.query_iot_hub(QuerySpecification(query=text), continuation, size)


def test_twins_are_found(hub, fleet):
    name, ids = fleet
    found = ask(hub, f"SELECT * FROM devices WHERE tags.fleet = '{name}' AND properties.desired.interval >= 3")
    assert [twin.device_id for twin in found.items] == ids[2:]
    assert found.continuation_token is None
    twin, read = found.items[0], hub.registry.get_twin(ids[2])
    assert twin.as_dict() == read.as_dict()
    assert twin.tags["n"] == 2
    assert ask(hub, f"SELECT * FROM devices WHERE tags.fleet = '{name}' AND tags.n NIN [0, 1, 2, 3, 4]").items == []


def test_pages_follow_one_another(hub, fleet):
    name, ids = fleet
    text = f"SELECT * FROM devices WHERE tags.fleet = '{name}'"
    seen, token = [], None
    while True:
        page = ask(hub, text, token, 2)
        assert len(page.items) <= 2
        seen += [twin.device_id for twin in page.items]
        token = page.continuation_token
        if token is None:
            break
        if len(seen) == 2:
            hub.registry.delete_device(ids[0])
            hub.registry.delete_device(ids[3])
    assert seen == [ids[0], ids[1], ids[2], ids[4]]


def test_projections_and_groups_are_raw(hub, fleet):
    name, ids = fleet
    # The SDK makes twins of raw rows too: what they have not is None.
    rows = ask(hub, f"SELECT deviceId, tags FROM devices WHERE tags.fleet = '{name}'").items
    assert [row.device_id for row in rows] == ids
    assert rows[1].tags == {"fleet": name, "n": 1, "site": "x"}
    assert rows[1].etag is None
    rows = ask(hub, f"SELECT tags.site AS site, COUNT() AS n FROM devices WHERE tags.fleet = '{name}' GROUP BY tags.site").items
    assert [row.additional_properties for row in rows] == [{"site": "x", "n": 2}, {"site": "y", "n": 3}]
    rows = ask(hub, f"SELECT MAX(properties.desired.interval) AS most FROM devices WHERE tags.fleet = '{name}'").items
    assert [row.additional_properties for row in rows] == [{"most": 6.0}]


def test_modules_are_found(hub, device):
    hub.create(device)
    hub.create_module(device, "m")
    hub.registry.update_module_twin(device, "m", Twin(tags={"of": device}))
    quoted = device.replace("'", "\\'")
    found = ask(hub, f"SELECT * FROM devices.modules WHERE tags.of = '{quoted}'").items
    assert [(twin.device_id, twin.module_id) for twin in found] == [(device, "m")]


@pytest.mark.parametrize("text, message", [
    ("SELECT * FROM devices WHERE", "Error at column 28: unexpected end"),
    ("SELECT * FROM things", "Error at column 15: devices, devices.modules or devices.jobs is expected"),
])
def test_what_is_wrong_is_told(hub, text, message):
    with pytest.raises(HttpOperationError) as failure:
        ask(hub, text)
    response = failure.value.response
    assert response.status_code == 400
    assert response.json()["Message"] == "ErrorCode:ArgumentInvalid;" + message
    with pytest.raises(HttpOperationError):
        ask(hub, "SELECT * FROM devices", "no token")
