"""A request lets go of what it holds, the body first, whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from pywharf.web.held import Held

pytestmark = pytest.mark.any_python


class Body:
    def __init__(self, events: list[str], error: Exception | None = None) -> None:
        self._events = events
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def file_part(self, on_sent: Callable[[int], None]) -> None:
        return None

    def close(self) -> None:
        self._events.append("body closed")
        if self._error:
            raise self._error


@contextlib.contextmanager
def repositories(events: list[str]) -> Iterator[str]:
    yield "repositories"
    events.append("repositories left")


def test_the_body_is_closed_before_the_repositories_are_left() -> None:
    events: list[str] = []
    held = Held()

    assert held.hold(repositories(events)) == "repositories"
    held.add(Body(events))
    held.close()

    assert events == ["body closed", "repositories left"]


def test_a_body_that_cannot_be_closed_keeps_no_repository() -> None:
    events: list[str] = []
    held = Held()
    held.hold(repositories(events))
    held.add(Body(events, OSError("broken")))

    with pytest.raises(OSError, match="broken"):
        held.close()

    assert events[-1] == "repositories left"


def test_who_holds_nothing_can_close() -> None:
    Held().close()
