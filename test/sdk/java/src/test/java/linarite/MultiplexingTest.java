package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.MultiplexingClient;
import com.microsoft.azure.sdk.iot.device.exceptions.MultiplexingClientRegistrationException;
import com.microsoft.azure.sdk.iot.device.transport.NoRetry;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClient;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Several devices on one connection. */
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource(names = {"AMQPS", "AMQPS_WS"})
class MultiplexingTest {
    @Parameter
    IotHubClientProtocol protocol;

    private MultiplexingClient connection;

    @BeforeEach
    void make(Hub hub) {
        connection = new MultiplexingClient(hub.host(), protocol);
        connection.setRetryPolicy(new NoRetry());
    }

    @AfterEach
    void close() {
        connection.close();
    }

    @Test
    void eachDeviceHasItsOwnTraffic(Hub hub) throws Exception {
        List<Client> clients = devices(hub, 3);
        connection.registerDeviceClients(sdks(clients));
        connection.open(false);
        for (Client client : clients) {
            String device = client.identity.device();
            client.send("from " + device);
            hub.send(device, Map.of("body", "to " + device));
            assertEquals("to " + device, new String(client.messages.take().getBytes(), StandardCharsets.UTF_8));
            assertEquals("from " + device, hub.events(device, 1).get(0).get("body").getAsString());
            assertTrue(hub.connection(device).get("connected").getAsBoolean());
        }
        Set<String> addresses = new java.util.HashSet<>();
        clients.forEach(c -> addresses.add(hub.connection(c.identity.device()).get("remoteAddress").getAsString()));
        assertEquals(1, addresses.size(), addresses::toString);
    }

    @Test
    void eachDeviceHasItsOwnTwinAndMethods(Hub hub) throws Exception {
        List<Client> clients = devices(hub, 2);
        connection.registerDeviceClients(sdks(clients));
        connection.open(false);
        DirectMethodsClient methods = new DirectMethodsClient(hub.policy("service"));
        for (Client client : clients) {
            String device = client.identity.device();
            client.watchDesired();
            client.report(Map.of("me", device));
            assertEquals(device, hub.twins.get(device).getReportedProperties().get("me"));
            client.answer((name, payload) -> new DirectMethodResponse(200, device));
            assertEquals(device, methods.invoke(device, "who").getPayload(String.class));
        }
    }

    @Test
    void devicesComeAndGoWhileItIsOpen(Hub hub) throws Exception {
        List<Client> clients = devices(hub, 2);
        Client first = clients.get(0);
        Client second = clients.get(1);
        connection.open(false);
        connection.registerDeviceClient((DeviceClient) first.sdk);
        first.send("here");
        connection.registerDeviceClient((DeviceClient) second.sdk);
        second.send("here");
        connection.unregisterDeviceClient((DeviceClient) first.sdk);
        hub.awaitDisconnected(first.identity.device());
        second.send("still here");
        hub.events(second.identity.device(), 2);
        connection.registerDeviceClient((DeviceClient) first.sdk);
        first.send("back");
        hub.events(first.identity.device(), 2);
    }

    @Test
    void oneImpostorDoesNotKeepTheOthersOut(Hub hub) throws Exception {
        Client good = devices(hub, 1).get(0);
        connection.registerDeviceClient((DeviceClient) good.sdk);
        connection.open(false);
        Client bad = new Client(Identity.device(hub).impostor(), protocol);
        MultiplexingClientRegistrationException e = assertThrows(MultiplexingClientRegistrationException.class,
            () -> connection.registerDeviceClient((DeviceClient) bad.sdk, Client.DEADLINE));
        assertEquals(Set.of(bad.identity.device()), e.getRegistrationExceptions().keySet());
        good.send("still here");
        hub.events(good.identity.device(), 1);
    }

    private List<Client> devices(Hub hub, int count) {
        return Stream.generate(() -> new Client(Identity.device(hub), protocol)).limit(count).toList();
    }

    private static List<DeviceClient> sdks(List<Client> clients) {
        return clients.stream().map(client -> (DeviceClient) client.sdk).toList();
    }
}
