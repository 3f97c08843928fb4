import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** The server of the JDK: PORT. */
public class Http {
    public static void main(String[] args) throws Exception {
        var address = new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(args[0]));
        var server = HttpServer.create(address, 512);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            exchange.getRequestBody().readAllBytes();
            var parts = exchange.getRequestURI().getPath().substring(1).split("/");
            if (parts.length > 3) {
                try {
                    Thread.sleep(Long.parseLong(parts[3]));
                } catch (InterruptedException ended) {
                    return;
                }
            }
            var chunked = parts[1].startsWith("c");
            var size = Integer.parseInt(parts[1].replace("c", ""));
            // 0 stands for chunks, -1 for nothing.
            var length = chunked ? 0 : size == 0 || exchange.getRequestMethod().equals("HEAD") ? -1 : size;
            exchange.sendResponseHeaders(Integer.parseInt(parts[0]), length);
            if (length >= 0) {
                try (var body = exchange.getResponseBody()) {
                    body.write("x".repeat(size).getBytes());
                }
            }
            exchange.close();
        });
        server.start();
    }
}
