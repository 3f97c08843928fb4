"""gRPC, without generated code. `server PORT`, or `client PORT COUNT`: the client prints what it asked.

A line is: method, trace id, status, nanoseconds since 1970 at the begin and the end.
"""
import sys
import time
from concurrent import futures

import grpc

SERVICE = "shop.Cart"
METHODS = ["Add", "Watch", "Upload", "Chat"]


def add(request, context):
    if b"fail" in request:
        context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
    return request


def watch(request, context):
    for _ in range(20):
        yield request


def upload(requests, context):
    last = b""
    for last in requests:
        pass
    return last


def chat(requests, context):
    yield from requests


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    handlers = {
        "Add": grpc.unary_unary_rpc_method_handler(add),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
        "Upload": grpc.stream_unary_rpc_method_handler(upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def text(value):
    raw = value.encode()
    return b"\x0a" + bytes([len(raw)]) + raw


def ask(port, count):
    sys.stdin.readline()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    calls = [
        channel.unary_unary(f"/{SERVICE}/Add"),
        channel.unary_stream(f"/{SERVICE}/Watch"),
        channel.stream_unary(f"/{SERVICE}/Upload"),
        channel.stream_stream(f"/{SERVICE}/Chat"),
    ]

    def one(number):
        # Mostly the plain ones.
        kind = number % 10 if number % 10 < 4 else 0
        fails = kind == 0 and number % 7 == 0
        trace = f"{0xC0 << 120 | 1 << 64 | number:032x}"
        metadata = [("traceparent", f"00-{trace}-{number + 1:016x}-01")]
        message = text("fail" if fails else f"item {number}")
        begun, status = time.time_ns(), "OK"
        try:
            answer = calls[kind](message if kind < 2 else iter([message] * 10), metadata=metadata)
            if kind in (1, 3):
                for _ in answer:
                    pass
        except grpc.RpcError as error:
            status = error.code().name
        return f"{METHODS[kind]} {trace} {status} {begun} {time.time_ns()}"

    with futures.ThreadPoolExecutor(8) as pool:
        for line in pool.map(one, range(count)):
            print(line)


if sys.argv[1] == "server":
    serve(sys.argv[2])
else:
    ask(sys.argv[2], int(sys.argv[3]))
