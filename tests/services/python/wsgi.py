"""For gunicorn: processes that are forked before, and again after some requests."""
import time
from http import HTTPStatus

from answer import parse, pieces


def app(environ, start_response):
    environ["wsgi.input"].read()
    status, size, chunked, wait = parse(environ["PATH_INFO"])
    time.sleep(wait)
    headers = [] if chunked else [("Content-Length", str(size))]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return pieces(size) if chunked else [b"x" * size]
