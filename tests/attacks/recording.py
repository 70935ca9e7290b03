"""Two servers in this process, each with an application that remembers what reached it: ours, and Bottle on Cheroot as they come."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import bottle
from cheroot.wsgi import Server as PlainServer

from pywharf.errors import WharfError
from pywharf.web.server.listening import listen
from pywharf.web.server.run import running

from .framing_cases import CUT

Recording = tuple[tuple[str, int], Callable[[], Sequence[str]]]  # where it listens; what was executed since it was last asked


class Recorder:
    """A WSGI application. `/unread` leaves the body alone, all else reads it."""

    def __init__(self) -> None:
        self._executed: list[str] = []

    def take(self) -> Sequence[str]:
        taken, self._executed = self._executed, []
        return taken

    def note(self, environ: dict[str, Any], body: bytes | None) -> None:
        words = [environ["REQUEST_METHOD"], environ["PATH_INFO"], CUT if body is None else body.decode("latin-1")]
        self._executed.append(" ".join([word for word in words if word] + ["trusted"] * ("HTTP_X_TRUSTED" in environ)))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = b""
        if environ["PATH_INFO"] != "/unread":
            try:
                body = environ["wsgi.input"].read()
            except WharfError:
                self.note(environ, None)
                start_response("400 Bad Request", [("Content-Length", "0"), ("Connection", "close")])
                return []
        self.note(environ, body)
        start_response("200 OK", [("Content-Length", "2")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"ok"]


@contextmanager
def ours(**limits: object) -> Iterator[Recording]:
    """Our server. limits: its options."""
    recorder = Recorder()
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    with running(recorder, listener, options={"numthreads": 4, "shutdown_timeout": 1, **limits}):
        yield (host, port), recorder.take


@contextmanager
def plain() -> Iterator[Recording]:
    """Cheroot with default settings, and Bottle on it: what `bottle.run(server="cheroot")` starts."""
    recorder, app = Recorder(), bottle.Bottle()

    def answer(*_: object, **__: object) -> str:
        environ = bottle.request.environ
        body = b"" if environ["PATH_INFO"] == "/unread" else bottle.request.body.read()
        recorder.note(environ, body)
        return "ok"

    app.route("<path:path>", ["GET", "HEAD", "POST", "ANY"], answer)
    app.error(404)(answer)  # paths that Bottle's own pattern leaves out

    def quiet(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.errors"] = io.StringIO()  # where Bottle writes what stumbles
        answered: Iterable[bytes] = app(environ, start_response)
        return answered

    server = PlainServer(("127.0.0.1", 0), quiet)
    server.shutdown_timeout = 1
    server.error_log = lambda *_, **__: None
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        host, port = server.bind_addr
        yield (host, port), recorder.take
    finally:
        server.stop()
        thread.join(5)
