"""Cloud-to-device messages."""

import pytest


def test_a_message_arrives_with_its_properties_and_is_completed(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.messages()
    hub.send(device, "hello", messageId="m 1/2", correlationId="c+1", contentType="text/plain", contentEncoding="utf-8",
             ack="full", properties={"a": "b", "odd": "a b+c/d=e&f%g"})
    (message,) = inbox.wait()
    assert message.data == b"hello"
    assert message.message_id == "m 1/2"
    assert message.correlation_id == "c+1"
    assert message.content_type == "text/plain"
    assert message.content_encoding == "utf-8"
    assert message.ack == "full"
    assert message.custom_properties == {"a": "b", "odd": "a b+c/d=e&f%g"}

    (record,) = hub.feedback(device)
    assert record["statusCode"] == "Success"
    assert record["originalMessageId"] == "m 1/2"
    assert record["deviceId"] == device
    assert record["deviceGenerationId"] == hub.registry.get_device(device).generation_id
    assert hub.registry.get_device(device).cloud_to_device_message_count == 0


def test_messages_sent_while_the_device_is_away_arrive_at_reconnect(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.messages()
    hub.send(device, "here")
    inbox.wait(1)
    client.disconnect()
    for n in range(5):
        hub.send(device, f"away {n}")
    assert hub.registry.get_device(device).cloud_to_device_message_count == 5
    client.connect()
    assert [m.data for m in inbox.wait(6)] == [b"here"] + [f"away {n}".encode() for n in range(5)]


def test_a_message_nobody_fetches_expires(hub, make, device):
    client = make(hub.create(device))
    hub.send(device, "too late", messageId="late", ack="negative", ttl="90s")
    hub.advance("91s")
    (record,) = hub.feedback(device)
    assert (record["originalMessageId"], record["statusCode"]) == ("late", "Expired")
    client.connect()
    inbox = client.messages()
    hub.send(device, "in time")
    assert [m.data for m in inbox.wait()] == [b"in time"]


def test_the_queue_takes_fifty_messages(hub, make, device):
    client = make(hub.create(device))
    for n in range(50):
        hub.send(device, str(n))
    with pytest.raises(Exception, match="403"):
        hub.send(device, "one too many")
    client.connect()
    inbox = client.messages()
    assert [m.data for m in inbox.wait(50)] == [str(n).encode() for n in range(50)]
