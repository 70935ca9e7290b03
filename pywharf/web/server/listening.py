"""Where the server listens: sockets, made once, before any worker is there to share them."""

from __future__ import annotations

import socket
from contextlib import suppress


def listen(host: str, port: int, *, backlog: int = 1024) -> socket.socket:
    """A listening TCP socket. port: 0 takes a free one. backlog: connections the kernel holds until they are accepted.

    "::" takes IPv4 as well. Raises OSError where the address cannot be bound; its text names the address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(f"{host} is no address of this machine ({error.strerror}): give --host one that it has") from error
    trouble: OSError | None = None
    for family, kind, protocol, _, address in found:
        listener = socket.socket(family, kind, protocol)
        try:
            if port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6 and host in ("::", "::0"):
                with suppress(OSError):
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(address)
            listener.listen(backlog)
            return listener
        except OSError as error:
            listener.close()
            trouble = trouble or error
    reason = trouble.strerror if trouble else "no address was found"
    raise OSError(trouble.errno if trouble else None, f"cannot listen on {host} port {port} ({reason}): give another --host or --port")


def shown(listener: socket.socket) -> str:
    """Where it listens, as "host:port", or the path of a unix socket; the real port, where 0 was asked for."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return str(name)
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
