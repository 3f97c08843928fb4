"""What all services here answer: `/STATUS/SIZE/ID` or `/STATUS/SIZE/ID/MILLISECONDS` with so many bytes after so long."""


def parse(target):
    """Status, size, whether in chunks, seconds to wait; of a target that is none of these: 404 and two bytes."""
    parts = target.split("?")[0].strip("/").split("/")
    if parts[0] == "via":
        parts = parts[1:]
    if len(parts) < 3 or not parts[0].isdigit():
        return 404, 2, False, 0
    chunked = parts[1].startswith("c")
    wait = int(parts[3]) / 1000 if len(parts) > 3 else 0
    return int(parts[0]), int(parts[1].lstrip("c")), chunked, wait


def pieces(size):
    """The body in pieces of a thousand bytes."""
    while size > 0:
        step = min(size, 1000)
        yield b"x" * step
        size -= step
