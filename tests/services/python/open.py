"""Opens connections, asks once on each, says so, and keeps them until its input ends: PORT FIRST COUNT."""
import socket
import sys

port, first, count = map(int, sys.argv[1:])
kept = []
for number in range(first, first + count):
    # One client has so many ports for each address of a server, so that there are several.
    connection = socket.create_connection((f"127.0.0.{1 + number % 5}", port))
    connection.sendall(f"GET /200/17/kept-{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"x" * 17):
        answer += connection.recv(4096)
    kept.append(connection)
print("open", flush=True)
sys.stdin.read()
