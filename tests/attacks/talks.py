"""What hostile clients say, and when they fall silent. Bytes in, bytes out; the sockets are hostile.py's."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from .target import Target

CONTEXT = ssl._create_unverified_context()
HEAD = b"GET /simple/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
LOGIN = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\npkg_repo_name="
BODY = 10_000_000  # bytes that a slow body promises


@dataclass
class Talk:
    """A client that says `opening` at once, then single bytes. drips: seconds between them; None: silence. reads: bytes each second; None: all.

    listens: it is there once it has been answered, not as soon as it is connected.
    """

    opening: bytes = b""
    drips: float | None = None
    reads: int | None = None
    listens: bool = False

    def received(self, data: bytes) -> bytes:
        """What is said to what came."""
        return b""

    def drop(self) -> bytes:
        """The next single byte."""
        return b"a"


class TlsTalk(Talk):
    """Shakes hands as it should, begins a head, and goes on with single bytes."""

    def __init__(self, said: bytes, drips: float | None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = CONTEXT.wrap_bio(self._in, self._out)
        self._said = said
        self._is_open = False
        super().__init__(self._shake(), drips)

    def _shake(self) -> bytes:
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self._is_open = True
            self._tls.write(self._said)
        return self._out.read()

    def received(self, data: bytes) -> bytes:
        self._in.write(data)
        if not self._is_open:
            return self._shake()
        with suppress(ssl.SSLError):
            self._tls.read(65536)
        return self._out.read()

    def drop(self) -> bytes:
        if not self._is_open:
            return b""
        self._tls.write(b"a")
        return self._out.read()


def _hello() -> bytes:
    """A TLS client's first message."""
    return TlsTalk(b"", None).opening


@dataclass(frozen=True)
class Kind:
    """A sort of attack. deadline: what bounds it, by the names in deadlines.py."""

    title: str
    talk: Callable[[Target], Talk]
    deadline: str
    tls: bool = False


KINDS: Mapping[str, Kind] = {
    "mute": Kind("mute: connect and say nothing", lambda target: Talk(), "head"),
    "drip_head": Kind("header drips: a byte of a header each second", lambda target: Talk(HEAD, 1), "head"),
    "idle": Kind("idle: one request, then nothing on the open connection", lambda target: Talk(target.get(), listens=True), "idle"),
    "drip_body": Kind("slow bodies without a secret", lambda target: Talk(target.post(BODY) + target.form_start, 1), "refused"),
    "drip_login": Kind("slow login forms", lambda target: Talk(LOGIN, 1), "head"),
    "drip_upload": Kind(
        "slow bodies with the right secret, on all threads but one",
        lambda target: Talk(target.post(BODY, writer=True) + target.form_start, 1),
        "body",
    ),
    "slow_readers": Kind("slow readers of 30 MB: 100 bytes a second", lambda target: Talk(target.get(target.file), reads=100), "write"),
    "deaf_readers": Kind("readers of 30 MB that read nothing", lambda target: Talk(target.get(target.file), reads=0), "write"),
    "tls_mute": Kind("TLS: connect and say nothing", lambda target: Talk(), "head", tls=True),
    "tls_half_hello": Kind("TLS: half of the first message", lambda target: Talk(_hello()[:100]), "head", tls=True),
    "tls_hello": Kind("TLS: no answer to the server's first messages", lambda target: Talk(_hello()), "head", tls=True),
    "tls_head": Kind("TLS: header drips within", lambda target: TlsTalk(HEAD, 1), "head", tls=True),
}
