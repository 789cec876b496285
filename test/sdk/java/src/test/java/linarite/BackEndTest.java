package linarite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.MessageProperty;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubDeviceMaximumQueueDepthExceededException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubMessageTooLargeException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubNotFoundException;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubUnauthorizedException;
import com.microsoft.azure.sdk.iot.service.messaging.AcknowledgementType;
import com.microsoft.azure.sdk.iot.service.messaging.DeliveryAcknowledgement;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackBatch;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackRecord;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackStatusCode;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.Message;
import com.microsoft.azure.sdk.iot.service.messaging.MessageFeedbackProcessorClient;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import com.microsoft.azure.sdk.iot.service.messaging.SendResult;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** A back end: it sends to devices and hears what became of it. Feedback is one queue for all: one reads it at a time. */
@Execution(ExecutionMode.SAME_THREAD)
@ExtendWith(HubExtension.class)
@ParameterizedClass
@EnumSource
class BackEndTest {
    private static final int QUEUE = 50;
    private static final Duration QUIET = Duration.ofSeconds(16); // then a batch of feedback is complete

    @Parameter
    IotHubServiceClientProtocol protocol;

    private MessagingClient backEnd;

    @BeforeEach
    void open(Hub hub) throws Exception {
        backEnd = new MessagingClient(hub.policy("service"), protocol);
        backEnd.open(Client.DEADLINE);
    }

    @AfterEach
    void close() throws Exception {
        backEnd.close(Client.DEADLINE);
    }

    @Test
    void sendsAMessageWithItsProperties(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        Map<String, String> properties = Map.of("a", "b", "odd", "a b+c/d=e&f%g", "naïve key", "ünïcode ✓");
        Message message = new Message("hellö");
        message.setMessageId("m 1/2");
        message.setCorrelationId("c+1");
        message.setUserId("u 1");
        message.setDeliveryAcknowledgement(DeliveryAcknowledgement.Full);
        message.setProperties(properties);
        backEnd.send(identity.device(), message, Client.DEADLINE);

        try (Client client = Client.open(identity, IotHubClientProtocol.MQTT)) {
            com.microsoft.azure.sdk.iot.device.Message got = client.messages.take();
            assertEquals("hellö", new String(got.getBytes(), StandardCharsets.UTF_8));
            assertEquals("m 1/2", got.getMessageId());
            assertEquals("c+1", got.getCorrelationId());
            assertEquals(properties, Arrays.stream(got.getProperties())
                .collect(Collectors.toMap(MessageProperty::getName, MessageProperty::getValue)));
            assertEquals("Success", hub.feedback(identity.device(), 1).get(0).get("statusCode").getAsString());
        }
    }

    @Test
    void sendsWithoutWaiting(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        Inbox<SendResult> results = new Inbox<>();
        for (int n = 0; n < QUEUE; n++) {
            backEnd.sendAsync(identity.device(), new Message("message " + n), results::put, n);
        }
        for (SendResult result : results.take(QUEUE)) {
            assertTrue(result.wasSentSuccessfully(), () -> result.getException().toString());
        }
        try (Client client = Client.open(identity, IotHubClientProtocol.AMQPS)) {
            List<String> expected = java.util.stream.IntStream.range(0, QUEUE).mapToObj(n -> "message " + n).toList();
            assertEquals(expected, client.messages.take(QUEUE).stream()
                .map(m -> new String(m.getBytes(), StandardCharsets.UTF_8)).toList());
        }
    }

