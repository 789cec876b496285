package linarite;

import com.google.gson.Gson;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ProtocolException;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.cert.Certificate;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSocketFactory;

/**
 * A connection that adds what the SDKs send and get over HTTPS to the file that LINARITE_EXCHANGES names, a line for
 * each exchange: test/contract holds it against the Swagger afterwards. Nothing is taken from the exchange.
 */
final class Recorder extends HttpsURLConnection {
    private static final int FIRST_ERROR = 400;

    private final Path file;
    private final HttpsURLConnection real;
    private final Map<String, String> header = new HashMap<>();
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private byte[] got; // null until there is an answer

    private Recorder(Path file, HttpsURLConnection real) {
        super(real.getURL());
        this.file = file;
        this.real = real;
    }

    /** Has every exchange of this JVM recorded, if a recording is asked for. It has to come before the first of them. */
    static void start() throws IOException {
        String file = System.getenv("LINARITE_EXCHANGES");
        if (file == null) {
            return;
        }
        URL context = new URL("https://127.0.0.1/"); // whose handler is the JVM's own
        URL.setURLStreamHandlerFactory(protocol -> !protocol.equals("https") ? null : new URLStreamHandler() {
            @Override
            protected URLConnection openConnection(URL url) throws IOException {
                URL real = new URL(context, "//" + url.getAuthority() + url.getFile());
                return new Recorder(Path.of(file), (HttpsURLConnection) real.openConnection());
            }
        });
    }

    /** Waits for the answer, takes all of it and writes the exchange down, the first time that it is asked for. */
    private synchronized void answer() throws IOException {
        if (got != null) {
            return;
        }
        int status = real.getResponseCode();
        try (InputStream in = status < FIRST_ERROR ? real.getInputStream() : real.getErrorStream()) {
            got = in == null ? new byte[0] : in.readAllBytes();
        }
        Map<String, String> answered = new HashMap<>();
        real.getHeaderFields().forEach((name, values) -> {
            if (name != null) { // the status line has none
                answered.put(name, values.get(0));
            }
        });
        Map<String, Object> exchange = Map.of(
            "method", real.getRequestMethod(), "target", url.getFile(), "status", status,
            "request", Map.of("header", header, "body", sent.toString(StandardCharsets.UTF_8)),
            "response", Map.of("header", answered, "body", new String(got, StandardCharsets.UTF_8)));
        synchronized (Recorder.class) {
            Files.writeString(file, new Gson().toJson(exchange) + "\n", StandardOpenOption.APPEND);
        }
    }

    @Override
    public int getResponseCode() throws IOException {
        answer();
        return real.getResponseCode();
    }

    @Override
    public InputStream getInputStream() throws IOException {
        answer();
        return real.getResponseCode() < FIRST_ERROR ? new ByteArrayInputStream(got) : real.getInputStream(); // which throws
    }

    @Override
    public InputStream getErrorStream() {
        return got == null || real.getErrorStream() == null ? null : new ByteArrayInputStream(got);
    }

    @Override
    public OutputStream getOutputStream() throws IOException {
        return new FilterOutputStream(real.getOutputStream()) {
            @Override
            public void write(int b) throws IOException {
                sent.write(b);
                super.write(b);
            }
        };
    }

    @Override
    public void setRequestProperty(String name, String value) {
        real.setRequestProperty(name, value);
        if (!name.equalsIgnoreCase("Authorization")) {
            header.put(name, value);
        }
    }

    // All else is the connection's.

    @Override
    public void setRequestMethod(String method) throws ProtocolException {
        real.setRequestMethod(method);
    }

    @Override
    public String getRequestMethod() {
        return real.getRequestMethod();
    }

    @Override
    public void setDoOutput(boolean does) {
        real.setDoOutput(does);
    }

    @Override
    public void setReadTimeout(int milliseconds) {
        real.setReadTimeout(milliseconds);
    }

    @Override
    public void setConnectTimeout(int milliseconds) {
        real.setConnectTimeout(milliseconds);
    }

    @Override
    public void setSSLSocketFactory(SSLSocketFactory factory) {
        real.setSSLSocketFactory(factory);
    }

    @Override
    public Map<String, List<String>> getHeaderFields() {
        return real.getHeaderFields();
    }

    @Override
    public String getHeaderField(String name) {
        return real.getHeaderField(name);
    }

    @Override
    public void connect() throws IOException {
        real.connect();
    }

    @Override
    public void disconnect() {
        real.disconnect();
    }

    @Override
    public boolean usingProxy() {
        return real.usingProxy();
    }

    @Override
    public String getCipherSuite() {
        return real.getCipherSuite();
    }

    @Override
    public Certificate[] getLocalCertificates() {
        return real.getLocalCertificates();
    }

    @Override
    public Certificate[] getServerCertificates() throws SSLPeerUnverifiedException {
        return real.getServerCertificates();
    }
}
