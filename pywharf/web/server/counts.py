"""What the HTTP server tells of itself when it is asked: connections, threads, and what it refused before any application saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class ServerCounts:
    """One server at this moment. What is a total counts since it began."""

    threads: int = 0
    threads_busy: int = 0  # those that work on a request
    queued: int = 0  # requests that have arrived and wait for a thread
    parked: int = 0  # open connections on which no whole request has arrived
    active: int = 0  # open connections whose request is worked on, or waits for a thread
    accepted: int = 0  # total
    refused: Mapping[str, int] = field(default_factory=dict)  # totals, by the status; the usual ones also where they are 0


class CountedServer(Protocol):
    """A server that can be asked."""

    def counts(self) -> ServerCounts:
        """How it is doing now. For any thread; waits for nothing."""
