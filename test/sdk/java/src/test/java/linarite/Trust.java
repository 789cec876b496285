package linarite;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;

/** What this JVM trusts. */
final class Trust {
    private static final String PASSWORD = "changeit";

    private Trust() {}

    /**
     * Makes the JVM trust a CA and nobody else, as the option javax.net.ssl.trustStore does. It has to come before
     * the first connection.
     */
    static void only(Path pem) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream in = Files.newInputStream(pem)) {
            store.setCertificateEntry("hub", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        Path file = Path.of(pem + ".p12");
        try (OutputStream out = Files.newOutputStream(file)) {
            store.store(out, PASSWORD.toCharArray());
        }
        System.setProperty("javax.net.ssl.trustStore", file.toString());
        System.setProperty("javax.net.ssl.trustStorePassword", PASSWORD);
    }
}
