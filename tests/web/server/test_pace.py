"""The bounds on how slowly bytes may flow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.server.pace import Pace

PACE = Pace(silence=30, grace=20, rate=1000, longest=3600)


def test_silence_ends_what_stands_still() -> None:
    assert PACE.end(began=0, moved=10**9, last=100) == 130


def test_a_trickle_ends_once_its_grace_is_over() -> None:
    assert PACE.end(began=0, moved=15, last=19) == 20.015


def test_what_keeps_the_rate_ends_when_all_of_it_took_too_long() -> None:
    assert PACE.end(began=0, moved=10**9, last=3599) == 3600


def test_without_a_rate_any_is_taken() -> None:
    assert Pace(30, 20, 0, 3600).end(began=0, moved=1, last=3000) == 3030


@given(st.floats(0, 1e4), st.integers(0, 10**12), st.integers(0, 10**12), st.floats(0, 1e4))
def test_more_bytes_never_shorten_the_time(began: float, moved: int, more: int, last: float) -> None:
    assert PACE.end(began, moved + more, began + last) >= PACE.end(began, moved, began + last)
