"""For uvicorn: one thread, many requests at a time."""
import asyncio

from answer import parse, pieces


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    status, size, chunked, wait = parse(scope["path"])
    if wait:
        await asyncio.sleep(wait)
    headers = [] if chunked else [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in pieces(size) if chunked else [b"x" * size]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
