"""The hub under test: the built binary on a loopback address of its own, its
control API, and the official SDKs' clients made for it.

Nothing here knows how the hub works; it starts a process and speaks HTTP.
"""

import asyncio
import base64
import datetime
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from azure.core.credentials import AccessToken
from azure.eventhub import EventHubConsumerClient
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.device.aio import IoTHubDeviceClient as AioDeviceClient
from azure.iot.device.aio import IoTHubModuleClient as AioModuleClient
from azure.iot.device.exceptions import NoConnectionError
from azure.iot.hub import IoTHubRegistryManager

ADDRESS = "127.0.0.12"
BINARY = os.environ.get("LINARITE_BIN") or str(pathlib.Path(__file__).parents[3] / "bin" / "linarite")
# The hub refuses a LINARITE_ variable that it does not know.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("LINARITE_")}
DEADLINE = 20  # seconds that anything may take


class Hub:
    """A running hub."""

    def __init__(self):
        self.data = tempfile.mkdtemp(prefix="linarite-python-")
        self.log = open(os.path.join(self.data, "hub.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [
                BINARY, "serve",
                "--hostname", ADDRESS,
                "--mqtt", f"{ADDRESS}:8883",
                "--amqps", f"{ADDRESS}:5671",
                "--https", f"{ADDRESS}:443",
                "--control", f"{ADDRESS}:8080",
                "--data", os.path.join(self.data, "data"),
                "--log-format", "json",
            ],
            env=ENVIRONMENT,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self._await_ready()
        self.ca = self._request("GET", "/v1/ca.pem").decode()
        self.ca_file = os.path.join(self.data, "ca.pem")
        pathlib.Path(self.ca_file).write_text(self.ca, encoding="utf-8")
        self.strings = self.get("/v1/connection-strings")
        self.service = self.strings["service"]
        # The service SDK trusts what these variables name: REST the first, AMQP
        # the second, which is read as its first connection is made.
        os.environ["REQUESTS_CA_BUNDLE"] = self.ca_file
        os.environ["SSL_CERT_FILE"] = self.ca_file
        self.registry = IoTHubRegistryManager.from_connection_string(self.service)

    def _await_ready(self):
        """Waits for `linarite health`, which itself waits for nothing."""
        deadline = threading.Event()
        timer = threading.Timer(DEADLINE, deadline.set)
        timer.start()
        try:
            while True:
                if self.process.poll() is not None or deadline.is_set():
                    raise RuntimeError("the hub did not start:\n" + self.read_log())
                health = subprocess.run(
                    [BINARY, "health", "--control", f"{ADDRESS}:8080"],
                    capture_output=True, check=False, env=ENVIRONMENT,
                )
                if health.returncode == 0:
                    return
        finally:
            timer.cancel()

    def stop(self):
        """Stops the hub as a user would and says how it ended."""
        self.process.terminate()
        code = self.process.wait(DEADLINE)
        text = self.read_log()
        self.log.close()
        shutil.rmtree(self.data)
        return code, text

    def read_log(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    # The control API.

    def _request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{ADDRESS}:8080{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=DEADLINE + 10) as response:
            return response.read()

    def get(self, path, **query):
        query = {k: v for k, v in query.items() if v is not None}
        suffix = "?" + urllib.parse.urlencode(query) if query else ""
        return json.loads(self._request("GET", path + suffix))

    def events(self, device, count=1, module=None, source=None):
        """Waits for that many messages of a device."""
        page = self.get("/v1/events", device=device, module=module, source=source, wait=count, timeout=f"{DEADLINE}s")
        assert len(page["events"]) >= count, f"{len(page['events'])} of {count} events of {device} came"
        return page["events"]

    def send(self, device, body, **message):
        """Sends a cloud-to-device message."""
        answer = self._request("POST", f"/v1/devices/{urllib.parse.quote(device, safe='')}/messages", {"body": body, **message})
        return json.loads(answer)

    def feedback(self, device, count=1):
        records = self.get("/v1/feedback", device=device, wait=count, timeout=f"{DEADLINE}s")["records"]
        assert len(records) >= count, f"{len(records)} of {count} feedback records of {device} came"
        return records

    def advance(self, duration):
        """Moves the hub's clock."""
        return json.loads(self._request("POST", "/v1/clock", {"advance": duration}))

    def put(self, path, document):
        """Puts a route, or something else that the control API keeps."""
        return json.loads(self._request("PUT", path, document))

    def delete(self, path):
        self._request("DELETE", path)

    def connection(self, device, module=None):
        for c in self.get("/v1/connections")["connections"]:
            if c["deviceId"] == device and c.get("moduleId") == module:
                return c
        return None

    def refusals(self, device):
        return [r for r in self.get("/v1/connections")["refused"] if r["deviceId"] == device]

    def now(self):
        """What the hub's clock says, to the millisecond."""
        text = self.get("/v1/clock")["now"]
        now = datetime.datetime.fromisoformat(text)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def consumer(self, connection_string=None, **options):
        """A client that reads events; it says at once what goes wrong."""
        return EventHubConsumerClient.from_connection_string(
            connection_string or self.strings["events"], consumer_group="$Default",
            # A reader of all partitions looks at them this often, and ends no sooner.
            connection_verify=self.ca_file, retry_total=0, load_balancing_interval=0.5, **options,
        )

    def partition(self, device):
        """Where the events of a device are, which has sent some."""
        return str(self.events(device)[0]["partition"])

    # Identities.

    def create(self, device):
        """Registers a device through the service SDK; returns its connection string."""
        made = self.registry.create_device_with_sas(device, None, None, "enabled")
        key = made.authentication.symmetric_key.primary_key
        return f"HostName={ADDRESS};DeviceId={device};SharedAccessKey={key}"

    def create_module(self, device, module):
        made = self.registry.create_module_with_sas(device, module, "", None, None)
        key = made.authentication.symmetric_key.primary_key
        return f"HostName={ADDRESS};DeviceId={device};ModuleId={module};SharedAccessKey={key}"


class Loop:
    """An event loop on a thread of its own, for the aio clients."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE)


class Client:
    """An SDK client, sync or aio, behind one face: methods are called by name
    and return when they are done; handlers feed queues."""

    def __init__(self, sdk, loop):
        self.sdk = sdk
        self.loop = loop
        self.over = False
        self.connection_changes = Inbox()
        sdk.on_connection_state_change = lambda: self.connection_changes.put(sdk.connected)

    def __getattr__(self, name):
        method = getattr(self.sdk, name)
        if self.loop is None:
            return method
        return lambda *args, **kwargs: self.loop.run(method(*args, **kwargs))

    @property
    def connected(self):
        return self.sdk.connected

    def shutdown(self):
        """Ends the client, once. The SDK cannot disconnect when the hub has just done so
        and only the socket's thread knows; the second time it has nothing to disconnect."""
        if self.over:
            return
        self.over = True
        shutdown = self.__getattr__("shutdown")
        try:
            shutdown()
        except NoConnectionError:
            shutdown()

    def messages(self):
        """Subscribes to cloud-to-device messages."""
        inbox = Inbox()
        self.sdk.on_message_received = inbox.put
        return inbox

    def desired(self):
        """Subscribes to changes of desired properties."""
        inbox = Inbox()
        self.sdk.on_twin_desired_properties_patch_received = inbox.put
        return inbox

    def methods(self):
        """Subscribes to direct methods."""
        inbox = Inbox()
        self.sdk.on_method_request_received = inbox.put
        return inbox


class Inbox:
    """What came, in order, and a way to wait for more."""

    def __init__(self):
        self.items = []
        self.arrived = threading.Condition()

    def put(self, item):
        with self.arrived:
            self.items.append(item)
            self.arrived.notify_all()

    def wait(self, count=1, deadline=DEADLINE):
        """Waits until that many items came; returns all."""
        with self.arrived:
            came = self.arrived.wait_for(lambda: len(self.items) >= count, deadline)
            assert came, f"{len(self.items)} of {count} came: {self.items}"
            return list(self.items)

    def wait_for(self, wanted):
        """Waits until the newest item is the one wanted."""
        with self.arrived:
            came = self.arrived.wait_for(lambda: self.items and self.items[-1] == wanted, DEADLINE)
            assert came, f"{wanted} did not come: {self.items}"


class Tokens:
    """A back end's own tokens for the events: good for an hour, of which the SDK is
    told ten seconds, so that it soon asks for the next."""

    token_type = b"servicebus.windows.net:sastoken"

    def __init__(self, connection_string):
        parts = dict(part.split("=", 1) for part in connection_string.split(";"))
        self.policy, self.key = parts["SharedAccessKeyName"], parts["SharedAccessKey"]
        self.given = Inbox()

    def get_token(self, *resources, **_):
        (resource,) = resources
        resource = urllib.parse.quote_plus(resource)
        # No two are the same, even within a second.
        expiry = int(time.time()) + 3600 + len(self.given.items)
        mac = hmac.new(self.key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256)
        signature = urllib.parse.quote_plus(base64.b64encode(mac.digest()))
        token = f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={self.policy}"
        self.given.put(token)
        return AccessToken(token, int(time.time()) + 10)


class Reader(Inbox):
    """The events of some devices, or those that are about none, which a thread reads
    from one partition or all."""

    def __init__(self, client, *devices, **options):
        super().__init__()
        self.client = client
        self.devices = {device.encode() for device in devices} or {None}
        self.options = options
        self.failures = Inbox()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.client.receive(
            self.take, on_error=lambda _, error: self.failures.put(error), max_wait_time=0.1, **self.options
        )

    def close(self):
        self.client.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the reader does not end"

    def take(self, context, event):
        """Takes an event, or that nothing came for a while."""
        self.context = context
        if event and event.system_properties.get(b"iothub-connection-device-id") in self.devices:
            self.put(event)

    def await_attached(self, client):
        """Has a device send until something of it comes, since the SDK does not tell
        when a reader at the end has got there. Over a WebSocket the SDK takes a second
        for each step, so that there must be time between them. Forgets what came."""
        for n in itertools.count():
            client.send_message(f"probe {n}")
            with self.arrived:
                if self.arrived.wait_for(lambda: self.items, 3):
                    break
            assert n < DEADLINE, f"the reader did not attach: {self.failures.items}"
        with self.arrived:
            arrived = self.arrived.wait_for(lambda: self.items[-1].body_as_str() == f"probe {n}", DEADLINE)
            assert arrived, f"probe {n} did not come: {self.items}"
            self.items.clear()


CLASSES = {
    ("sync", False): IoTHubDeviceClient,
    ("sync", True): IoTHubModuleClient,
    ("aio", False): AioDeviceClient,
    ("aio", True): AioModuleClient,
}
