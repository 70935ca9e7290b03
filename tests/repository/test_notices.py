"""What an operator has to know survives a restart and ends some day, and nothing in the file can do harm."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest

from pywharf.repository import notices as notices_module
from pywharf.repository.notices import MAX_TEXT, MOST, TOLD_FOR, Notices


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    return Notices(tmp_path / "local.notices", tmp_path / "local.lock", "local")


def texts(notices: Notices) -> list[str]:
    return [one.text for one in notices.current()]


def test_a_notice_is_told_with_its_time_to_every_process(notices: Notices, tmp_path: Path) -> None:
    before = int(time.time())
    notices.keep("the history was replaced")

    (told,) = Notices(tmp_path / "local.notices", tmp_path / "local.lock", "local").current()

    assert told.text == "the history was replaced"
    assert before <= told.at <= time.time()
    assert stat.S_IMODE((tmp_path / "local.notices").stat().st_mode) == 0o600


def test_nothing_happened_where_there_is_no_file(notices: Notices) -> None:
    assert notices.current() == ()


def test_the_same_again_is_nothing_new(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    threads = [threading.Thread(target=notices.keep, args=("the history was replaced",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert texts(notices) == ["the history was replaced"]
    assert caplog.text.count("the history was replaced") == 1


def test_the_newest_are_kept_in_their_order(notices: Notices) -> None:
    for number in range(MOST + 3):
        notices.keep(f"notice {number}")

    assert texts(notices) == [f"notice {number}" for number in range(3, MOST + 3)]


def test_a_notice_ends_after_thirty_days(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    notices.keep("old")
    now = time.time()
    monkeypatch.setattr(notices_module.time, "time", lambda: now + TOLD_FOR - 60)
    notices.keep("new")
    assert texts(notices) == ["old", "new"]

    monkeypatch.setattr(notices_module.time, "time", lambda: now + TOLD_FOR + 60)

    assert TOLD_FOR == 30 * 24 * 3600
    assert texts(notices) == ["new"]


def test_removing_the_file_acknowledges_all(notices: Notices, tmp_path: Path) -> None:
    notices.keep("the history was replaced")
    (tmp_path / "local.notices").unlink()

    assert notices.current() == ()


def test_what_a_backend_says_is_cut_to_one_line_of_a_bounded_length(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    notices.keep("one\ntwo\x1b[2J\udc80 " + "x" * 10_000)

    (text,) = texts(notices)

    assert text.startswith("one two [2J")
    assert text.isprintable()
    assert len(text) == MAX_TEXT


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"3", b"[3]", b'[["x", "y"]]', b'{"a": 1}', b"null"])
def test_a_file_that_cannot_be_read_tells_nothing_and_is_replaced_by_the_next(notices: Notices, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "local.notices").write_bytes(content)
    assert notices.current() == ()

    notices.keep("the history was replaced")

    assert texts(notices) == ["the history was replaced"]


def test_forgetting_what_is_not_there_is_no_trouble(notices: Notices) -> None:
    notices.forget()
    notices.keep("the history was replaced")
    notices.forget()

    assert notices.current() == ()
