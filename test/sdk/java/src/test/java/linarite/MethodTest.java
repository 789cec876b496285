package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodPayload;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubGatewayTimeoutException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubNotFoundException;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodRequestOptions;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClient;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Direct methods: the service SDK calls, the device SDK answers. */
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "HTTPS")
class MethodTest {
    @Parameter
    IotHubClientProtocol protocol;

    private DirectMethodsClient methods;

    @BeforeEach
    void connect(Hub hub) {
        methods = new DirectMethodsClient(hub.policy("service"));
    }

    @Test
    void areAnswered(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.answer((name, payload) -> response(200, Map.of("method", name, "payload", payload.getPayloadAsJsonElement())));
            for (Object payload : List.of(17, "Grüße ☃", true, List.of(1, 2), Map.of("a", Map.of("b", "c")))) {
                DirectMethodResponse answer = methods.invoke(identity.device(), "echo", options(payload));
                assertEquals(200, answer.getStatus());
                Map<?, ?> said = answer.getPayload(Map.class);
                assertEquals("echo", said.get("method"));
                assertEquals(json(payload), json(said.get("payload")));
            }
        }
    }

    @Test
    void mayHaveNoPayloadAndAnyStatus(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        Inbox<DirectMethodPayload> calls = new Inbox<>();
        try (Client client = Client.open(identity, protocol)) {
            client.answer((name, payload) -> {
                calls.put(payload);
                return response(418, null);
            });
            DirectMethodResponse answer = methods.invoke(identity.device(), "brew");
            assertEquals(418, answer.getStatus());
            assertTrue(answer.getPayloadAsJsonElement() == null || answer.getPayloadAsJsonElement().isJsonNull());
            assertTrue(calls.take().getPayloadAsJsonElement().isJsonNull());
        }
    }

    @Test
    void ofAModuleAreAnswered(Hub hub) throws Exception {
        Identity identity = Identity.module(hub);
        try (Client client = Client.open(identity, protocol)) {
            client.answer((name, payload) -> response(200, name));
            assertEquals("reboot", methods.invoke(identity.device(), identity.module(), "reboot").getPayload(String.class));
        }
    }

    @Test
    void ofADeviceThatIsNotThereFail(Hub hub) throws Exception {
        assertThrows(IotHubNotFoundException.class, () -> methods.invoke("java-nobody", "reboot", options(null)));
        Identity identity = Identity.device(hub);
        IotHubException e = assertThrows(IotHubNotFoundException.class,
            () -> methods.invoke(identity.device(), "reboot", DirectMethodRequestOptions.builder()
                .methodConnectTimeoutSeconds(0).methodResponseTimeoutSeconds(5).build()));
        assertEquals(404103, e.getErrorCode());
    }

    @Test
    void thatAreNotAnsweredInTimeFail(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        CountDownLatch called = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        try (Client client = Client.open(identity, protocol)) {
            client.answer((name, payload) -> {
                called.countDown();
                try {
                    over.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                return response(200, null);
            });
            DirectMethodRequestOptions soon = DirectMethodRequestOptions.builder()
                .methodConnectTimeoutSeconds(0).methodResponseTimeoutSeconds(5).build();
            CompletableFuture<Void> late = CompletableFuture.runAsync(() -> assertThrows(
                IotHubGatewayTimeoutException.class, () -> methods.invoke(identity.device(), "wait", soon)));
            called.await();
            hub.advance(Duration.ofSeconds(6));
            late.get();
            over.countDown();
        }
    }

    private static DirectMethodRequestOptions options(Object payload) {
        return DirectMethodRequestOptions.builder().payload(payload)
            .methodConnectTimeoutSeconds(10).methodResponseTimeoutSeconds(200).build();
    }

    private static com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse response(int status, Object payload) {
        return new com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse(status, payload);
    }

    private static String json(Object of) {
        return new com.google.gson.Gson().toJson(of).replace(".0", "");
    }
}
