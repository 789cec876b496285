"""A back end: it sets a desired property of a device, waits until the device
reports it, and calls the device's method `stop`. With device.py running:

    eval "$(linarite env)"
    pip install azure-iot-hub six
    python3 back_end.py my-device
"""

import os
import sys
import time

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties


def main(device):
    registry = IoTHubRegistryManager.from_connection_string(
        os.environ["IOTHUB_CONNECTION_STRING"]
    )
    registry.update_twin(
        device, Twin(properties=TwinProperties(desired={"interval": 30})), "*"
    )
    while registry.get_twin(device).properties.reported.get("interval") != 30:
        time.sleep(0.1)
    print("the device reports its interval")

    answer = registry.invoke_device_method(
        device,
        CloudToDeviceMethod(
            method_name="stop", response_timeout_in_seconds=10, connect_timeout_in_seconds=10
        ),
    )
    print("stop:", answer.status, answer.payload)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "my-device")
