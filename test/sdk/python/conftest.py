"""Fixtures: one hub for the whole run, and clients of each flavour."""

import itertools
import re

import pytest

import hub as harness
import recorder  # noqa: F401, which records as it is imported

counter = itertools.count(1)


@pytest.fixture(scope="session")
def hub():
    running = harness.Hub()
    yield running
    code, log = running.stop()
    assert code == 0, "the hub did not stop cleanly:\n" + log
    assert "SharedAccessSignature sr" not in log, "a token is in the log"


@pytest.fixture(scope="session")
def loop():
    running = harness.Loop()
    yield running
    running.stop()


@pytest.fixture
def device(hub, request):
    """The id of a fresh device, with the kinds of characters that the SDK lets through."""
    name = re.sub(r"[^A-Za-z0-9]", "-", request.node.name)[:60]
    return f"{name}-{next(counter)}.%_*?!(),=@$':"


@pytest.fixture(params=[("sync", False), ("sync", True), ("aio", False), ("aio", True)],
                ids=["sync-mqtt", "sync-ws", "aio-mqtt", "aio-ws"])
def flavour(request):
    """Which client of the SDK, and whether it goes through WebSockets."""
    return request.param


@pytest.fixture
def make(hub, loop, flavour):
    """Makes clients of the flavour and shuts them down at the end."""
    kind, websockets = flavour
    made = []

    def make_client(connection_string=None, sastoken=None, **options):
        module = "ModuleId=" in (connection_string or "")
        sdk_class = harness.CLASSES[kind, module]
        options = {"server_verification_cert": hub.ca, "websockets": websockets, **options}
        if sastoken:
            sdk = sdk_class.create_from_sastoken(sastoken, **options)
        else:
            sdk = sdk_class.create_from_connection_string(connection_string, **options)
        client = harness.Client(sdk, loop if kind == "aio" else None)
        made.append(client)
        return client

    yield make_client
    for client in made:
        client.shutdown()
