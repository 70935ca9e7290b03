"""What can go wrong at a git host, as switches of `git_server.GitServer`.

    server.fail(Respond(429, headers={"Retry-After": "7"}), times=2)
    server.fail(Truncate(after=1000), service="git-upload-pack", method="POST")
    server.fail(LoseAnswer(), service="git-receive-pack", method="POST")     # done, and nobody told

Switches that belong to a repository, not to a request, are methods of the server: `allow_filter`, `protocol_v2`, `refuse_large_blobs`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar


class Cut(Exception):
    """Never leaves the kit: ends an answer in the middle of its body."""


@dataclass(frozen=True)
class Fault:
    """One way in which a request goes wrong. Here: not at all."""

    instead: ClassVar[bool] = False  # True: git is not asked

    def before(self) -> None:
        """Called before git is asked."""

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """What is sent of the answer's body."""
        return chunks


@dataclass(frozen=True)
class Respond(Fault):
    """Another answer than git's: a status out of the ordinary, or a login page with status 200."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    instead: ClassVar[bool] = True


@dataclass(frozen=True)
class Truncate(Fault):
    """Ends the connection after so many bytes of the body."""

    after: int = 0

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.after
        for chunk in chunks:
            if len(chunk) >= left:
                yield chunk[:left]
                raise Cut
            left -= len(chunk)
            yield chunk
        raise Cut


@dataclass(frozen=True)
class Damage(Fault):
    """Turns one bit over in the byte at this place of the body."""

    at: int

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.at
        for chunk in chunks:
            if 0 <= left < len(chunk):
                yield chunk[:left] + bytes([chunk[left] ^ 1]) + chunk[left + 1 :]
            else:
                yield chunk
            left -= len(chunk)


@dataclass(frozen=True)
class Stall(Fault):
    """Keeps silent for so many seconds after so many bytes of the body, then ends the connection. `released` ends it earlier."""

    after: int = 0
    seconds: float = 30.0
    released: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from _without_end(Truncate(self.after).body(chunks))
        self.released.wait(self.seconds)
        raise Cut


@dataclass(frozen=True)
class Drip(Fault):
    """Sends the body a few bytes at a time, so that no single wait is long."""

    size: int = 1  # bytes
    pause: float = 0.05  # seconds

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            for at in range(0, len(chunk), self.size):
                yield chunk[at : at + self.size]
                time.sleep(self.pause)


@dataclass(frozen=True)
class Hangup(Fault):
    """Ends the connection without an answer; git is not asked."""

    instead: ClassVar[bool] = True


@dataclass(frozen=True)
class LoseAnswer(Fault):
    """Lets git do everything, and ends the connection without an answer."""


@dataclass(frozen=True)
class Before(Fault):
    """Does something first, e.g. moves the branch between the GET and the POST of a push: `Before(lambda: server.commit("acme/wheels"))`."""

    action: Callable[[], object]

    def before(self) -> None:
        self.action()


@dataclass
class Plan:
    """A fault, and the requests it is meant for."""

    fault: Fault
    service: str  # "git-upload-pack", "git-receive-pack"; "": any
    method: str  # "GET", "POST"; "": any
    left: int | None  # how often yet; None: until it is taken away
    spared: int = 0  # requests of this kind that go well before

    def takes(self, service: str, method: str) -> bool:
        """Whether this request is one of them; counts it then."""
        if (self.service and service != self.service) or (self.method and method != self.method) or self.left == 0:
            return False
        if self.spared:
            self.spared -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


def _without_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Cut:
        return
