package linarite;

import com.microsoft.azure.sdk.iot.service.auth.AuthenticationType;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.registry.Module;
import com.microsoft.azure.sdk.iot.service.registry.RegistryIdentity;
import java.util.Base64;
import java.util.UUID;

/** A registered device or module, and how it proves who it is: by its key, or where it has none by a certificate. */
record Identity(String host, String device, String module, String generation, String key) {
    /** Registers a device with an id that no other test has. */
    static Identity device(Hub hub) {
        return device(hub, "java-" + UUID.randomUUID());
    }

    /** Registers a device. */
    static Identity device(Hub hub, String id) {
        try {
            return of(hub, hub.registry.addDevice(new Device(id)), "");
        } catch (Exception e) {
            throw new AssertionError("registering " + id, e);
        }
    }

    /** Registers a device that authenticates by certificates, of the hub's CAs or with a thumbprint. */
    static Identity certified(Hub hub, String... thumbprints) throws Exception {
        String id = "java-" + UUID.randomUUID();
        AuthenticationType type = thumbprints.length == 0 ? AuthenticationType.CERTIFICATE_AUTHORITY : AuthenticationType.SELF_SIGNED;
        Device device = new Device(id, type);
        if (thumbprints.length > 0) {
            device.setThumbprint(thumbprints[0], thumbprints[1]);
        }
        return of(hub, hub.registry.addDevice(device), "");
    }

    /** Registers a module of a device of its own. */
    static Identity module(Hub hub) {
        try {
            return of(hub, hub.registry.addModule(new Module(device(hub).device, "sensor")), "sensor");
        } catch (Exception e) {
            throw new AssertionError("registering a module", e);
        }
    }

    private static Identity of(Hub hub, RegistryIdentity made, String module) {
        return new Identity(hub.host(), made.getDeviceId(), module, made.getGenerationId(), made.getPrimaryKey());
    }

    /** The same identity with a key that is not its own. */
    Identity impostor() {
        return new Identity(host, device, module, generation, Base64.getEncoder().encodeToString(new byte[32]));
    }

    String connectionString() {
        return "HostName=" + host + ";DeviceId=" + device + (module.isEmpty() ? "" : ";ModuleId=" + module)
            + (key == null ? ";x509=true" : ";SharedAccessKey=" + key);
    }
}
