"""Device-to-cloud messages: what the SDK sends is what the hub stores."""

import json

from azure.iot.device import Message


def test_a_message_is_stored_exactly_as_sent(hub, make, device):
    client = make(hub.create(device))
    message = Message('{"temperature":21.5,"unit":"°C"}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "m-1"
    message.correlation_id = "c+1/2=3"
    message.user_id = "u 1"
    message.custom_properties = {
        "plain": "value",
        "odd": "a b+c/d=e&f%g?h#i",
        "naïve key": "ünïcode ✓",
        "empty": "",
    }
    client.send_message(message)

    (event,) = hub.events(device)
    assert json.loads(event["body"]) == {"temperature": 21.5, "unit": "°C"}
    assert event["bodyEncoding"] == "utf-8"
    assert event["properties"] == message.custom_properties
    system = event["systemProperties"]
    assert system["message-id"] == "m-1"
    assert system["correlation-id"] == "c+1/2=3"
    assert system["user-id"] == "u 1"
    assert system["content-type"] == "application/json"
    assert system["content-encoding"] == "utf-8"
    assert system["iothub-connection-device-id"] == device
    assert system["iothub-connection-auth-generation-id"] == hub.registry.get_device(device).generation_id
    assert json.loads(system["iothub-connection-auth-method"]) == {
        "scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None,
    }
    assert event["deviceId"] == device
    assert event["source"] == "Telemetry"


def test_messages_of_a_device_keep_their_order(hub, make, device):
    client = make(hub.create(device))
    for n in range(20):
        client.send_message(f"message {n}")
    events = hub.events(device, 20)
    assert [e["body"] for e in events] == [f"message {n}" for n in range(20)]
    assert len({e["partition"] for e in events}) == 1
    numbers = [e["sequenceNumber"] for e in events]
    assert numbers == sorted(set(numbers))


def test_a_large_message_arrives_whole(hub, make, device):
    client = make(hub.create(device))
    body = "x" * 250_000
    client.send_message(body)
    (event,) = hub.events(device)
    assert event["body"] == body


def test_an_empty_and_a_binary_body_arrive(hub, make, device):
    client = make(hub.create(device))
    client.send_message("")
    client.send_message(bytes(range(256)))
    empty, binary = hub.events(device, 2)
    assert empty["body"] == ""
    assert binary["bodyEncoding"] == "base64"
