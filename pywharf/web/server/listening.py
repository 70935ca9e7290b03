"""Where the server listens: sockets, made once, before any worker is there to share them."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def listen(host: str, port: int, *, backlog: int = 1024, options: str = "another --host or --port") -> socket.socket:
    """A listening TCP socket. port: 0 takes a free one. backlog: connections the kernel holds until they are accepted.

    "::" takes IPv4 as well. options: what to give in its place. Raises OSError where the address cannot be bound; its text names the address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(f"{host} is no address of this machine ({error.strerror}): give {options}") from error
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
    raise OSError(trouble.errno if trouble else None, f"cannot listen on {host} port {port} ({reason}): give {options}")


class UnixListener:
    """A listening unix socket, and the file that leads to it: for this user alone, and gone once it is closed.

    A socket that a server left behind when it was killed is replaced. Raises OSError, whose text names the file: where a server
    answers there, where something else lies there, or where it cannot be made.
    """

    def __init__(self, path: Path, *, backlog: int = 1024, option: str = "--unix_socket") -> None:
        """option: what to give another path."""
        self._path = path.absolute()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _alone(self._path.parent):
                _make_way(self._path, option)
                before = os.umask(0o177)
                try:
                    self.socket.bind(str(self._path))
                finally:
                    os.umask(before)
                found = self._path.stat()
            self._file = (found.st_dev, found.st_ino)
            self.socket.listen(backlog)
        except OSError as error:
            self.socket.close()
            if error.filename == str(self._path):
                raise
            raise OSError(
                error.errno, f"cannot listen there ({error.strerror or error}): give {option} another path", str(self._path)
            ) from error

    def close(self) -> None:
        """Listen no more. The file is removed unless it is another server's by now."""
        self.socket.close()
        with suppress(OSError), _alone(self._path.parent):
            found = self._path.lstat()
            if (found.st_dev, found.st_ino) == self._file:
                self._path.unlink()


def _make_way(path: Path, option: str) -> None:
    """Remove the socket of a server that is no more."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(None, f"is no socket, and is left alone: give {option} another path", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            pass  # its queue is full, or it is another user's: somebody is there
    raise FileExistsError(None, f"a server listens there already: stop that one, or give {option} another path", str(path))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several servers that look at a folder's sockets, one at a time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def shown(listener: socket.socket) -> str:
    """Where it listens, as "host:port", or the path of a unix socket; the real port, where 0 was asked for."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return str(name)
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
