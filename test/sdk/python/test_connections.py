"""Who may connect, and what ends a connection."""

import base64
import hashlib
import hmac
import time
import urllib.parse

import pytest
from azure.iot.device import MethodResponse, exceptions

from hub import ADDRESS
from test_methods import Invocation

ONCE = {"connection_retry": False}


def sastoken(connection_string, expiry):
    """Signs a token as the documents tell device makers to."""
    parts = dict(p.split("=", 1) for p in connection_string.split(";"))
    resource = urllib.parse.quote(f"{ADDRESS}/devices/{parts['DeviceId']}", safe="")
    key = base64.b64decode(parts["SharedAccessKey"])
    signature = base64.b64encode(hmac.new(key, f"{resource}\n{expiry}".encode(), hashlib.sha256).digest())
    return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(signature, safe='')}&se={expiry}"


def refused(client):
    with pytest.raises(exceptions.CredentialError):
        client.connect()


def test_a_wrong_key_is_refused(hub, make, device):
    hub.create(device)
    wrong = base64.b64encode(b"0" * 32).decode()
    refused(make(f"HostName={ADDRESS};DeviceId={device};SharedAccessKey={wrong}", **ONCE))
    assert "signature" in hub.refusals(device)[-1]["reason"]


def test_an_unknown_device_is_refused(hub, make, device):
    key = base64.b64encode(b"0" * 32).decode()
    refused(make(f"HostName={ADDRESS};DeviceId={device};SharedAccessKey={key}", **ONCE))
    assert hub.refusals(device)[-1]["code"] == 404001


def test_an_expired_token_is_refused(hub, make, device):
    token = sastoken(hub.create(device), int(time.time()) + 300)  # the SDK itself refuses one that has expired
    client = make(sastoken=token, **ONCE)
    client.connect()
    client.disconnect()
    hub.advance("700s")
    refused(client)
    assert "expired" in hub.refusals(device)[-1]["reason"]


def test_a_disabled_device_is_refused_and_disconnected(hub, make, device):
    client = make(hub.create(device), **ONCE)
    client.connect()
    known = hub.registry.get_device(device)
    keys = known.authentication.symmetric_key
    hub.registry.update_device_with_sas(device, known.etag, keys.primary_key, keys.secondary_key, "disabled")
    client.connection_changes.wait_for(False)
    refused(client)
    hub.registry.update_device_with_sas(device, "*", keys.primary_key, keys.secondary_key, "enabled")
    client.connect()


def test_a_deleted_device_is_refused_and_disconnected(hub, make, device):
    client = make(hub.create(device), **ONCE)
    client.connect()
    hub.registry.delete_device(device)
    client.connection_changes.wait_for(False)
    refused(client)


def test_the_newer_of_two_connections_wins(hub, make, device):
    connection_string = hub.create(device)
    older = make(connection_string, **ONCE)
    newer = make(connection_string, **ONCE)
    older.connect()
    newer.connect()
    older.connection_changes.wait_for(False)
    newer.send_message("I am here")
    assert hub.events(device)[0]["body"] == "I am here"
    assert hub.connection(device)["lastDisconnect"]["code"] == 400027


def test_the_state_is_visible_to_the_service(hub, make, device):
    client = make(hub.create(device))
    assert hub.registry.get_device(device).connection_state == "Disconnected"
    client.connect()
    assert hub.registry.get_device(device).connection_state == "Connected"
    client.disconnect()
    assert hub.connection(device)["connected"] is False


def test_renewing_the_token_keeps_the_subscriptions(hub, make, device):
    connection_string = hub.create(device)
    now = int(time.time())
    client = make(sastoken=sastoken(connection_string, now + 3600))
    client.connect()
    messages, changes, requests = client.messages(), client.desired(), client.methods()
    hub.send(device, "before")
    messages.wait(1)
    since = hub.connection(device)["since"]
    client.update_sastoken(sastoken(connection_string, now + 7200))
    assert hub.connection(device)["since"] != since, "the SDK connects anew with the new token"
    hub.send(device, "after")
    assert [m.data for m in messages.wait(2)] == [b"before", b"after"]
    twin = hub.registry.get_twin(device)
    twin.properties.desired = {"renewed": True}
    twin.properties.reported = None
    hub.registry.update_twin(device, twin, "*")
    assert changes.wait(1)[0]["renewed"] is True
    call = Invocation(hub, device, method_name="still-there")
    (request,) = requests.wait()
    client.send_method_response(MethodResponse(request.request_id, 200))
    assert call.result().status == 200


def test_a_live_connection_ends_with_its_token_and_the_grace(hub, make, device):
    token = sastoken(hub.create(device), int(time.time()) + 600)
    client = make(sastoken=token, **ONCE)
    client.connect()
    hub.advance("720s")  # expired, within the grace
    client.send_message("still here")
    hub.events(device)
    hub.advance("200s")
    client.connection_changes.wait_for(False)
    assert hub.connection(device)["lastDisconnect"]["code"] == 401003
