package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.service.auth.AuthenticationType;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubBadFormatException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubConflictException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubNotFoundException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubUnauthorizedException;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.registry.DeviceStatus;
import com.microsoft.azure.sdk.iot.service.registry.Module;
import com.microsoft.azure.sdk.iot.service.registry.RegistryClient;
import com.microsoft.azure.sdk.iot.service.registry.RegistryStatistics;
import java.util.Base64;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Identities, as the service SDK registers them. */
@ExtendWith(HubExtension.class)
class RegistryTest {
    private final String id = "java-" + UUID.randomUUID();

    @Test
    void registersReadsChangesAndRemovesADevice(Hub hub) throws Exception {
        Device made = hub.registry.addDevice(new Device(id));
        assertEquals(id, made.getDeviceId());
        assertEquals(AuthenticationType.SAS, made.getAuthenticationType());
        assertNotEquals(made.getPrimaryKey(), made.getSecondaryKey());
        assertEquals(DeviceStatus.Enabled, made.getStatus());

        Device read = hub.registry.getDevice(id);
        assertEquals(made.getGenerationId(), read.getGenerationId());
        assertEquals(made.getETag(), read.getETag());
        assertEquals(made.getPrimaryKey(), read.getPrimaryKey());

        read.setStatus(DeviceStatus.Disabled);
        Device changed = hub.registry.updateDevice(read);
        assertEquals(DeviceStatus.Disabled, changed.getStatus());
        assertEquals(DeviceStatus.Disabled, hub.registry.getDevice(id).getStatus());
        assertNotEquals(made.getETag(), changed.getETag());
        assertEquals(made.getPrimaryKey(), changed.getPrimaryKey());

        hub.registry.removeDevice(changed);
        assertThrows(IotHubNotFoundException.class, () -> hub.registry.getDevice(id));
    }

    @Test
    void keepsTheKeysThatItIsGiven(Hub hub) throws Exception {
        String primary = Base64.getEncoder().encodeToString("one of thirty-two bytes, and one".getBytes());
        String secondary = Base64.getEncoder().encodeToString("two of thirty-two bytes, and two".getBytes());
        Device device = new Device(id);
        device.getSymmetricKey().setPrimaryKey(primary);
        device.getSymmetricKey().setSecondaryKey(secondary);
        hub.registry.addDevice(device);
        Device read = hub.registry.getDevice(id);
        assertEquals(primary, read.getPrimaryKey());
        assertEquals(secondary, read.getSecondaryKey());
    }

    @Test
    void registersDevicesWithCertificates(Hub hub) throws Exception {
        String thumbprint = "0123456789ABCDEF0123456789ABCDEF01234567";
        Device signed = new Device(id, AuthenticationType.SELF_SIGNED);
        signed.setThumbprint(thumbprint, thumbprint);
        hub.registry.addDevice(signed);
        assertEquals(AuthenticationType.SELF_SIGNED, hub.registry.getDevice(id).getAuthenticationType());
        assertEquals(thumbprint, hub.registry.getDevice(id).getPrimaryThumbprint());

        hub.registry.addDevice(new Device(id + "-ca", AuthenticationType.CERTIFICATE_AUTHORITY));
        assertEquals(AuthenticationType.CERTIFICATE_AUTHORITY, hub.registry.getDevice(id + "-ca").getAuthenticationType());
    }

    @Test
    void refusesWhatCannotBeDone(Hub hub) throws Exception {
        assertThrows(IotHubNotFoundException.class, () -> hub.registry.getDevice(id));
        assertThrows(IotHubNotFoundException.class, () -> hub.registry.removeDevice(id));
        assertThrows(IotHubNotFoundException.class, () -> hub.registry.updateDevice(new Device(id)));
        hub.registry.addDevice(new Device(id));
        assertThrows(IotHubConflictException.class, () -> hub.registry.addDevice(new Device(id)));
        assertThrows(IotHubBadFormatException.class, () -> hub.registry.addDevice(new Device("no spaces, please")));
    }

    @Test
    void registersReadsChangesAndRemovesModules(Hub hub) throws Exception {
        hub.registry.addDevice(new Device(id));
        Module made = hub.registry.addModule(new Module(id, "one"));
        hub.registry.addModule(new Module(id, "two"));
        assertEquals(made.getPrimaryKey(), hub.registry.getModule(id, "one").getPrimaryKey());
        assertEquals(Set.of("one", "two"), hub.registry.getModulesOnDevice(id).stream().map(Module::getId).collect(Collectors.toSet()));
        assertThrows(IotHubConflictException.class, () -> hub.registry.addModule(new Module(id, "one")));

        String primary = Base64.getEncoder().encodeToString("one of thirty-two bytes, and one".getBytes());
        made.getSymmetricKey().setPrimaryKey(primary);
        assertEquals(primary, hub.registry.updateModule(made).getPrimaryKey());
        assertEquals(primary, hub.registry.getModule(id, "one").getPrimaryKey());
        hub.registry.removeModule(id, "one");
        assertThrows(IotHubNotFoundException.class, () -> hub.registry.getModule(id, "one"));
        assertEquals(1, hub.registry.getModulesOnDevice(id).size());
    }

    @Test
    void counts(Hub hub) throws Exception {
        RegistryStatistics before = hub.registry.getStatistics();
        Device disabled = new Device(id);
        disabled.setStatus(DeviceStatus.Disabled);
        hub.registry.addDevice(disabled);
        RegistryStatistics after = hub.registry.getStatistics();
        assertEquals(before.getDisabledDeviceCount() + 1, after.getDisabledDeviceCount());
        assertTrue(after.getTotalDeviceCount() > before.getTotalDeviceCount()); // other tests register devices, too
        // The SDK looks for enableDeviceCount, which IoT Hub does not send.
    }

    @Test
    void refusesStrangers(Hub hub) {
        String policy = hub.policy("iothubowner");
        String key = Base64.getEncoder().encodeToString(new byte[32]);
        RegistryClient stranger = new RegistryClient(policy.substring(0, policy.indexOf("SharedAccessKey=")) + "SharedAccessKey=" + key);
        IotHubUnauthorizedException e = assertThrows(IotHubUnauthorizedException.class, () -> stranger.getDevice(id));
        assertTrue(e.getMessage().contains("IotHubUnauthorizedAccess"), e::toString);
    }

    @Test
    void refusesWhatAPolicyDoesNotAllow(Hub hub) throws Exception {
        RegistryClient reader = new RegistryClient(hub.policy("registryRead"));
        reader.getStatistics();
        assertThrows(IotHubUnauthorizedException.class, () -> reader.addDevice(new Device(id)));
    }
}
