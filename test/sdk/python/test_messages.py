"""Cloud-to-device messages."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from hub import DEADLINE, ENVIRONMENT


def test_a_message_arrives_with_its_properties_and_is_completed(hub, make, device):
    client = make(hub.create(device))
    client.connect()
    inbox = client.messages()
    hub.send(device, "hello", messageId="m 1/2", correlationId="c+1", userId="u 1", contentType="text/plain", contentEncoding="utf-8",
             ack="full", properties={"a": "b", "odd": "a b+c/d=e&f%g"})
    (message,) = inbox.wait()
    assert message.data == b"hello"
    assert message.message_id == "m 1/2"
    assert message.correlation_id == "c+1"
    assert message.user_id == "u 1"
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


@pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "ws"])
def test_a_message_that_is_not_acknowledged_comes_back_after_its_lock(hub, device, websockets):
    """The SDK acknowledges by itself; a device that is frozen cannot."""
    environment = {**ENVIRONMENT, "DEVICE": hub.create(device), "CA": hub.ca, "WEBSOCKETS": str(websockets)}
    frozen = subprocess.Popen(
        [sys.executable, str(pathlib.Path(__file__).with_name("listener.py"))],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert frozen.stdout.readline() == "ready\n"
        frozen.send_signal(signal.SIGSTOP)
        os.waitpid(frozen.pid, os.WUNTRACED)  # it has stopped
        hub.send(device, "once more", ack="full", messageId="m")
        hub.advance("61s")
        assert hub.registry.get_device(device).cloud_to_device_message_count == 1
        assert not hub.get("/v1/feedback", device=device)["records"]
        frozen.send_signal(signal.SIGCONT)
        assert [frozen.stdout.readline() for _ in range(2)] == ["once more\n"] * 2
        (record,) = hub.feedback(device)
        assert record["statusCode"] == "Success"
    finally:
        frozen.send_signal(signal.SIGCONT)
        frozen.stdin.close()
        frozen.wait(DEADLINE)
