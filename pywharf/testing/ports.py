"""A port of this machine that stays one's own, also while nobody listens there."""

from __future__ import annotations

import socket
import sys


def hold_free_port() -> tuple[int, socket.socket]:
    """A port that nobody uses, and the socket that keeps it from others, also while the server is down.

    Linux lets the server listen where a socket is bound that does not listen. Elsewhere the port is only free at this moment.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform != "linux":
        held.close()
    return port, held
