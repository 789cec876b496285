package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubBadFormatException;
import com.microsoft.azure.sdk.iot.service.query.QueryClient;
import com.microsoft.azure.sdk.iot.service.query.QueryPageOptions;
import com.microsoft.azure.sdk.iot.service.query.RawQueryResponse;
import com.microsoft.azure.sdk.iot.service.query.TwinQueryResponse;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Queries over twins, as the service SDK asks them. */
@ExtendWith(HubExtension.class)
class QueryTest {
    private static final int DEVICES = 5;

    private final String place = UUID.randomUUID().toString();
    private final Set<String> ids = new TreeSet<>();

    @BeforeEach
    void register(Hub hub) throws Exception {
        for (int n = 0; n < DEVICES; n++) {
            Twin patch = new Twin(Identity.device(hub).device());
            patch.getTags().put("place", place);
            patch.getTags().put("n", n);
            hub.twins.patch(patch);
            ids.add(patch.getDeviceId());
        }
    }

    @Test
    void findsTwins(Hub hub) throws Exception {
        TwinQueryResponse found = hub.twins.query("SELECT * FROM devices WHERE tags.place = '" + place + "'");
        Set<String> came = new TreeSet<>();
        while (found.hasNext()) {
            Twin twin = found.next();
            came.add(twin.getDeviceId());
            assertEquals(place, twin.getTags().get("place"));
        }
        assertEquals(ids, came);
    }

    @Test
    void goesOnPageByPage(Hub hub) throws Exception {
        QueryClient client = new QueryClient(hub.policy("service"));
        String query = "SELECT * FROM devices WHERE tags.place = '" + place + "'";
        QueryPageOptions options = QueryPageOptions.builder().pageSize(2).build();
        TwinQueryResponse page = client.queryTwins(query, options);
        Set<String> came = new TreeSet<>();
        while (page.hasNext()) {
            came.add(page.next(options).getDeviceId());
        }
        assertEquals(ids, came);

        List<String> first = new ArrayList<>();
        TwinQueryResponse half = client.queryTwins(query, options);
        first.add(half.next().getDeviceId());
        first.add(half.next().getDeviceId());
        String token = half.getContinuationToken();
        TwinQueryResponse rest = client.queryTwins(query, QueryPageOptions.builder().pageSize(10).continuationToken(token).build());
        while (rest.hasNext()) {
            String id = rest.next().getDeviceId();
            assertFalse(first.contains(id));
            first.add(id);
        }
        assertEquals(ids, new TreeSet<>(first));
    }

    @Test
    void selectsAndCounts(Hub hub) throws Exception {
        QueryClient client = new QueryClient(hub.policy("service"));
        RawQueryResponse some = client.queryRaw(
            "SELECT deviceId, tags.n FROM devices WHERE tags.place = '" + place + "' AND tags.n > 2");
        List<Integer> numbers = new ArrayList<>();
        while (some.hasNext()) {
            numbers.add(new Gson().fromJson(some.next(), JsonObject.class).get("n").getAsInt());
        }
        assertEquals(Set.of(3, 4), Set.copyOf(numbers));
        RawQueryResponse count = client.queryRaw("SELECT COUNT() AS total FROM devices WHERE tags.place = '" + place + "'");
        assertEquals(DEVICES, new Gson().fromJson(count.next(), JsonObject.class).get("total").getAsInt());
    }

    @Test
    void refusesWhatIsNoQuery(Hub hub) {
        QueryClient client = new QueryClient(hub.policy("service"));
        assertThrows(IotHubBadFormatException.class, () -> client.queryRaw("SELECT FROM devices"));
    }
}
