"""A plain server in a process of its own: Bottle on Cheroot with default settings, as `bottle.run(server="cheroot")` has them.

    python -m attacks.plain FOLDER [CERTIFICATE KEY]

FOLDER holds the file that readers fetch. Prints its port. An upload is refused without the right secret before its body is looked at.
"""

from __future__ import annotations

import sys

import bottle
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

SECRET = "write-it"
PAGE_TEXT = "<!DOCTYPE html><html><body><a href='probe-1.0.tar.gz'>probe-1.0.tar.gz</a></body></html>"


def make_app(folder: str) -> bottle.Bottle:
    app = bottle.Bottle()
    app.route("/simple/probe/", "GET", lambda: PAGE_TEXT)
    app.route("/simple/big/<name>", "GET", lambda name: bottle.static_file(name, root=folder))

    def upload() -> str:
        if not bottle.request.auth or bottle.request.auth[1] != SECRET:
            raise bottle.HTTPError(401, "not you", WWW_Authenticate="Basic", Connection="close")
        return f"{len(bottle.request.files)} files"

    app.route("/simple/", "POST", upload)
    return app


def main(folder: str, *certificate: str) -> None:
    server = Server(("127.0.0.1", 0), make_app(folder))
    if certificate:
        server.ssl_adapter = BuiltinSSLAdapter(*certificate)
    server.error_log = lambda *_, **__: None
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
