"""A client's connections, used as urllib3 uses them, and so pip and twine.

A kept connection that the server has closed by the time it is needed is replaced, and nobody notices. Where it ends under a request, before the
first byte of an answer, the request is sent once more on a new connection: that is counted. Everything else is raised.
"""

from __future__ import annotations

import http.client
import select
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

PATIENCE = 60  # seconds for one read or write


@dataclass(frozen=True)
class Answered:
    """One answer, whole."""

    status: int
    headers: Message
    body: bytes = b""


class Session:
    """One connection, kept. repeated: how many requests were sent again."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self._is_used = False  # whether the connection has had an answer
        self.repeated = 0

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answered:
        """Raises OSError, http.client.HTTPException where there is no answer, or half of one."""
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self.close()
        try:
            self._send(method, path, headers, body)
        except (http.client.RemoteDisconnected, ConnectionError):
            was_used = self._is_used
            self.close()
            if not was_used:
                raise
            self.repeated += 1
            self._send(method, path, headers, body)
        try:
            answer = Answered(self._answer.status, self._answer.headers, self._answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._is_used = True
        return answer

    def close(self) -> None:
        self._connection.close()
        self._is_used = False

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """Send, and wait for the first line of the answer."""
        try:
            self._connection.request(method, path, body, dict(headers))
            self._answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
