package linarite;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubConnectionStatusChangeReason;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.MessageProperty;
import com.microsoft.azure.sdk.iot.device.transport.IotHubConnectionStatus;
import com.microsoft.azure.sdk.iot.device.twin.TwinCollection;
import com.microsoft.azure.sdk.iot.service.registry.DeviceConnectionState;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import org.junit.jupiter.api.Test;

/** Devices, over each protocol that the SDK has but HTTPS. */
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "HTTPS")
class DeviceTest {
    private static final Map<String, String> AWKWARD = Map.of(
        "plain", "value",
        "slash", "/devices/other/messages/events/",
        "ampersand", "a=1&b=2",
        "percent", "100%25%",
        "unicode", "Grüße, 世界 ☃",
        "a name/with=all&of+them %?#", "x");

    private static final int MANY = 20;

    private static final Map<IotHubClientProtocol, String> NAMES = Map.of(
        IotHubClientProtocol.MQTT, "Mqtt", IotHubClientProtocol.MQTT_WS, "MqttWs",
        IotHubClientProtocol.AMQPS, "Amqp", IotHubClientProtocol.AMQPS_WS, "AmqpWs");

    @Parameter
    IotHubClientProtocol protocol;

    @Test
    void showsInTheRegistryAndOnTheControlPort(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.send("here");
            JsonObject connection = hub.connection(identity.device());
            assertTrue(connection.get("connected").getAsBoolean());
            assertEquals(NAMES.get(protocol), connection.get("protocol").getAsString());
            assertEquals("sas", connection.get("authentication").getAsString());
            assertEquals(DeviceConnectionState.Connected, hub.registry.getDevice(identity.device()).getConnectionState());
        }
    }

    @Test
    void sendsTelemetryWithAllItsProperties(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            Message message = new Message("{\"where\":\"Grüße, 世界 ☃\"}");
            message.setMessageId("m-1.2:3_4*5?(6),7=8@9;$'!%#");
            message.setCorrelationId("a correlation/with = & + % ünïcode");
            message.setAsSecurityMessage(); // which sets type and encoding too
            message.setContentType("application/json;charset=utf-8");
            message.setContentEncoding("utf-8");
            message.setCreationTimeUTC(new Date(1893456000123L));
            AWKWARD.forEach(message::setProperty);
            client.send(message);
            client.send(new Message(new byte[] {0, 1, (byte) 0x80, (byte) 0xff}));

            List<JsonObject> events = hub.events(identity.device(), 2);
            JsonObject sent = events.get(0);
            assertEquals("{\"where\":\"Grüße, 世界 ☃\"}", sent.get("body").getAsString());
            assertEquals("Telemetry", sent.get("source").getAsString());
            assertEquals(AWKWARD, strings(sent.getAsJsonObject("properties")));
            Map<String, String> system = strings(sent.getAsJsonObject("systemProperties"));
            assertEquals(message.getMessageId(), system.get("message-id"));
            assertEquals(message.getCorrelationId(), system.get("correlation-id"));
            assertEquals(message.getContentType(), system.get("content-type"));
            assertEquals("utf-8", system.get("content-encoding"));
            assertEquals("urn:azureiot:Security:SecurityAgent:1", system.get("iothub-interface-id"));
            assertEquals(message.getCreationTimeUTCString(), system.get("iothub-creation-time-utc"));
            assertEquals(identity.device(), system.get("iothub-connection-device-id"));
            assertEquals(identity.generation(), system.get("iothub-connection-auth-generation-id"));
            byte[] binary = Base64.getDecoder().decode(events.get(1).get("body").getAsString());
            assertArrayEquals(new byte[] {0, 1, (byte) 0x80, (byte) 0xff}, binary);
        }
    }

    @Test
    void sendsManyInOrder(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            for (int n = 0; n < MANY; n++) {
                client.send("message " + n); // sendEventAsync may change the order
            }
            List<JsonObject> events = hub.events(identity.device(), MANY);
            for (int n = 0; n < MANY; n++) {
                assertEquals("message " + n, events.get(n).get("body").getAsString());
            }
        }
    }

    @Test
    void getsMessagesWithTheirProperties(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            hub.send(identity.device(), Map.of(
                "body", "hellö", "messageId", "m 1/2", "correlationId", "c+1", "contentType", "text/plain",
                "contentEncoding", "utf-8", "ack", "full", "properties", AWKWARD));
            Message message = client.messages.take();
            assertEquals("hellö", new String(message.getBytes(), StandardCharsets.UTF_8));
            assertEquals("m 1/2", message.getMessageId());
            assertEquals("c+1", message.getCorrelationId());
            assertEquals("text/plain", message.getContentType());
            assertEquals("utf-8", message.getContentEncoding());
            assertEquals(AWKWARD, Arrays.stream(message.getProperties())
                .filter(p -> !p.getName().startsWith("iothub-app-")) // what the SDK adds
                .collect(Collectors.toMap(MessageProperty::getName, MessageProperty::getValue)));
            assertEquals("Success", hub.feedback(identity.device(), 1).get(0).get("statusCode").getAsString());
        }
    }

    @Test
    void completesRejectsAndAbandonsMessages(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        for (String id : List.of("completed", "rejected", "abandoned")) {
            hub.send(identity.device(), Map.of("body", id, "messageId", id, "ack", "full"));
        }
        Set<String> again = java.util.concurrent.ConcurrentHashMap.newKeySet();
        try (Client client = new Client(identity, protocol, message -> switch (message.getMessageId()) {
            case "rejected" -> IotHubMessageResult.REJECT;
            case "abandoned" -> again.add("abandoned") ? IotHubMessageResult.ABANDON : IotHubMessageResult.COMPLETE;
            default -> IotHubMessageResult.COMPLETE;
        })) {
            client.sdk.open(false);
            Map<String, String> expected = new LinkedHashMap<>(Map.of("completed", "Success", "abandoned", "Success"));
            expected.put("rejected", amqp() ? "Rejected" : "Success"); // MQTT can only acknowledge
            assertEquals(expected, hub.feedback(identity.device(), 3).stream().collect(Collectors.toMap(
                record -> record.get("originalMessageId").getAsString(), record -> record.get("statusCode").getAsString())));
            client.messages.take(amqp() ? 4 : 3);
            assertEquals(0, hub.registry.getDevice(identity.device()).getCloudToDeviceMessageCount());
        }
    }

    @Test
    void fetchesAndReportsItsTwin(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        Twin patch = new Twin(identity.device());
        patch.getDesiredProperties().put("interval", 10);
        hub.twins.patch(patch);
        try (Client client = Client.open(identity, protocol)) {
            client.watchDesired();
            assertEquals(10, ((Number) client.twin().getDesiredProperties().get("interval")).intValue());

            assertEquals("204", status(client.report(Map.of("firmware", Map.of("version", "1", "build", 7), "gone", "soon"))));
            TwinCollection second = new TwinCollection(Map.of("where", "Grüße ☃"));
            second.put("gone", null);
            assertEquals(3, client.report(second).getVersion());
            TwinCollection stale = new TwinCollection(Map.of("lost", true));
            stale.setVersion(1);
            assertEquals("412", status(client.report(stale)));
            assertEquals("400", status(client.report(Map.of("a.b", 1))));

            TwinCollection reported = client.twin().getReportedProperties();
            assertEquals(Set.of("firmware", "where"), reported.keySet());
            assertEquals("Grüße ☃", hub.twins.get(identity.device()).getReportedProperties().get("where"));
        }
    }

    @Test
    void isToldOfDesiredProperties(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.watchDesired();
            Twin patch = new Twin(identity.device());
            patch.getDesiredProperties().put("limits", Map.of("low", 1.5, "name", "Grüße ☃"));
            hub.twins.patch(patch);
            TwinCollection change = client.desired.take();
            assertEquals(Map.of("low", 1.5, "name", "Grüße ☃"), change.get("limits"));
            assertEquals(2, change.getVersion());
        }
    }

    @Test
    void closesAndOpensAgain(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.send("first");
            client.close();
            hub.send(identity.device(), Map.of("body", "meanwhile"));
            client.sdk.open(false);
            assertEquals("meanwhile", new String(client.messages.take().getBytes(), StandardCharsets.UTF_8));
            client.send("second");
            hub.events(identity.device(), 2);
        }
        hub.awaitDisconnected(identity.device());
    }

    @Test
    void isToldWhenTheHubClosesItsConnection(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = new Client(identity, protocol)) {
            Inbox<IotHubConnectionStatusChangeReason> lost = new Inbox<>();
            client.sdk.setConnectionStatusChangeCallback(change -> {
                if (change.getNewStatus() == IotHubConnectionStatus.DISCONNECTED) {
                    lost.put(change.getNewStatusReason());
                }
            }, null);
            client.sdk.open(false);
            client.send("here");
            hub.kick(identity.device());
            assertEquals(IotHubConnectionStatusChangeReason.RETRY_EXPIRED, lost.take());
        }
    }

    @Test
    void isRefusedWithAWrongKey(Hub hub) {
        try (Client client = new Client(Identity.device(hub).impostor(), protocol)) {
            client.isRefused(hub);
        }
    }

    private boolean amqp() {
        return protocol == IotHubClientProtocol.AMQPS || protocol == IotHubClientProtocol.AMQPS_WS;
    }

    private static String status(com.microsoft.azure.sdk.iot.device.transport.IotHubTransportMessage answer) {
        return answer.getStatus();
    }

    private static Map<String, String> strings(JsonObject object) {
        return object.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, e -> e.getValue().getAsString()));
    }
}
