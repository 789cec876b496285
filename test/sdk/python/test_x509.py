"""Devices and modules that authenticate by certificates."""

import json
import os
import subprocess

import pytest
from azure.iot.device import X509, MethodResponse, exceptions

import hub as harness
from hub import ADDRESS
from test_methods import Invocation

METHOD = {"scope": "device", "type": "x509Certificate", "issuer": "external", "acceptingIpFilterRule": None}
ONCE = {"connection_retry": False}


class Authority:
    """A CA that issues certificates, by the program's own verbs."""

    def __init__(self, folder, *issuer):
        self.folder = folder
        self.issuer = issuer
        self.count = 0

    def issue(self, identity):
        """A new certificate: its files and its thumbprints."""
        return self.files("device", "--id", identity, *self.issuer)

    def files(self, *args):
        self.count += 1
        out = os.path.join(self.folder, str(self.count))
        os.mkdir(out)
        return json.loads(run(*args, "--out", out, "--json"))


def run(*args):
    return subprocess.run(
        [harness.BINARY, "certs", *args], check=True, capture_output=True, env=harness.ENVIRONMENT,
    ).stdout


@pytest.fixture
def authority(hub, tmp_path):
    """The hub's development CA."""
    return Authority(str(tmp_path), "--data", os.path.join(hub.data, "data"))


@pytest.fixture
def stranger(tmp_path):
    """A CA that the hub does not know."""
    made = Authority(str(tmp_path / "stranger"))
    os.mkdir(made.folder)
    ca = made.files("ca", "--name", "Elsewhere")
    made.issuer = ("--ca", ca["certificate"], "--ca-key", ca["key"])
    return made


@pytest.fixture
def show(hub, loop, flavour):
    """Makes clients that show a certificate, and shuts them down at the end."""
    kind, websockets = flavour
    made = []

    def make_client(certificate, device, module=None, **options):
        arguments = {
            "x509": X509(cert_file=certificate["certificate"], key_file=certificate["key"]),
            "hostname": ADDRESS, "device_id": device, "server_verification_cert": hub.ca, "websockets": websockets, **options,
        }
        if module:
            arguments["module_id"] = module
        sdk = harness.CLASSES[kind, module is not None].create_from_x509_certificate(**arguments)
        client = harness.Client(sdk, loop if kind == "aio" else None)
        made.append(client)
        return client

    yield make_client
    for client in made:
        client.shutdown()


def refused(hub, client, device, reason):
    with pytest.raises(exceptions.CredentialError):
        client.connect()
    refusal = hub.refusals(device)[-1]
    assert refusal["code"] == 401003
    assert reason in refusal["reason"]


def test_a_certificate_of_a_ca(hub, authority, show, device, flavour):
    hub.registry.create_device_with_certificate_authority(device, "enabled")
    client = show(authority.issue(device), device)
    client.connect()
    client.send_message("hello")
    [event] = hub.events(device)
    assert json.loads(event["systemProperties"]["iothub-connection-auth-method"]) == METHOD
    connection = hub.connection(device)
    assert connection["authentication"] == "certificateAuthority"
    assert connection["protocol"] == ("MqttWs" if flavour[1] else "Mqtt")
    assert hub.registry.get_twin(device).authentication_type == "certificateAuthority"
    client.disconnect()
    client.connect()


def test_a_certificate_by_its_thumbprint(hub, authority, show, device):
    first, second = authority.issue("anything"), authority.issue("anything")
    hub.registry.create_device_with_x509(device, first["sha1"].lower(), second["sha256"], "enabled")
    for own in (first, second):
        client = show(own, device)
        client.connect()
        client.send_message("hello")
        client.disconnect()
    assert hub.registry.get_twin(device).authentication_type == "selfSigned"
    refused(hub, show(authority.issue("anything"), device, **ONCE), device, "is neither the primary nor the secondary one")


def test_a_module_with_a_certificate(hub, authority, show, device):
    hub.create(device)
    for module, kind in (("lens", "certificateAuthority"), ("lamp", "selfSigned")):
        own = authority.issue(f"{device}/{module}")
        if kind == "selfSigned":
            hub.registry.create_module_with_x509(device, module, "", own["sha256"], own["sha256"])
        else:
            hub.registry.create_module_with_certificate_authority(device, module, "")
        client = show(own, device, module)
        client.connect()
        client.send_message("hello")
        [event] = hub.events(device, module=module)
        assert json.loads(event["systemProperties"]["iothub-connection-auth-method"]) == {**METHOD, "scope": "module"}
        assert hub.connection(device, module)["authentication"] == kind


def test_a_device_with_a_certificate_does_all_that_devices_do(hub, authority, show, device):
    hub.registry.create_device_with_certificate_authority(device, "enabled")
    client = show(authority.issue(device), device)
    client.connect()
    messages, desired, methods = client.messages(), client.desired(), client.methods()
    client.get_twin()
    client.send_message("subscribed")
    hub.send(device, "hello")
    assert messages.wait()[0].data == b"hello"
    client.patch_twin_reported_properties({"temperature": 21.5})
    assert hub.registry.get_twin(device).properties.reported["temperature"] == 21.5
    twin = hub.registry.get_twin(device)
    twin.properties.desired = {"interval": 30}
    hub.registry.update_twin(device, twin, "*")
    assert desired.wait()[0]["interval"] == 30
    answer = Invocation(hub, device, method_name="ping", payload={})
    request = methods.wait()[0]
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, "pong"))
    assert answer.result().payload == "pong"


def test_certificates_that_open_nothing(hub, authority, stranger, show, device):
    hub.registry.create_device_with_certificate_authority(device, "enabled")
    refused(hub, show(authority.issue("another"), device, **ONCE), device, 'the certificate\'s common name is "another"')
    refused(hub, show(stranger.issue(device), device, **ONCE), device, 'issued by "CN=Elsewhere", which is no certificate authority')
    hub.registry.delete_device(device)
    hub.create(device)
    refused(hub, show(authority.issue(device), device, **ONCE), device, 'authenticates by "sas", and there is no token')
