package linarite;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.service.registry.RegistryClient;
import com.microsoft.azure.sdk.iot.service.twin.TwinClient;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The hub under test: the built binary on the real ports of a loopback address of its own, and its
 * control API. Nothing here knows how the hub works; it starts a process and speaks HTTP.
 */
final class Hub implements AutoCloseable {
    static final Duration DEADLINE = Duration.ofSeconds(20);

    private static final String ADDRESS = "127.0.0.19";
    private static final String CONTROL = "http://" + ADDRESS + ":8080";

    private final Path folder;
    private final Process process;
    private final Thread end;

    /** The connection strings that the hub prints. */
    final JsonObject strings;
    final RegistryClient registry;
    final TwinClient twins;

    /** Starts a hub and makes this JVM trust its CA. */
    Hub() {
        try {
            folder = Files.createTempDirectory("linarite-java-");
            process = start();
            end = new Thread(process::destroyForcibly); // whatever becomes of the suite, the hub does not outlive it
            Runtime.getRuntime().addShutdownHook(end);
            awaitHealth();
            Trust.only(Files.writeString(folder.resolve("ca.pem"), get("/v1/ca.pem")));
            Recorder.start();
        } catch (Exception e) {
            throw new IllegalStateException("the hub did not start", e);
        }
        strings = json(get("/v1/connection-strings")).getAsJsonObject();
        registry = new RegistryClient(policy("registryReadWrite"));
        twins = new TwinClient(policy("service"));
    }

    private Process start() throws IOException {
        return builder(List.of("serve",
            "--hostname", ADDRESS,
            "--mqtt", ADDRESS + ":8883",
            "--amqps", ADDRESS + ":5671",
            "--https", ADDRESS + ":443",
            "--control", ADDRESS + ":8080",
            "--data", data().toString(),
            "--log-format", "json")).redirectErrorStream(true).redirectOutput(log().toFile()).start();
    }

    private static ProcessBuilder builder(List<String> arguments) {
        String binary = System.getenv("LINARITE_BIN");
        ProcessBuilder builder = new ProcessBuilder(binary != null ? binary : "../../../bin/linarite");
        builder.command().addAll(arguments);
        // The program refuses a variable of its prefix that it does not know.
        builder.environment().keySet().removeIf(name -> name.startsWith("LINARITE_"));
        return builder;
    }

    /** Runs another of the program's verbs and returns what it prints. */
    String program(List<String> arguments) throws Exception {
        Process run = builder(arguments).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed = text(run.getInputStream());
        if (run.waitFor() != 0) {
            throw new IllegalStateException(String.join(" ", arguments) + " failed");
        }
        return printed;
    }

    /** The folder of the hub's own data. */
    Path data() {
        return folder.resolve("data");
    }

    private Path log() {
        return folder.resolve("hub.log");
    }

    private void awaitHealth() throws Exception {
        for (Instant late = Instant.now().plus(DEADLINE); ; ) {
            try {
                call("GET", "/health", null);
                return;
            } catch (IOException e) {
                if (!process.isAlive() || Instant.now().isAfter(late)) {
                    throw new IOException(Files.readString(log()), e);
                }
            }
        }
    }

    /** Stops the hub as a user would; it must end well and have kept its secrets. */
    @Override
    public void close() throws Exception {
        process.destroy();
        boolean ended = process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS);
        Runtime.getRuntime().removeShutdownHook(end);
        String log = Files.readString(log());
        if (!ended || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IllegalStateException("the hub did not end well:\n" + log);
        }
        if (log.contains("SharedAccessSignature sr")) {
            throw new IllegalStateException("a token is in the log:\n" + log);
        }
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** The hub's host name. */
    String host() {
        return ADDRESS;
    }

    /** The connection string of a shared access policy. */
    String policy(String name) {
        return strings.getAsJsonObject("policies").get(name).getAsString();
    }

    // The control API.

    /** Waits until a device has sent that many events and returns all. */
    List<JsonObject> events(String device, int count) {
        return page("/v1/events", "events", device, count);
    }

    /** Waits until that many messages to a device have feedback and returns all records. */
    List<JsonObject> feedback(String device, int count) {
        return page("/v1/feedback", "records", device, count);
    }

    private List<JsonObject> page(String path, String items, String device, int count) {
        String text = get(path + "?device=" + encode(device) + "&wait=" + count + "&timeout=" + DEADLINE.toSeconds() + "s");
        JsonArray all = json(text).getAsJsonObject().getAsJsonArray(items);
        if (all.size() < count) {
            throw new AssertionError(all.size() + " of " + count + " " + items + " of " + device + " came: " + all);
        }
        return StreamSupport.stream(all.spliterator(), false).map(JsonElement::getAsJsonObject).toList();
    }

    /** Puts a message into a device's queue: body, properties, messageId, ack and so on. */
    void send(String device, Map<String, ?> message) {
        control("POST", "/v1/devices/" + encode(device) + "/messages", new Gson().toJson(message));
    }

    /** What the hub knows of the newest connection of a device. */
    JsonObject connection(String device) {
        for (JsonElement one : json(get("/v1/connections")).getAsJsonObject().getAsJsonArray("connections")) {
            if (one.getAsJsonObject().get("deviceId").getAsString().equals(device)) {
                return one.getAsJsonObject();
            }
        }
        throw new AssertionError(device + " was never connected");
    }

    /** Waits until a device is no longer connected: the SDK's goodbye may still be on its way when close returns. */
    void awaitDisconnected(String device) {
        for (Instant late = Instant.now().plus(DEADLINE); connection(device).get("connected").getAsBoolean(); ) {
            if (Instant.now().isAfter(late)) {
                throw new AssertionError(device + " is still connected");
            }
        }
    }

    /** Why a device was turned away the last time. */
    JsonObject refusal(String device) {
        JsonObject last = null;
        for (JsonElement one : json(get("/v1/connections")).getAsJsonObject().getAsJsonArray("refused")) {
            if (one.getAsJsonObject().get("deviceId").getAsString().equals(device)) {
                last = one.getAsJsonObject();
            }
        }
        if (last == null) {
            throw new AssertionError(device + " was never turned away");
        }
        return last;
    }

    /** Closes a device's connection. */
    void kick(String device) {
        control("DELETE", "/v1/connections/" + encode(device), null);
    }

    /** Moves the hub's clock; what falls due has happened when it returns. */
    void advance(Duration by) {
        control("POST", "/v1/clock", "{\"advance\":\"" + by.toMillis() + "ms\"}");
    }

    private String get(String path) {
        return control("GET", path, null);
    }

    private String control(String method, String path, String body) {
        try {
            return call(method, path, body);
        } catch (IOException e) {
            throw new AssertionError(method + " " + path, e);
        }
    }

    private static String call(String method, String path, String body) throws IOException {
        HttpURLConnection call = (HttpURLConnection) new URL(CONTROL + path).openConnection();
        call.setRequestMethod(method);
        call.setRequestProperty("Content-Type", "application/json");
        call.setReadTimeout((int) DEADLINE.multipliedBy(2).toMillis());
        if (body != null) {
            call.setDoOutput(true);
            call.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        }
        if (call.getResponseCode() / 100 != 2) {
            throw new IOException(call.getResponseCode() + " " + text(call.getErrorStream()));
        }
        return text(call.getInputStream());
    }

    private static String text(InputStream from) throws IOException {
        try (from) {
            return new String(from.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static JsonElement json(String text) {
        return new Gson().fromJson(text, JsonElement.class);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
