"""What clients did and saw, as a history: who did what, from when to when, and what came of it.

Times are of one monotonic clock, in seconds: what ended before another thing began happened before it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Operation = Literal["upload", "projects", "page", "download", "head", "metadata"]
# fail: the server said no. unknown: no answer, half of one, or 503 ("nothing is known to be stored").
Result = Literal["ok", "fail", "unknown"]


@dataclass(frozen=True)
class Shown:
    """One file as a project's page shows it."""

    sha256: str
    metadata_sha256: str = ""  # "" where no core metadata are offered


@dataclass(frozen=True)
class Event:
    """One operation of one client. What an operation has no use for is left empty."""

    client: int
    operation: Operation
    root: str  # whose server was asked
    began: float
    ended: float
    result: Result
    status: int = 0  # 0: there was no answer
    project: str = ""
    filename: str = ""
    sha256: str = ""  # of the content that was sent, received, or told of in an ETag
    metadata_sha256: str = ""  # of the core metadata inside of what was sent; of those received
    is_valid: bool = True  # an upload: whether the file keeps all rules
    files: Mapping[str, Shown] = field(default_factory=dict)  # of a page, by name
    projects: frozenset[str] = frozenset()  # of the list of projects
    serial: int | None = None
    fault: str = ""  # what is wrong with a page, where it cannot be read


class Recorder:
    """Collects the events of all clients. Equal pages are kept once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._events: list[Event] = []
        self._pages: dict[frozenset[tuple[str, Shown]], Mapping[str, Shown]] = {}
        self._lists: dict[frozenset[str], frozenset[str]] = {}

    def add(self, event: Event) -> None:
        with self._guard:
            self._events.append(event)

    def page(self, files: Mapping[str, Shown]) -> Mapping[str, Shown]:
        """The same page, in the copy that is kept."""
        with self._guard:
            return self._pages.setdefault(frozenset(files.items()), files)

    def list_of(self, projects: frozenset[str]) -> frozenset[str]:
        with self._guard:
            return self._lists.setdefault(projects, projects)

    def take(self) -> list[Event]:
        """The history so far; the next one begins empty."""
        with self._guard:
            events, self._events = self._events, []
            self._pages.clear()
            self._lists.clear()
        return events


def tally(events: Iterable[Event]) -> Counter[str]:
    """How often what was done with which result, as "page ok"; and each 503."""
    counted: Counter[str] = Counter()
    for event in events:
        counted[f"{event.operation} {event.result}"] += 1
        if event.status == 503:
            counted["503"] += 1
    return counted
