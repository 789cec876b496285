package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.ModuleClient;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Modules, over each protocol that the SDK has but HTTPS. Their methods are with the others. */
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "HTTPS")
class ModuleTest {
    @Parameter
    IotHubClientProtocol protocol;

    @Test
    void sendsTelemetryThroughAnOutput(Hub hub) throws Exception {
        Identity identity = Identity.module(hub);
        try (Client client = Client.open(identity, protocol)) {
            Message message = new Message("hello");
            message.setMessageId("m-1");
            message.setProperty("a name/with=all&of+them %?#", "Grüße ☃");
            ((ModuleClient) client.sdk).sendEvent(message, "alerts", Client.DEADLINE);
            JsonObject event = hub.events(identity.device(), 1).get(0);
            assertEquals(identity.module(), event.get("moduleId").getAsString());
            assertEquals("Grüße ☃", event.getAsJsonObject("properties").get("a name/with=all&of+them %?#").getAsString());
            JsonObject system = event.getAsJsonObject("systemProperties");
            assertEquals("alerts", system.get("iothub-outputname").getAsString());
            assertEquals(identity.module(), system.get("iothub-connection-module-id").getAsString());
            assertEquals("m-1", system.get("message-id").getAsString());
        }
    }

    @Test
    void hasATwinOfItsOwn(Hub hub) throws Exception {
        Identity identity = Identity.module(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.watchDesired();
            Twin patch = new Twin(identity.device(), identity.module());
            patch.getDesiredProperties().put("interval", 10);
            hub.twins.patch(patch);
            assertEquals(2, client.desired.take().getVersion());
            assertEquals("204", client.report(Map.of("interval", 10)).getStatus());
            assertEquals(10, ((Number) client.twin().getDesiredProperties().get("interval")).intValue());
            Twin seen = hub.twins.get(identity.device(), identity.module());
            assertEquals(10, ((Number) seen.getReportedProperties().get("interval")).intValue());
        }
    }

    @Test
    void isRefusedWithAWrongKey(Hub hub) {
        try (Client client = new Client(Identity.module(hub).impostor(), protocol)) {
            client.isRefused(hub);
        }
    }
}
