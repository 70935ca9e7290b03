"""TLS: the certificate, and handshakes that hold up nobody.

A handshake costs a signature and needs several messages of a client that may never send them. Its steps are taken by threads of their
own, each step only when the client's next bytes are there, and all of it within the time that a head has.

Source: RFC 8446 (TLS 1.3), RFC 9325 (recommendations: TLS 1.2 and newer).
"""

from __future__ import annotations

import os
import queue
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pywharf.errors import ConfigInvalid

if TYPE_CHECKING:
    from pywharf.web.server.connection import Connection

THREADS = 2


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """What connections are wrapped with. certificate: a PEM file, the server's own first, then those above it. key: a PEM file without a
    password; "": it is in the same file. Raises ConfigInvalid, which names the file and the way out.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    asked = []

    def no_password() -> bytes:
        """In place of a question on the terminal."""
        asked.append(True)
        return b""

    try:
        context.load_cert_chain(certificate, key or None, password=no_password)
    except FileNotFoundError as error:
        missing = "--tls_key" if os.path.exists(certificate) else "--tls_cert"
        raise ConfigInvalid(missing, "there is no such file") from error
    except PermissionError as error:
        raise ConfigInvalid("--tls_cert", "this file or that of --tls_key may not be read by this user") from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigInvalid("--tls_key", "is not the key of this certificate") from error
        if asked:
            raise ConfigInvalid("--tls_key", "is kept with a password: give it without one, in a file that nobody else can read") from error
        raise ConfigInvalid("--tls_cert", "this file and that of --tls_key have to be PEM: a certificate, and its private key") from error
    except OSError as error:
        raise ConfigInvalid("--tls_cert", f"cannot be read ({error.strerror})") from error
    return context


class Handshakes:
    """The threads that take the steps of handshakes. step: takes one, and raises nothing."""

    def __init__(self, step: Callable[[Connection], None]) -> None:
        self._step = step
        self._queue: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"tls {number}", daemon=True) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def go_on(self, connection: Connection) -> None:
        """Take the next step of a handshake. Bytes of the client are there."""
        self._queue.put(connection)

    def stop(self) -> None:
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while (connection := self._queue.get()) is not None:
            self._step(connection)
