"""A device: it sends three messages, reports what is desired of it, and ends when
a back end calls its method `stop`. With a hub running:

    linarite device create my-device
    eval "$(linarite env --device my-device)"
    pip install azure-iot-device
    python3 device.py
"""

import json
import os
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse


def main():
    # SSL_CERT_FILE, which `linarite env` sets, makes the SDK trust the hub. In a
    # program of yours: server_verification_cert=<the CA's PEM text>.
    client = IoTHubDeviceClient.create_from_connection_string(
        os.environ["IOTHUB_DEVICE_CONNECTION_STRING"]
    )
    stopped = threading.Event()

    def on_method(request):
        if request.name == "stop":
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 200, {"stopped": True})
            )
            stopped.set()
        else:
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 404)
            )

    def on_desired(patch):
        wanted = {k: v for k, v in patch.items() if k != "$version"}
        if wanted:
            print("desired", wanted, flush=True)
            client.patch_twin_reported_properties(wanted)

    client.on_method_request_received = on_method
    client.on_twin_desired_properties_patch_received = on_desired
    client.on_message_received = lambda message: print("message", message.data, flush=True)
    client.connect()
    on_desired(client.get_twin()["desired"])

    for number in range(1, 4):
        message = Message(json.dumps({"number": number, "temperature": 20 + number}))
        message.content_type = "application/json"
        message.content_encoding = "utf-8"
        client.send_message(message)
        print("sent", message.data, flush=True)
    stopped.wait()
    client.shutdown()


if __name__ == "__main__":
    main()
