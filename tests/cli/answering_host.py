"""An HTTP server whose answers a test writes."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class Host:
    """An HTTP server that gives one answer to everything. certificate: of an https one, with its key in the same file."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.answer: Answer = answer(404)
        self.asked: list[tuple[str, str | None, Any]] = []  # method and path, Authorization, body
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                host.asked.append((f"{self.command} {self.path}", self.headers.get("Authorization"), json.loads(body or "null")))
                with contextlib.suppress(ConnectionError):  # the client may have had enough
                    host.answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            self._server.handle_error = lambda *about: None  # type: ignore[method-assign]  # a handshake that the client broke off
            self.url = self.url.replace("http", "https")
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(status: int, said: object = None, *, body: bytes = b"", content_type: str = "application/json", **headers: str) -> Answer:
    content = body or json.dumps(said).encode()

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return send


def problem(status: int, detail: object, **headers: str) -> Answer:
    return answer(status, {"type": "about:blank", "detail": detail}, content_type="application/problem+json", **headers)
