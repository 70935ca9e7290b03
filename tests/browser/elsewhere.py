"""Somebody else's server: it answers everything, and counts who comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Elsewhere(ThreadingHTTPServer):
    """On a free port of this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.connections = 0  # that were opened, whether or not anything was asked
        self.asked: list[str] = []
        self.pages: dict[str, str] = {}  # HTML, by path; whatever else is asked for is empty

    def verify_request(self, request: object, client_address: object) -> bool:
        self.connections += 1
        return True


class _Answer(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.pages.get(self.path, "").encode()
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - as http.server names them

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """One that runs for as long as it is used."""
    with Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
