"""Feedback and purging over HTTPS: the service SDK's runtime manager."""

import pytest
from azure.iot.hub import IoTHubHttpRuntimeManager
from msrest.exceptions import HttpOperationError


@pytest.fixture
def manager(hub):
    return IoTHubHttpRuntimeManager.from_connection_string(hub.strings["policies"]["service"])


def receive(manager, device):
    """The lock token and records of the feedback about a device; what is about
    others is completed. The manager itself drops the answer."""
    while True:
        response = manager.protocol.cloud_to_device_messages.receive_feedback_notification(raw=True).response
        assert response.status_code == 200, "there is no more feedback"
        token = response.headers["ETag"].strip('"')
        records = [record for record in response.json() if record["deviceId"] == device]
        if records:
            return token, records
        manager.complete_feedback_notification(token)


def test_feedback_is_received_abandoned_and_completed(hub, device, manager):
    hub.create(device)
    sent = hub.send(device, "never read", ack="full", messageId="m-1")
    assert sent["messageId"] == "m-1"
    purged = hub.registry.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(device)
    assert (purged.total_messages_purged, purged.device_id) == (1, device)
    hub.feedback(device)
    hub.advance("20s")  # which closes the batch

    token, records = receive(manager, device)
    assert [(r["originalMessageId"], r["statusCode"]) for r in records] == [("m-1", "Purged")]
    manager.abandon_feedback_notification(token)
    again, _ = receive(manager, device)
    assert again != token
    manager.complete_feedback_notification(again)
    with pytest.raises(HttpOperationError) as failure:
        manager.complete_feedback_notification(again)
    assert failure.value.response.status_code == 412
    assert manager.receive_feedback_notification() is None
