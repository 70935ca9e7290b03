"""The body of a request, read in every mixture of ways."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.errors import BodyCutShort
from pywharf.web.server.body import PIECE, Body
from pywharf.web.server.pace import Pace

PACE = Pace(silence=30, grace=30, rate=0, longest=30)


class Connected:
    """Gives what arrived, a few bytes at a time, and remembers the most it was asked for."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content = io.BytesIO(content)
        self._step = step
        self.most = 0
        self.told = 0

    def read(self, most: int, end: float) -> bytes:
        self.most = max(self.most, most)
        return self._content.read(min(most, self._step))

    def tell_to_go_on(self) -> None:
        self.told += 1


WAYS = st.lists(st.tuples(st.sampled_from(["read", "readline"]), st.one_of(st.none(), st.integers(-1, 9))), max_size=12)


@given(st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n"])).map(b"".join), st.integers(1, 7), st.binary(max_size=5), WAYS)
def test_however_it_is_read_it_is_what_a_file_of_it_would_give(
    content: bytes, step: int, behind: bytes, ways: list[tuple[str, int | None]]
) -> None:
    body = Body(Connected(content + behind, step), len(content), PACE, expected=False)
    like = io.BytesIO(content)

    for name, size in ways:
        assert getattr(body, name)(size) == getattr(like, name)(size)
        assert body.remaining == len(content) - like.tell()
    assert list(body) == list(like)
    assert body.read() == b""


def test_no_more_memory_is_set_aside_than_a_piece_of_it_needs() -> None:
    connected = Connected(bytes(PIECE * 3), PIECE * 3)

    assert len(Body(connected, PIECE * 3, PACE, expected=False).read()) == PIECE * 3
    assert connected.most == PIECE


@pytest.mark.any_python
def test_a_body_of_empty_lines_costs_no_more_than_its_size() -> None:
    body = Body(Connected(b"\n" * 1_000_000, 1_000_000), 1_000_000, PACE, expected=False)
    began = time.process_time()

    assert sum(1 for _ in body) == 1_000_000
    assert time.process_time() - began < 20  # and not minutes: each line is not copied with all that follows


def test_a_client_that_waits_is_told_once_and_not_before_anything_is_read() -> None:
    connected = Connected(b"a\nbc", 1)
    body = Body(connected, 4, PACE, expected=True)
    assert (body.read(0), connected.told) == (b"", 0)

    assert (body.readline(), body.read(), connected.told) == (b"a\n", b"bc", 1)


@pytest.mark.parametrize("name", ["read", "readline"])
def test_an_end_before_the_length_is_an_error_also_behind_what_was_read_ahead(name: str) -> None:
    body = Body(Connected(b"a\nbc", 9), 5, PACE, expected=False)
    assert body.readline() == b"a\n"

    with pytest.raises(BodyCutShort):
        getattr(body, name)()
