"""The events SDK reads the built-in endpoint what devices sent through theirs."""

import base64
import datetime

import pytest
from azure.eventhub import EventHubConsumerClient, TransportType
from azure.eventhub.exceptions import AuthenticationError, EventHubError
from azure.iot.device import Message

from hub import ADDRESS, DEADLINE, Reader, Tokens

EARLIEST, LATEST = "-1", "@latest"


@pytest.fixture
def flavour():
    """The devices here only send."""
    return "sync", False


@pytest.fixture(params=[TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["amqp", "amqp-ws"])
def consumer(hub, request):
    """Makes clients that read events, and closes them at the end."""
    made = []

    def make_consumer(connection_string=None):
        made.append(hub.consumer(connection_string, transport_type=request.param))
        return made[-1]

    yield make_consumer
    for client in made:
        client.close()


@pytest.fixture
def read(hub, consumer):
    """Reads the events of a device, which has sent some, and stops at the end."""
    made = []

    def read_events(device, position, **options):
        made.append(Reader(consumer(), device, partition_id=hub.partition(device), starting_position=position, **options))
        return made[-1]

    yield read_events
    for reader in made:
        reader.close()


def send(hub, client, device, *bodies):
    """Sends messages; returns what the hub says of all that the device sent so far."""
    for body in bodies:
        client.send_message(body)
    return hub.events(device, len(bodies))


def moment(event):
    return datetime.datetime.fromisoformat(event["enqueuedTime"])


def test_the_endpoint_and_its_partitions_are_described(hub, make, consumer, device):
    (event,) = send(hub, make(hub.create(device)), device, "hello")
    client = consumer()
    described = client.get_eventhub_properties()
    partitions = described["partition_ids"]
    assert described["eventhub_name"] == "linarite"
    assert partitions == [str(n) for n in range(len(partitions))]
    assert described["created_at"] <= moment(event)

    partition = client.get_partition_properties(str(event["partition"]))
    assert partition == {
        "eventhub_name": "linarite",
        "id": str(event["partition"]),
        "beginning_sequence_number": 0,
        "last_enqueued_sequence_number": event["sequenceNumber"],
        "last_enqueued_offset": event["offset"],
        "last_enqueued_time_utc": moment(event),
        "is_empty": False,
    }


def test_an_event_is_what_the_device_sent(hub, make, read, device):
    client = make(hub.create(device))
    message = Message('{"temperature":21.5,"unit":"°C"}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "m-1"
    message.correlation_id = "c+1/2=3"
    message.user_id = "u 1"
    message.custom_properties = {"plain": "value", "odd": "a b+c/d=e&f%g?h#i", "naïve key": "ünïcode ✓", "empty": ""}
    stored, _ = send(hub, client, device, message, bytes(range(256)))

    event, binary = read(device, EARLIEST).wait(2)
    assert event.body_as_str() == message.data
    assert (event.message_id, event.correlation_id, event.content_type) == ("m-1", "c+1/2=3", "application/json")
    assert {k.decode(): v.decode() for k, v in event.properties.items()} == message.custom_properties
    assert event.sequence_number == stored["sequenceNumber"]
    assert event.offset == stored["offset"]
    assert event.enqueued_time == moment(stored)

    milliseconds = round(moment(stored).timestamp() * 1000)
    assert event.system_properties == {
        b"message-id": b"m-1",
        b"correlation-id": b"c+1/2=3",
        b"user-id": b"u 1",
        b"content-type": b"application/json",
        b"content-encoding": b"utf-8",
        b"x-opt-sequence-number": stored["sequenceNumber"],
        b"x-opt-offset": stored["offset"].encode(),
        b"x-opt-enqueued-time": milliseconds,
        b"iothub-enqueuedtime": milliseconds,
        b"iothub-message-source": b"Telemetry",
        b"iothub-connection-device-id": device.encode(),
        b"iothub-connection-auth-generation-id": hub.registry.get_device(device).generation_id.encode(),
        b"iothub-connection-auth-method": b'{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
    }
    assert b"".join(binary.body) == bytes(range(256))
    assert not binary.properties
    assert binary.content_type is None


def test_a_module_is_named(hub, make, read, device):
    hub.create(device)
    client = make(hub.create_module(device, "m-1"))
    send(hub, client, device, "from the module")
    (event,) = read(device, EARLIEST).wait()
    assert event.system_properties[b"iothub-connection-module-id"] == b"m-1"


def test_a_reader_starts_where_it_wants(hub, make, read, device):
    client = make(hub.create(device))
    send(hub, client, device, "0", "1")
    hub.advance("1s")  # no two of these have the time in common
    send(hub, client, device, "2")
    hub.advance("1s")
    send(hub, client, device, "3")
    third = hub.events(device, 4)[2]

    def bodies(position, count, **options):
        reader = read(device, position, **options)
        came = [e.body_as_str() for e in reader.wait(count)]
        reader.close()  # a partition has at most five readers
        return came

    assert bodies(third["sequenceNumber"], 2, starting_position_inclusive=True) == ["2", "3"]
    assert bodies(third["sequenceNumber"], 1) == ["3"]
    assert bodies(third["offset"], 1) == ["3"]
    assert bodies(moment(third), 2, starting_position_inclusive=True) == ["2", "3"]


def test_a_reader_at_the_end_gets_what_comes(hub, make, read, device):
    client = make(hub.create(device))
    send(hub, client, device, "before")
    reader = read(device, LATEST)
    reader.await_attached(client)
    for n in range(5):
        client.send_message(f"after {n}")
    assert [e.body_as_str() for e in reader.wait(5)] == [f"after {n}" for n in range(5)]


def test_a_reader_hears_where_its_partition_ends(hub, make, read, device):
    first, last = send(hub, make(hub.create(device)), device, "0", "1")
    reader = read(
        device, moment(first), starting_position_inclusive=True, track_last_enqueued_event_properties=True,
    )
    reader.wait(2)
    end = reader.context.last_enqueued_event_properties
    assert end["sequence_number"] >= last["sequenceNumber"]
    assert int(end["offset"]) >= int(last["offset"])
    assert end["enqueued_time"] >= moment(last)
    assert end["retrieval_time"] >= moment(last)


def test_an_owner_ends_the_other_readers(hub, make, read, device):
    client = make(hub.create(device))
    send(hub, client, device, "before")
    other = read(device, LATEST)
    other.await_attached(client)
    owner = read(device, LATEST, owner_level=1)
    owner.await_attached(client)
    assert "higher epoch" in str(other.failures.wait()[0])
    client.send_message("after")
    assert [e.body_as_str() for e in owner.wait()] == ["after"]


def test_all_partitions_are_read(hub, make, consumer, device):
    devices = [f"{device}-{n}" for n in range(8)]
    sent = [send(hub, make(hub.create(one)), one, "first", "second") for one in devices]
    assert len({hub.partition(one) for one in devices}) > 1
    # Over a WebSocket the SDK waits a second for each partition before it hands out one
    # event of each: it is not to read those of the tests before.
    reader = Reader(consumer(), *devices, starting_position=moment(sent[0][0]), starting_position_inclusive=True)
    came = reader.wait(2 * len(devices), 3 * DEADLINE)
    reader.close()
    for one in devices:
        own = [e.body_as_str() for e in came if e.system_properties[b"iothub-connection-device-id"] == one.encode()]
        assert own == ["first", "second"]
    assert not reader.failures.items


def test_readers_read_on_with_new_tokens(hub, make, device):
    hub_string = hub.create(device)

    def send_one(body):
        """Each has a connection of its own: tokens run out here, and who is replaced comes back."""
        client = make(hub_string)
        send(hub, client, device, body)
        client.shutdown()

    send_one("0")
    tokens = [Tokens(hub.strings["events"]) for _ in range(2)]
    readers = [
        Reader(
            EventHubConsumerClient(
                ADDRESS, "linarite", "$Default", own, connection_verify=hub.ca_file, retry_total=0, transport_type=transport,
            ),
            device, partition_id=hub.partition(device), starting_position=EARLIEST,
        )
        for own, transport in zip(tokens, [TransportType.Amqp, TransportType.AmqpOverWebsocket])
    ]
    for reader in readers:
        reader.wait()
    shown = [len(own.given.items) for own in tokens]
    hub.advance("50m")
    for reader, own, count in zip(readers, tokens, shown):
        own.given.wait(count + 1)
    # The SDK reads on only once the hub has taken the new token.
    send_one("1")
    for reader in readers:
        reader.wait(2)
    hub.advance("50m")  # the first token has run out, and its grace
    send_one("2")
    for reader in readers:
        assert [e.body_as_str() for e in reader.wait(3)] == ["0", "1", "2"]
        reader.close()
        assert not reader.failures.items


def test_a_reader_ends_with_its_token(hub, make, read, device):
    send(hub, make(hub.create(device)), device, "before")
    reader = read(device, EARLIEST)
    reader.wait()
    hub.advance("66m")  # an hour and the grace
    assert "the token has expired" in str(reader.failures.wait()[0])


@pytest.mark.parametrize("change", ["key", "policy"])
def test_a_stranger_reads_nothing(hub, consumer, change):
    start, key = hub.strings["events"].split("SharedAccessKey=")
    if change == "key":
        key = base64.b64encode(b"0" * 32).decode() + key[key.index(";"):]
    else:
        start = start.replace("SharedAccessKeyName=service", "SharedAccessKeyName=nobody")
    with pytest.raises(AuthenticationError):
        consumer(start + "SharedAccessKey=" + key).get_partition_ids()


def test_a_policy_without_the_right_reads_nothing(hub, consumer):
    denied = hub.strings["events"].replace("SharedAccessKeyName=service", "SharedAccessKeyName=registryRead")
    with pytest.raises(EventHubError, match="mgmt link"):  # the token is good, the link is refused
        consumer(denied).get_partition_ids()
