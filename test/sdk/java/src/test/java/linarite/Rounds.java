package linarite;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.MessageProperty;
import com.microsoft.azure.sdk.iot.service.messaging.AcknowledgementType;
import com.microsoft.azure.sdk.iot.service.messaging.DeliveryAcknowledgement;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackBatch;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.MessageFeedbackProcessorClient;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Devices and a back end in one process, for test/sdk/rounds: it takes requests from its standard input, a line of JSON
 * each, answers each with a line, and tells of what it receives with more of them.
 */
final class Rounds {
    private static final Gson GSON = new Gson();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final Map<String, DeviceClient> devices = new HashMap<>();
    private MessagingClient backEnd;
    private MessageFeedbackProcessorClient feedback;
    private String connectionString;

    /** A message as the requests have it. */
    static final class Message {
        String body;
        String messageId;
        String correlationId;
        String contentType;
        String contentEncoding;
        Map<String, String> properties;
    }

    /** A line of the standard input. */
    static final class Request {
        String device;
        String transport;
        String connectionString;
        Message message;
    }

    private Rounds() {}

    /** Serves until the standard input ends. */
    public static void main(String[] arguments) throws Exception {
        Trust.only(Path.of(System.getenv("SSL_CERT_FILE")));
        Rounds rounds = new Rounds();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject request = GSON.fromJson(line, JsonObject.class);
            try {
                rounds.carryOut(request.get("do").getAsString(), GSON.fromJson(request, Request.class));
                say(Map.of("kind", "done"));
            } catch (Exception e) {
                StringWriter trace = new StringWriter();
                e.printStackTrace(new PrintWriter(trace));
                say(Map.of("kind", "done", "failure", trace.toString()));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static synchronized void say(Object line) {
        OUT.println(GSON.toJson(line));
    }

    private void carryOut(String what, Request request) throws Exception {
        switch (what) {
            case "open" -> open(request);
            case "send" -> devices.get(request.device).sendEvent(telemetry(request.message), Client.DEADLINE);
            case "sendToDevice" -> sendToDevice(request);
            case "feedback" -> {
                feedback = new MessageFeedbackProcessorClient(connectionString, IotHubServiceClientProtocol.AMQPS, Rounds::take);
                feedback.start(Client.DEADLINE);
            }
            case "leave" -> {
                feedback.stop(Client.DEADLINE);
                backEnd.close(Client.DEADLINE);
            }
            default -> throw new IllegalArgumentException(what);
        }
    }

    private void open(Request request) throws Exception {
        DeviceClient client = new DeviceClient(request.connectionString, IotHubClientProtocol.valueOf(request.transport));
        client.setMessageCallback((message, context) -> {
            say(Map.of("kind", "message", "device", request.device, "message", Map.of(
                "body", new String(message.getBytes(), StandardCharsets.UTF_8),
                "messageId", message.getMessageId(),
                "correlationId", message.getCorrelationId(),
                "properties", Arrays.stream(message.getProperties())
                    .collect(Collectors.toMap(MessageProperty::getName, MessageProperty::getValue)))));
            return IotHubMessageResult.COMPLETE;
        }, null);
        client.open(false);
        devices.put(request.device, client);
    }

    private static com.microsoft.azure.sdk.iot.device.Message telemetry(Message message) {
        com.microsoft.azure.sdk.iot.device.Message telemetry = new com.microsoft.azure.sdk.iot.device.Message(message.body);
        telemetry.setMessageId(message.messageId);
        telemetry.setCorrelationId(message.correlationId);
        telemetry.setContentType(message.contentType);
        telemetry.setContentEncoding(message.contentEncoding);
        message.properties.forEach(telemetry::setProperty);
        return telemetry;
    }

    private void sendToDevice(Request request) throws Exception {
        if (backEnd == null) {
            connectionString = request.connectionString;
            backEnd = new MessagingClient(connectionString, IotHubServiceClientProtocol.AMQPS);
            backEnd.open(Client.DEADLINE);
        }
        com.microsoft.azure.sdk.iot.service.messaging.Message message =
            new com.microsoft.azure.sdk.iot.service.messaging.Message(request.message.body);
        message.setMessageId(request.message.messageId);
        message.setCorrelationId(request.message.correlationId);
        message.setProperties(request.message.properties);
        message.setDeliveryAcknowledgement(DeliveryAcknowledgement.Full);
        backEnd.send(request.device, message, Client.DEADLINE);
    }

    private static AcknowledgementType take(FeedbackBatch batch) {
        say(Map.of("kind", "feedback", "records", batch.getRecords().stream().map(record -> Map.of(
            "deviceId", record.getDeviceId(),
            "deviceGenerationId", record.getDeviceGenerationId(),
            "originalMessageId", record.getOriginalMessageId(),
            "statusCode", record.getStatusCode())).toList()));
        return AcknowledgementType.COMPLETE;
    }
}
