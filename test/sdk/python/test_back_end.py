"""The service SDK sends messages to devices, over AMQP."""

import base64
import datetime

import pytest
from azure.iot.hub import IoTHubRegistryManager
from uamqp import TransportType
from uamqp.errors import AuthenticationException, LinkDetach


@pytest.fixture(params=[TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["amqp", "amqp-ws"])
def back_end(hub, request):
    """Makes back ends, and disconnects them at the end."""
    made = []

    def make_back_end(connection_string=hub.service):
        made.append(IoTHubRegistryManager.from_connection_string(connection_string, transport_type=request.param))
        return made[-1]

    yield make_back_end
    for manager in made:
        if manager.amqp_svc_client:
            manager.amqp_svc_client.disconnect_sync()


@pytest.fixture(params=[("sync", False), ("sync", True)], ids=["sync-mqtt", "sync-ws"])
def flavour(request):
    """How the aio clients receive is tested with the messages."""
    return request.param


def test_a_message_reaches_the_device_with_its_properties(hub, make, back_end, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.messages()
    expiry = hub.now() + datetime.timedelta(hours=1)
    back_end().send_c2d_message(device, "hellö", {
        "messageId": "m 1/2",
        "correlationId": "c+1",
        "contentType": "text/plain",
        "contentEncoding": "utf-8",
        "expiryTimeUtc": round(expiry.timestamp() * 1000),
        "iothub-ack": "full",
        "a": "b",
        "odd": "a b+c/d=e&f%g",
        "naïve key": "ünïcode ✓",
    })
    (message,) = inbox.wait()
    assert message.data == "hellö".encode()
    assert message.message_id == "m 1/2"
    assert message.correlation_id == "c+1"
    assert message.content_type == "text/plain"
    assert message.content_encoding == "utf-8"
    assert message.ack == "full"
    assert message.custom_properties == {"a": "b", "odd": "a b+c/d=e&f%g", "naïve key": "ünïcode ✓"}
    assert datetime.datetime.fromisoformat(message.expiry_time_utc) == expiry

    (record,) = hub.feedback(device)
    assert (record["originalMessageId"], record["statusCode"]) == ("m 1/2", "Success")
    assert record["deviceGenerationId"] == hub.registry.get_device(device).generation_id


def test_messages_wait_for_the_device_in_order(hub, make, back_end, device):
    client = make(hub.create(device))
    sender = back_end()
    for n in range(20):
        sender.send_c2d_message(device, f"message {n}", {"iothub-ack": "positive"})
    assert hub.registry.get_device(device).cloud_to_device_message_count == 20
    assert not hub.get("/v1/feedback", device=device)["records"]
    client.connect()
    messages = client.messages().wait(20)
    assert [m.data for m in messages] == [f"message {n}".encode() for n in range(20)]
    records = hub.feedback(device, 20)
    assert [r["originalMessageId"] for r in records] == [m.message_id for m in messages]


def test_a_message_nobody_fetches_expires(hub, back_end, device):
    hub.create(device)
    expiry = hub.now() + datetime.timedelta(seconds=90)
    back_end().send_c2d_message(device, "too late", {
        "messageId": "late", "iothub-ack": "negative", "expiryTimeUtc": round(expiry.timestamp() * 1000),
    })
    hub.advance("91s")
    (record,) = hub.feedback(device)
    assert (record["originalMessageId"], record["statusCode"]) == ("late", "Expired")


def test_what_cannot_be_queued_is_refused(hub, back_end, device):
    sender = back_end()
    with pytest.raises(Exception, match="C2D message send failure"):  # the device is unknown
        sender.send_c2d_message(device, "hello")
    hub.create(device)
    with pytest.raises(Exception, match="C2D message send failure"):
        sender.send_c2d_message(device, "x" * 66_000)
    for n in range(50):
        sender.send_c2d_message(device, str(n))
    with pytest.raises(Exception, match="C2D message send failure"):
        sender.send_c2d_message(device, "one too many")
    assert hub.registry.get_device(device).cloud_to_device_message_count == 50


def test_a_wrong_key_is_refused(hub, back_end, device):
    hub.create(device)
    start, _ = hub.service.split("SharedAccessKey=")
    stranger = back_end(start + "SharedAccessKey=" + base64.b64encode(b"0" * 32).decode())
    with pytest.raises(AuthenticationException):
        stranger.send_c2d_message(device, "hello")
    assert hub.registry.get_device(device).cloud_to_device_message_count == 0


def test_a_policy_without_the_right_is_refused(hub, back_end, device):
    hub.create(device)
    with pytest.raises(LinkDetach, match="Unauthorized"):
        back_end(hub.strings["policies"]["registryRead"]).send_c2d_message(device, "hello")
    assert hub.registry.get_device(device).cloud_to_device_message_count == 0
