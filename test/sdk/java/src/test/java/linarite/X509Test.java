package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.service.auth.AuthenticationType;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClient;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Devices that authenticate by certificates, over each protocol but HTTPS, which HttpsTest has. The SDK's modules cannot. */
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "HTTPS")
class X509Test {
    private static final String NONE = "0".repeat(64);

    @Parameter
    IotHubClientProtocol protocol;

    @Test
    void isKnownByTheNameThatItsCAGaveIt(Hub hub) throws Exception {
        Identity identity = Identity.certified(hub);
        try (Client client = new Client(identity, protocol, Authority.development(hub).issue(identity.device()))) {
            client.sdk.open(false);
            client.send("hello");
            JsonObject event = hub.events(identity.device(), 1).get(0);
            assertEquals("hello", event.get("body").getAsString());
            String method = event.getAsJsonObject("systemProperties").get("iothub-connection-auth-method").getAsString();
            assertEquals("x509Certificate", new Gson().fromJson(method, JsonObject.class).get("type").getAsString());
            assertEquals(AuthenticationType.CERTIFICATE_AUTHORITY, hub.registry.getDevice(identity.device()).getAuthenticationType());
            assertEquals("certificateAuthority", hub.connection(identity.device()).get("authentication").getAsString());
        }
    }

    @Test
    void isKnownByEitherThumbprint(Hub hub) throws Exception {
        Authority authority = Authority.development(hub);
        Authority.Issued first = authority.issue("anything");
        Authority.Issued second = authority.issue("anything");
        Identity identity = Identity.certified(hub, first.sha1(), second.sha256());
        int sent = 0;
        for (Authority.Issued own : new Authority.Issued[] {first, second}) {
            try (Client client = new Client(identity, protocol, own)) {
                client.sdk.open(false);
                client.send("hello");
                hub.events(identity.device(), ++sent);
            }
        }
        refused(hub, identity, authority.issue("anything"), "is neither the primary nor the secondary one");
    }

    @Test
    void doesAllThatDevicesDo(Hub hub) throws Exception {
        Identity identity = Identity.certified(hub);
        try (Client client = new Client(identity, protocol, Authority.development(hub).issue(identity.device()))) {
            client.sdk.open(false);
            hub.send(identity.device(), Map.of("body", "hello"));
            assertEquals("hello", new String(client.messages.take().getBytes(), StandardCharsets.UTF_8));
            client.watchDesired();
            assertEquals("204", client.report(Map.of("temperature", 21.5)).getStatus());
            assertEquals(21.5, hub.twins.get(identity.device()).getReportedProperties().get("temperature"));
            Twin patch = new Twin(identity.device());
            patch.getDesiredProperties().put("interval", 30);
            hub.twins.patch(patch);
            assertEquals(2, client.desired.take().getVersion());
            client.answer((name, payload) -> new DirectMethodResponse(200, "pong"));
            DirectMethodsClient methods = new DirectMethodsClient(hub.policy("service"));
            assertEquals("pong", methods.invoke(identity.device(), "ping").getPayload(String.class));
        }
    }

    @Test
    void isRefusedWithACertificateThatIsNotItsOwn(Hub hub) throws Exception {
        Identity identity = Identity.certified(hub);
        refused(hub, identity, Authority.development(hub).issue("another"), "common name is \"another\"");
        refused(hub, identity, Authority.stranger(hub, "Elsewhere").issue(identity.device()), "issued by \"CN=Elsewhere\"");
        Identity pinned = Identity.certified(hub, NONE, NONE);
        refused(hub, pinned, Authority.development(hub).issue(pinned.device()), "is neither the primary nor the secondary one");
    }

    private void refused(Hub hub, Identity identity, Authority.Issued certificate, String reason) {
        try (Client client = new Client(identity, protocol, certificate)) {
            client.isRefused(hub);
        }
        JsonObject refusal = hub.refusal(identity.device());
        assertTrue(refusal.get("reason").getAsString().contains(reason), refusal::toString);
    }
}