    @Test
    void hearsWhyAMessageIsNotTaken(Hub hub) throws Exception {
        assertThrows(IotHubNotFoundException.class, () -> backEnd.send("java-nobody", new Message("hello"), Client.DEADLINE));
        Identity identity = Identity.device(hub);
        assertThrows(IotHubMessageTooLargeException.class,
            () -> backEnd.send(identity.device(), new Message(new byte[64 * 1024 + 1]), Client.DEADLINE));
        Inbox<SendResult> results = new Inbox<>();
        for (int n = 0; n < QUEUE; n++) {
            backEnd.sendAsync(identity.device(), new Message("message " + n), results::put, null); // quicker than send
        }
        results.take(QUEUE);
        assertThrows(IotHubDeviceMaximumQueueDepthExceededException.class,
            () -> backEnd.send(identity.device(), new Message("one too many"), Client.DEADLINE));
        assertEquals(QUEUE, hub.registry.getDevice(identity.device()).getCloudToDeviceMessageCount());
    }

    @Test
    void hearsWhatBecameOfItsMessages(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        try (Client client = new Client(identity, IotHubClientProtocol.AMQPS, message ->
                message.getMessageId().equals("received") ? IotHubMessageResult.COMPLETE : IotHubMessageResult.REJECT)) {
            client.sdk.open(false);
            backEnd.send(identity.device(), wanting("received", DeliveryAcknowledgement.PositiveOnly), Client.DEADLINE);
            backEnd.send(identity.device(), wanting("refused", DeliveryAcknowledgement.NegativeOnly), Client.DEADLINE);
            hub.feedback(identity.device(), 2);
        }
        hub.advance(QUIET);

        Inbox<FeedbackRecord> records = new Inbox<>();
        AtomicBoolean abandoned = new AtomicBoolean();
        Function<FeedbackBatch, AcknowledgementType> take = batch -> {
            List<FeedbackRecord> own = batch.getRecords().stream()
                .filter(record -> record.getDeviceId().equals(identity.device())).toList();
            if (!own.isEmpty() && abandoned.compareAndSet(false, true)) {
                return AcknowledgementType.ABANDON; // it comes again
            }
            own.forEach(records::put);
            return AcknowledgementType.COMPLETE;
        };
        MessageFeedbackProcessorClient processor = new MessageFeedbackProcessorClient(hub.policy("service"), protocol, take);
        processor.start(Client.DEADLINE);
        Map<String, FeedbackRecord> came = records.take(2).stream()
            .collect(Collectors.toMap(FeedbackRecord::getOriginalMessageId, Function.identity()));
        processor.stop(Client.DEADLINE);
        assertEquals(FeedbackStatusCode.success, came.get("received").getStatusCode());
        assertEquals(FeedbackStatusCode.rejected, came.get("refused").getStatusCode());
        for (FeedbackRecord record : came.values()) {
            assertEquals(identity.generation(), record.getDeviceGenerationId());
            assertNotNull(record.getEnqueuedTimeUtc());
        }
    }

    @Test
    void isRefusedWithAWrongKey(Hub hub) {
        String policy = hub.policy("service");
        String wrong = policy.substring(0, policy.indexOf("SharedAccessKey=")) + "SharedAccessKey="
            + Base64.getEncoder().encodeToString(new byte[32]);
        MessagingClient stranger = new MessagingClient(wrong, protocol);
        assertThrows(IotHubUnauthorizedException.class, () -> stranger.open(Client.DEADLINE));
    }

    @Test
    void isRefusedWhatItsPolicyDoesNotAllow(Hub hub) throws Exception {
        Identity identity = Identity.device(hub);
        MessagingClient reader = new MessagingClient(hub.policy("registryRead"), protocol);
        reader.open(Client.DEADLINE); // the token is good; the link is refused after that, which the SDK keeps to itself
        assertThrows(Exception.class, () -> reader.send(identity.device(), new Message("hello"), 1000));
        assertEquals(0, hub.registry.getDevice(identity.device()).getCloudToDeviceMessageCount());
        reader.close(1); // it would wait for its link, which is gone
    }

    private static Message wanting(String id, DeliveryAcknowledgement feedback) {
        Message message = new Message("hello");
        message.setMessageId(id);
        message.setDeliveryAcknowledgement(feedback);
        return message;
    }
}
