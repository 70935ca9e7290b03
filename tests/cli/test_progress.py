"""Progress is drawn for a person at a terminal, now and then, and leaves nothing behind."""

from __future__ import annotations

import io

import pytest

from pywharf.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_into_a_file_or_a_pipe() -> None:
    stream = io.StringIO()

    with Progress("files", stream=stream) as shown:
        shown.update(1)

    assert stream.getvalue() == ""


def test_a_terminal_sees_how_far_it_is_and_gets_its_line_back() -> None:
    stream = Terminal()

    with Progress("local: files looked at", stream=stream) as shown:
        shown.update(1234)

    assert "\rlocal: files looked at: 1,234 (" in stream.getvalue().replace("\x1b[K", "")
    assert stream.getvalue().endswith("\r\x1b[K")


def test_it_is_not_drawn_more_often_than_anybody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, now = Terminal(), [100.0]
    monkeypatch.setattr("pywharf.cli.progress.time.monotonic", lambda: now[0])

    with Progress("files", stream=stream) as shown:
        for done in range(1000):
            now[0] += 0.001
            shown.update(done)

    assert 5 <= stream.getvalue().count("files") <= 15
