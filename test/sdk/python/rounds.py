"""Devices, a back end and a reader of events in one process, for test/sdk/rounds:
it takes requests from its standard input, a line of JSON each, answers each with
a line, and tells of what it receives with more of them."""

import json
import os
import pathlib
import sys
import threading
import traceback

from azure.eventhub import EventHubConsumerClient
from azure.iot.device import IoTHubDeviceClient, Message
from azure.iot.hub import IoTHubHttpRuntimeManager, IoTHubRegistryManager

CA = os.environ["SSL_CERT_FILE"]
writing = threading.Lock()
devices = {}
back_end = {}


def say(**line):
    with writing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def open_device(device, transport, connectionString):
    client = IoTHubDeviceClient.create_from_connection_string(
        connectionString, server_verification_cert=pathlib.Path(CA).read_text(encoding="utf-8"), websockets=transport == "MqttWs"
    )
    devices[device] = client
    client.on_message_received = lambda message: say(kind="message", device=device, message={
        "body": message.data.decode(),
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "properties": message.custom_properties,
    })
    client.connect()


def send(device, message):
    telemetry = Message(message["body"], message["messageId"], message["contentEncoding"], message["contentType"])
    telemetry.correlation_id = message["correlationId"]
    telemetry.custom_properties = message["properties"]
    devices[device].send_message(telemetry)


def send_to_device(device, message, connectionString):
    if not back_end:
        back_end["sends"] = IoTHubRegistryManager.from_connection_string(connectionString)
        back_end["hears"] = IoTHubHttpRuntimeManager.from_connection_string(connectionString)
    back_end["sends"].send_c2d_message(device, message["body"], {
        "messageId": message["messageId"],
        "correlationId": message["correlationId"],
        "iothub-ack": message["ack"],
        **message["properties"],
    })


def feedback():
    """The SDK takes feedback over HTTPS, one batch a call; its lock is in the answer's ETag."""
    messages = back_end["hears"].protocol.cloud_to_device_messages
    while True:
        answer = messages.receive_feedback_notification(raw=True).response
        if answer.status_code == 204:
            return
        say(kind="feedback", records=answer.json())
        back_end["hears"].complete_feedback_notification(answer.headers["ETag"].strip('"'))


def leave():
    back_end["sends"].amqp_svc_client.disconnect_sync()


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def event(_, received):
    system = {text(k): text(v) for k, v in received.system_properties.items()}
    say(
        kind="event",
        device=system["iothub-connection-device-id"],
        message={
            "body": received.body_as_str(),
            "messageId": received.message_id,
            "correlationId": received.correlation_id,
            "contentType": received.content_type,
            "contentEncoding": system["content-encoding"],
            "properties": {text(k): text(v) for k, v in received.properties.items()},
        },
        generation=system.get("iothub-connection-auth-generation-id"),
        source=system["iothub-message-source"],
        enqueued=round(received.enqueued_time.timestamp() * 1000),
        sequence=received.sequence_number,
        offset=received.offset,
    )


def read(connectionString):
    reader = EventHubConsumerClient.from_connection_string(connectionString, consumer_group="$Default", connection_verify=CA)
    threading.Thread(target=reader.receive, args=(event,), kwargs={"starting_position": "-1"}, daemon=True).start()


REQUESTS = {"open": open_device, "send": send, "sendToDevice": send_to_device, "feedback": feedback, "leave": leave, "read": read}

for request in sys.stdin:
    arguments = json.loads(request)
    try:
        REQUESTS[arguments.pop("do")](**arguments)
        say(kind="done")
    except Exception:  # whatever it is, the test is told
        say(kind="done", failure=traceback.format_exc())
os._exit(0)
