"""The bare stack: Bottle on Cheroot with constant answers, which is what pywharf stands on and cannot easily be quicker than.

    python bare.py PORT KIND=BYTES ...

`/KIND` is a constant body of so many bytes, and `/auth/KIND` the same for who shows the right password, with an ETag that is
looked at. 10 threads, Cheroot's default.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys

import bottle
from cheroot import wsgi

READER = base64.b64encode(b"local:reader").decode()


def add(app: bottle.Bottle, kind: str, size: int) -> None:
    body = (kind.encode() * size)[:size]
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    def constant() -> bytes:
        bottle.response.content_type = "text/html; charset=utf-8"
        return body

    def guarded() -> bytes | bottle.HTTPResponse:
        shown = bottle.request.environ.get("HTTP_AUTHORIZATION", "")
        if not hmac.compare_digest(shown, f"Basic {READER}"):
            return bottle.HTTPResponse("who are you?", 401, {"WWW-Authenticate": 'Basic realm="bare"'})
        if bottle.request.environ.get("HTTP_IF_NONE_MATCH") == tag:
            return bottle.HTTPResponse(b"", 304, {"ETag": tag})
        bottle.response.set_header("ETag", tag)
        bottle.response.content_type = "text/html; charset=utf-8"
        return body

    app.route(f"/{kind}", callback=constant)
    app.route(f"/auth/{kind}", callback=guarded)


def main() -> None:
    app = bottle.Bottle()
    port, *kinds = sys.argv[1:]
    for word in kinds:
        kind, _, size = word.partition("=")
        add(app, kind, int(size))
    server = wsgi.Server(("127.0.0.1", int(port)), app, numthreads=10, request_queue_size=128)
    try:
        server.start()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
