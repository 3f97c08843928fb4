import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** HTTP by hand, a thread for each connection, head and body in writes of their own: PORT. */
public class Raw {
    public static void main(String[] args) throws Exception {
        try (var server = new ServerSocket(Integer.parseInt(args[0]), 512, InetAddress.getByName("127.0.0.1"))) {
            while (true) {
                var socket = server.accept();
                new Thread(() -> serve(socket)).start();
            }
        }
    }

    private static void serve(Socket socket) {
        try (socket) {
            var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), "ISO-8859-1"));
            var out = socket.getOutputStream();
            for (var line = in.readLine(); line != null; line = in.readLine()) {
                var words = line.split(" ");
                var length = 0;
                for (var header = in.readLine(); !header.isEmpty(); header = in.readLine()) {
                    if (header.toLowerCase().startsWith("content-length:")) {
                        length = Integer.parseInt(header.substring(15).trim());
                    }
                }
                for (var left = (long) length; left > 0; left -= in.skip(left)) {}
                var parts = words[1].substring(1).split("/");
                var size = Integer.parseInt(parts[1].replace("c", ""));
                if (parts.length > 3) {
                    Thread.sleep(Long.parseLong(parts[3]));
                }
                out.write(("HTTP/1.1 " + parts[0] + " Said\r\n").getBytes());
                out.write(("Content-Length: " + size + "\r\n\r\n").getBytes());
                if (!words[0].equals("HEAD")) {
                    out.write("x".repeat(size).getBytes());
                }
            }
        } catch (Exception ended) {
            // The client is gone.
        }
    }
}
