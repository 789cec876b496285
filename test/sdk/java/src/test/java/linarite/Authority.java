package linarite;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A CA that issues certificates to devices, by the program's own verbs. */
final class Authority {
    private static final char[] PASSWORD = "changeit".toCharArray();

    private final Hub hub;
    private final List<String> arguments;

    private Authority(Hub hub, String... arguments) {
        this.hub = hub;
        this.arguments = List.of(arguments);
    }

    /** The hub's development CA. */
    static Authority development(Hub hub) {
        return new Authority(hub, "--data", hub.data().toString());
    }

    /** A CA that the hub does not know. */
    static Authority stranger(Hub hub, String name) throws Exception {
        JsonObject made = files(hub, Stream.of("ca", "--name", name));
        return new Authority(hub, "--ca", text(made, "certificate"), "--ca-key", text(made, "key"));
    }

    /** A certificate, and the context of a client that shows it. */
    record Issued(SSLContext context, String sha1, String sha256) {}

    /** A new certificate that is made out to an identity. */
    Issued issue(String id) throws Exception {
        JsonObject made = files(hub, Stream.concat(Stream.of("device", "--id", id), arguments.stream()));
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(null, null);
        keys.setKeyEntry("device", key(Path.of(text(made, "key"))), PASSWORD, chain(Path.of(text(made, "certificate"))));
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, PASSWORD);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init((KeyStore) null); // what the JVM trusts
        SSLContext context = SSLContext.getInstance("TLSv1.2");
        context.init(own.getKeyManagers(), trust.getTrustManagers(), null);
        return new Issued(context, text(made, "sha1"), text(made, "sha256"));
    }

    /** Runs one of the program's verbs that make certificates, and returns what it says of the one it made. */
    private static JsonObject files(Hub hub, Stream<String> arguments) throws Exception {
        Path folder = Files.createTempDirectory(hub.data(), "issued-");
        List<String> all = Stream.of(Stream.of("certs"), arguments, Stream.of("--out", folder.toString(), "--json"))
            .flatMap(part -> part).toList();
        return new Gson().fromJson(hub.program(all), JsonObject.class);
    }

    private static String text(JsonObject made, String member) {
        return made.get(member).getAsString();
    }

    private static Certificate[] chain(Path pem) throws Exception {
        try (InputStream in = new ByteArrayInputStream(Files.readAllBytes(pem))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(Certificate[]::new);
        }
    }

    private static PrivateKey key(Path pem) throws Exception {
        String text = Files.readString(pem, StandardCharsets.US_ASCII).replaceAll("-----[A-Z ]+-----", "");
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(text)));
    }
}
