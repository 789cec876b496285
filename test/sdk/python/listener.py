"""A device in a process of its own, so that a test can freeze it: prints each
cloud-to-device message it gets, after the line that says it is ready."""

import os
import sys

from azure.iot.device import IoTHubDeviceClient

client = IoTHubDeviceClient.create_from_connection_string(
    os.environ["DEVICE"], server_verification_cert=os.environ["CA"], websockets=os.environ["WEBSOCKETS"] == "True"
)
client.connect()
# One write each: the SDK's handlers run on several threads.
client.on_message_received = lambda message: os.write(1, message.data + b"\n")
os.write(1, b"ready\n")
sys.stdin.read()  # until the test closes it
client.shutdown()
