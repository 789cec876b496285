package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.microsoft.azure.sdk.iot.service.exceptions.IotHubBadFormatException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubNotFoundException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubPreconditionFailedException;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Twins, as the service SDK sees and changes them. */
@ExtendWith(HubExtension.class)
class TwinTest {
    @Test
    void ofANewDeviceIsEmpty(Hub hub) throws Exception {
        Twin twin = hub.twins.get(Identity.device(hub).device());
        assertEquals(Set.of(), twin.getTags().keySet());
        assertEquals(Set.of(), twin.getDesiredProperties().keySet());
        assertEquals(Set.of(), twin.getReportedProperties().keySet());
        assertEquals(1, twin.getDesiredProperties().getVersion());
        assertEquals("DISCONNECTED", twin.getConnectionState());
    }

    @Test
    void isPatchedAndReplaced(Hub hub) throws Exception {
        Twin patch = new Twin(Identity.device(hub).device());
        patch.getTags().put("place", Map.of("building", "43", "floor", 1));
        patch.getDesiredProperties().put("limits", Map.of("low", 1.5, "high", 20));
        patch.getDesiredProperties().put("name", "Grüße ☃");
        Twin patched = hub.twins.patch(patch);
        assertEquals(Map.of("building", "43", "floor", 1.0), doubles(patched.getTags().get("place")));
        assertEquals(2, patched.getDesiredProperties().getVersion());

        Twin second = new Twin(patch.getDeviceId());
        second.getDesiredProperties().put("limits", Map.of("high", 30));
        second.getDesiredProperties().put("name", null);
        Twin merged = hub.twins.patch(second);
        assertEquals(Map.of("low", 1.5, "high", 30.0), doubles(merged.getDesiredProperties().get("limits")));
        assertFalse(merged.getDesiredProperties().containsKey("name"));
        assertEquals(Map.of("building", "43", "floor", 1.0), doubles(merged.getTags().get("place")));

        Twin whole = new Twin(patch.getDeviceId());
        whole.getDesiredProperties().put("only", true);
        Twin replaced = hub.twins.replace(whole);
        assertEquals(Map.of("only", true), replaced.getDesiredProperties());
        assertEquals(Map.of("only", true), hub.twins.get(patch.getDeviceId()).getDesiredProperties());
    }

    @Test
    void isChangedOnlyIfItIsWhatTheCallerKnows(Hub hub) throws Exception {
        Twin patch = new Twin(Identity.device(hub).device());
        patch.getTags().put("n", 1);
        String old = quoted(hub.twins.get(patch.getDeviceId()));
        Twin first = hub.twins.patch(patch, old);
        assertNotEquals(old, quoted(first));
        patch.getTags().put("n", 2);
        assertThrows(IotHubPreconditionFailedException.class, () -> hub.twins.patch(patch, old));
        assertThrows(IotHubPreconditionFailedException.class, () -> hub.twins.replace(patch, old));
        hub.twins.patch(patch, quoted(first));
    }

    @Test
    void ofAModuleIsItsOwn(Hub hub) throws Exception {
        Identity module = Identity.module(hub);
        Twin patch = new Twin(module.device(), module.module());
        patch.getDesiredProperties().put("interval", 10);
        hub.twins.patch(patch);
        assertEquals(Set.of("interval"), hub.twins.get(module.device(), module.module()).getDesiredProperties().keySet());
        assertEquals(Set.of(), hub.twins.get(module.device()).getDesiredProperties().keySet());
    }

    @Test
    void refusesWhatCannotBeDone(Hub hub) {
        assertThrows(IotHubNotFoundException.class, () -> hub.twins.get("java-nobody"));
        Twin patch = new Twin(Identity.device(hub).device());
        patch.getDesiredProperties().put("a.b", 1);
        assertThrows(IotHubBadFormatException.class, () -> hub.twins.patch(patch));
    }

    private static String quoted(Twin twin) {
        return '"' + twin.getETag() + '"';
    }

    // The SDK reads numbers as it likes.
    private static Map<String, Object> doubles(Object of) {
        Map<String, Object> all = new java.util.HashMap<>();
        ((Map<?, ?>) of).forEach((k, v) -> all.put((String) k, v instanceof Number n ? n.doubleValue() : v));
        return all;
    }
}
