"""Rendered READMEs are kept, as long as there is room."""

from __future__ import annotations

import pytest

from pywharf.web.readme import Readmes


class Counting(Readmes):
    """Counts what it renders instead of doing it."""

    answer: str | Exception | None = "<p>x</p>"

    def __init__(self, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.rendered: list[tuple[str, str]] = []

    def _render(self, text: str, kind: str) -> str | None:
        self.rendered.append((text, kind))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_text_is_rendered_once() -> None:
    readmes = Counting()

    assert [readmes.html("a", "text/markdown") for _ in range(3)] == ["<p>x</p>"] * 3
    readmes.html("a", "text/x-rst")
    readmes.html("b", "text/markdown")
    readmes.html("b", "text/plain")

    assert readmes.rendered == [("a", "md"), ("a", "rst"), ("b", "md")]


@pytest.mark.parametrize("error", [TimeoutError("late"), BrokenPipeError("ended"), ValueError("large"), OSError("no room")])
def test_what_failed_is_tried_again_after_a_while_and_not_with_each_visit(error: Exception) -> None:
    now = [0.0]
    readmes = Counting(clock=lambda: now[0])
    readmes.answer = error
    for _ in range(5):
        assert readmes.html("<a>", "text/markdown") == "<pre>&lt;a&gt;</pre>"
    assert len(readmes.rendered) == 1

    now[0] += 601
    readmes.answer = "<p>now</p>"

    assert readmes.html("<a>", "text/markdown") == "<p>now</p>"
    now[0] += 10**6
    readmes.html("<a>", "text/markdown")
    assert len(readmes.rendered) == 2


def test_what_cannot_be_rendered_is_not_tried_again() -> None:
    now = [0.0]
    readmes = Counting(clock=lambda: now[0])
    readmes.answer = None
    readmes.html("a", "text/markdown")
    now[0] += 10**6

    assert readmes.html("a", "text/markdown") == "<pre>a</pre>"
    assert len(readmes.rendered) == 1


def test_what_is_remembered_is_bounded_and_those_seen_longest_ago_go() -> None:
    readmes = Counting(kept_bytes=10_000)
    readmes.answer = "x" * 1000
    for number in range(100):
        readmes.html(f"a{number}", "text/markdown")
        readmes.html("a0", "text/markdown")

    assert sum(len(shown) for shown, _ in readmes._kept.values()) <= readmes._bytes <= 10_000
    assert readmes.rendered.count(("a0", "md")) == 1
    readmes.html("a50", "text/markdown")
    assert readmes.rendered.count(("a50", "md")) == 2


def test_one_that_is_larger_than_all_room_is_shown_all_the_same() -> None:
    readmes = Counting(kept_bytes=10)

    assert readmes.html("a", "text/markdown") == "<p>x</p>"
    assert readmes._bytes == 0
