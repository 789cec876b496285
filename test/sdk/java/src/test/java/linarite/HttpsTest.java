package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.IotHubStatusCode;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.exceptions.IotHubClientException;
import com.microsoft.azure.sdk.iot.service.registry.DeviceConnectionState;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Devices over HTTPS, which send and receive messages, a request at a time. */
@ExtendWith(HubExtension.class)
class HttpsTest {
    @Test
    void sendsAMessageWithItsProperties(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, IotHubClientProtocol.HTTPS)) {
            Message message = new Message("{\"temperature\":21.5}");
            message.setMessageId("m-1");
            message.setCorrelationId("c-1");
            message.setContentType("application/json");
            message.setContentEncoding("utf-8");
            message.setProperty("someCase", "some value");
            client.send(message);
            JsonObject event = hub.events(identity.device(), 1).get(0);
            assertEquals("{\"temperature\":21.5}", event.get("body").getAsString());
            assertEquals("some value", event.getAsJsonObject("properties").get("someCase").getAsString());
            JsonObject system = event.getAsJsonObject("systemProperties");
            assertEquals("m-1", system.get("message-id").getAsString());
            assertEquals("c-1", system.get("correlation-id").getAsString());
            // Of the kind of the request, application/json or binary/octet-stream, nothing is left.
            assertEquals("application/json", system.get("content-type").getAsString());
            assertEquals("utf-8", system.get("content-encoding").getAsString());
            assertEquals(DeviceConnectionState.Disconnected, hub.registry.getDevice(identity.device()).getConnectionState());
        }
    }

    @Test
    void sendsABatchInOrder(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, IotHubClientProtocol.HTTPS)) {
            Message first = new Message(new byte[] {0, (byte) 0xff});
            first.setProperty("size", "2");
            client.sdk.sendEvents(List.of(first, new Message("Grüße")), Client.DEADLINE);
            List<JsonObject> events = hub.events(identity.device(), 2);
            assertEquals("2", events.get(0).getAsJsonObject("properties").get("size").getAsString());
            assertEquals("Grüße", events.get(1).get("body").getAsString());
        }
    }

    @Test
    void completesRejectsAndAbandonsMessages(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        for (String id : List.of("completed", "rejected", "abandoned")) {
            hub.send(identity.device(), Map.of("body", id, "messageId", id, "ack", "full", "properties", Map.of("a", "b")));
        }
        Set<String> again = ConcurrentHashMap.newKeySet();
        try (Client client = new Client(identity, IotHubClientProtocol.HTTPS, message -> switch (message.getMessageId()) {
            case "rejected" -> IotHubMessageResult.REJECT;
            case "abandoned" -> again.add("abandoned") ? IotHubMessageResult.ABANDON : IotHubMessageResult.COMPLETE;
            default -> IotHubMessageResult.COMPLETE;
        })) {
            client.sdk.open(false);
            Message message = client.messages.take();
            assertEquals("completed", new String(message.getBytes(), StandardCharsets.UTF_8));
            assertEquals("b", message.getProperty("a"));
            assertEquals(Map.of("completed", "Success", "rejected", "Rejected", "abandoned", "Success"),
                hub.feedback(identity.device(), 3).stream().collect(Collectors.toMap(
                    record -> record.get("originalMessageId").getAsString(), record -> record.get("statusCode").getAsString())));
        }
    }

    @Test
    void isKnownByItsCertificate(Hub hub) throws Exception {
        Authority authority = Authority.development(hub);
        Identity identity = Identity.certified(hub);
        try (Client client = new Client(identity, IotHubClientProtocol.HTTPS, authority.issue(identity.device()))) {
            client.sdk.open(false);
            client.send("hello");
            hub.send(identity.device(), Map.of("body", "hello"));
            assertEquals("hello", new String(client.messages.take().getBytes(), StandardCharsets.UTF_8));
        }
        Authority.Issued own = authority.issue("anything");
        Identity pinned = Identity.certified(hub, own.sha1(), own.sha256());
        try (Client client = new Client(pinned, IotHubClientProtocol.HTTPS, own)) {
            client.sdk.open(false);
            client.send("hello");
        }
        refused(hub, new Client(identity, IotHubClientProtocol.HTTPS, own), "common name is \"anything\"");
    }

    @Test
    void isRefusedWithAWrongKey(Hub hub) {
        Identity impostor = Identity.device(hub).impostor();
        refused(hub, new Client(impostor, IotHubClientProtocol.HTTPS), "the signature matches neither key");
    }

    private static void refused(Hub hub, Client client, String reason) {
        try (client) {
            IotHubClientException e = assertThrows(IotHubClientException.class, () -> {
                client.sdk.open(false);
                client.send("not mine to send");
            });
            assertEquals(IotHubStatusCode.UNAUTHORIZED, e.getStatusCode(), e::toString);
        }
        String seen = hub.refusal(client.identity.device()).get("reason").getAsString();
        assertTrue(seen.contains(reason), seen);
    }
}
