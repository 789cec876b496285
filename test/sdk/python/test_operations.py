"""The events SDK reads what operations monitoring tells of devices."""

import base64
import itertools
import json
import re

import pytest
from azure.eventhub import TransportType
from azure.eventhub.exceptions import AuthenticationError
from azure.iot.device import exceptions

from hub import ADDRESS, Reader


@pytest.fixture
def flavour():
    """The devices here only connect."""
    return "sync", False


@pytest.fixture(params=[TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["amqp", "amqp-ws"])
def watch(hub, request):
    """Reads what was told of a device, or of none, and stops at the end."""
    made = []

    def watch_device(*device):
        client = hub.consumer(hub.strings["operations"], transport_type=request.param)
        made.append(Reader(client, *device, starting_position="-1"))
        return made[-1]

    yield watch_device
    for reader in made:
        reader.close()


def told(events):
    return [json.loads(event.body_as_str()) for event in events]


def test_the_endpoint_has_a_name_of_its_own(hub):
    with hub.consumer(hub.strings["operations"]) as client:
        assert client.get_eventhub_properties()["eventhub_name"] == "linarite-operationmonitoring"
        assert client.get_partition_properties("0")["eventhub_name"] == "linarite-operationmonitoring"


def test_a_device_that_comes_and_goes(hub, make, watch, device):
    client = make(hub.create(device))
    client.connect()
    client.disconnect()
    came, gone = told(watch(device).wait(2))
    assert (came["category"], came["operationName"], came["level"]) == ("Connections", "deviceConnect", "Information")
    assert (gone["category"], gone["operationName"], gone["level"]) == ("Connections", "deviceDisconnect", "Information")
    assert came["deviceId"] == gone["deviceId"] == device
    assert came["protocol"] == "Mqtt"
    assert json.loads(came["authType"])["type"] == "sas"
    assert "statusCode" not in came and "statusCode" not in gone


def test_a_device_that_is_turned_away(hub, make, watch, device):
    hub.create(device)
    wrong = base64.b64encode(b"0" * 32).decode()
    client = make(f"HostName={ADDRESS};DeviceId={device};SharedAccessKey={wrong}", connection_retry=False)
    with pytest.raises(exceptions.CredentialError):
        client.connect()
    (refused, *_) = told(watch(device).wait(1))
    assert refused["operationName"] == "deviceConnect"
    assert (refused["level"], refused["statusCode"], refused["statusType"]) == ("Error", 401, 401003)
    assert refused["statusDescription"].startswith("IotHubUnauthorized: ")


def test_a_reader_that_is_turned_away(hub, watch):
    inbox = watch()
    wrong = re.sub("SharedAccessKey=[^;]+", "SharedAccessKey=d3Jvbmc=", hub.strings["events"])
    with hub.consumer(wrong) as client, pytest.raises(AuthenticationError):
        client.get_eventhub_properties()
    for n in itertools.count(1):  # others' readers are told of as well
        record = told(inbox.wait(n))[n - 1]
        if (record["operationName"], record.get("statusCode")) == ("egress", 401):
            break
    assert (record["category"], record["level"]) == ("DeviceTelemetry", "Error")
    assert (record["statusCode"], record["statusType"]) == (401, 401002)
