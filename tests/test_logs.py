"""The log: a line for each event, no secret in it, one file for all processes."""

from __future__ import annotations

import base64
import logging
import multiprocessing
import os
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywharf import logs
from pywharf.logs import MAX_LINE_BYTES, OneLine, SharedFile, printable, redact, remember_secret, set_up

log = logging.getLogger("pywharf.test_logs")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves handlers, hooks or secrets behind."""
    monkeypatch.setattr(logs, "_spellings", set())
    monkeypatch.setattr(logs, "_remembered", None)
    monkeypatch.setattr(logs, "_looked_for", ())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    levels = [(logger, logger.level) for logger in (logging.getLogger(), logging.getLogger("pywharf"))]
    yield
    for handler in logs._installed:
        logging.getLogger().removeHandler(handler)
        handler.close()
    logs._installed.clear()
    for logger, level in levels:
        logger.setLevel(level)
    logging.captureWarnings(False)


def written(folder: Path) -> str:
    return (folder / "pywharf.log").read_text(encoding="utf-8")


# --- where it goes ---------------------------------------------------------------------------------------------------


def test_an_event_is_one_line_on_stderr_and_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(tmp_path, debug=False)

    log.info("index synced: repository=%s files=%d", "local", 3)

    assert written(tmp_path) == capsys.readouterr().err
    assert written(tmp_path).count("\n") == 1
    assert written(tmp_path).endswith(f"Z INFO [{os.getpid()}] pywharf.test_logs: index synced: repository=local files=3\n")


def test_without_a_folder_there_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(None, debug=False)

    log.info("hello")

    assert "hello" in capsys.readouterr().err


def test_debug_says_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(tmp_path, debug=False)
    log.debug("a detail")
    assert "a detail" not in written(tmp_path) + capsys.readouterr().err

    set_up(tmp_path, debug=True)
    log.debug("a detail")
    assert "a detail" in written(tmp_path)
    assert "a detail" in capsys.readouterr().err


def test_stderr_can_be_told_less_than_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(tmp_path, debug=False, stderr_level=logging.ERROR)

    log.warning("look")

    assert "look" in written(tmp_path)
    assert capsys.readouterr().err == ""


def test_set_up_twice_writes_once(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)
    set_up(tmp_path, debug=False)

    log.info("hello")

    assert written(tmp_path).count("hello") == 1


def test_the_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "pywharf.log").touch(0o644)
    before = os.umask(0)
    try:
        set_up(tmp_path, debug=False)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "pywharf.log").stat().st_mode) == 0o600


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "pywharf.log").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"):
        set_up(tmp_path, debug=False)


def test_warnings_of_libraries_go_the_same_way(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old thing", stacklevel=1)

    assert "old thing" in written(tmp_path)


# --- what may not be in it -------------------------------------------------------------------------------------------

SECRET = "Gr3en/Pepp+er s&lt"


@pytest.mark.parametrize(
    "spelling",
    [SECRET, quote(SECRET, safe=""), quote(SECRET), repr(SECRET), f"http://local:{SECRET}@host/simple/", f"x={SECRET};"],
)
def test_a_remembered_secret_leaves_no_trace(tmp_path: Path, spelling: str) -> None:
    set_up(tmp_path, debug=True)
    remember_secret(SECRET)

    log.debug("told: %s", spelling)

    assert "Pepp" not in written(tmp_path)
    assert "***" in written(tmp_path)


def test_a_secret_inside_a_traceback_leaves_no_trace(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)
    remember_secret(SECRET)

    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"cannot open with {SECRET}") from error
    except ValueError:
        log.exception("failed")

    assert "Pepp" not in written(tmp_path)
    assert "ValueError" in written(tmp_path)
    assert written(tmp_path).count("\n") == 1


def test_a_short_secret_is_hidden_where_it_stands_alone_and_words_stay_whole() -> None:
    remember_secret("foo")

    assert redact("foo:foo@x 'foo' seafood foobar") == "***:***@x '***' seafood foobar"


def test_of_two_secrets_that_begin_alike_nothing_is_left() -> None:
    remember_secret("hunter2hunter2")
    remember_secret("hunter2hunter2-and-more")

    assert redact("hunter2hunter2-and-more hunter2hunter2") == "*** ***"


def test_an_empty_secret_changes_nothing() -> None:
    remember_secret("")

    assert redact("abc") == "abc"


BASIC = base64.b64encode(b"local:Gr3enPepper").decode()


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Basic {BASIC}",
        f"authorization: basic {BASIC.rstrip('=')}",
        f"{{'HTTP_AUTHORIZATION': 'Basic {BASIC}'}}",
        f'{{"authorization": "Basic {BASIC}"}}',
        f"('Authorization', b'Basic {BASIC}')",
        f"got Basic {BASIC} from a client",
        "Authorization: Bearer Gr3enPepper",
        "Authorization: Gr3enPepper",
        "got bearer Gr3enPepper-12 from a client",
        "Cookie: session=Gr3enPepper; other=Gr3enPepper",
        "{'HTTP_COOKIE': 'session=Gr3enPepper'}",
        "http://local:Gr3enPepper@127.0.0.1:8888/simple/",
        "https://Gr3enPepper@host/x",
        "https://local:Gr3en%2FPepper@host/x and git+https://a:Gr3enPepper@b@host",
    ],
)
def test_what_callers_authenticate_with_is_hidden_though_nobody_remembered_it(text: str) -> None:
    hidden = redact(text)

    assert "Pepper" not in hidden
    assert BASIC.rstrip("=") not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication failed: repository=local",
        "basic rules, bearer of bad news",
        "GET /simple/demo/ status=200 repository=local",
        "https://host/simple/demo/?format=json",
        "who@example: 3 files",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


PIECES = st.sampled_from(
    ["Authorization: ", "BASIC dTpw", "basic ", "Bearer ab12cd34ef56", "Cookie: a=b", "://u:p@host", "@", "hunter22", "/x ", "cookies", "'"]
)


@given(st.lists(PIECES | st.text(max_size=5)).map("".join))
def test_looking_for_words_first_changes_nothing_of_what_is_hidden(text: str) -> None:
    remember_secret("hunter22")
    expected = text if logs._remembered is None else logs._remembered.sub("***", text)
    for pattern, by in (
        (logs._USERINFO, r"\1***@"),
        (logs._HEADER, r"\1***"),
        (logs._COOKIE, r"\1***"),
        (logs._BASIC, logs._hide_basic),
        (logs._BEARER, r"\1***"),
    ):
        expected = pattern.sub(by, expected)  # type: ignore[arg-type]

    assert redact(text) == expected


def test_a_record_is_written_the_same_to_every_sink_and_made_once(tmp_path: Path) -> None:
    record = logging.LogRecord("pywharf", logging.INFO, "x", 1, "told %s", ("once",), None)

    assert OneLine().format(record) is OneLine().format(record)


def test_a_log_call_that_does_not_fit_keeps_its_event_and_no_secret() -> None:
    remember_secret(SECRET)
    line = OneLine().format(logging.LogRecord("pywharf", logging.INFO, "sync.py", 7, "files=%d", (SECRET,), None))

    assert "files=%d (log call in sync:7 does not fit: TypeError)" in line
    assert "Pepp" not in line


def test_a_full_disk_or_closed_stderr_is_nobodys_end_and_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    set_up(tmp_path, debug=False)
    monkeypatch.setattr(os, "write", full)
    log.info("hello %s", "x")

    assert "Traceback" not in capsys.readouterr().err


def test_a_thread_that_dies_tells_it_in_one_line_without_secrets(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)
    remember_secret(SECRET)

    def die() -> None:
        raise RuntimeError(SECRET)

    thread = threading.Thread(target=die, name="sync local")
    thread.start()
    thread.join()

    assert "sync local" in written(tmp_path)
    assert "RuntimeError" in written(tmp_path)
    assert "Pepp" not in written(tmp_path)


# --- the form of a line ----------------------------------------------------------------------------------------------


def test_nobody_forges_a_second_line_or_moves_the_cursor(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)

    log.info("agent=%s", "a\r\n2030 INFO fake: all is well\x1b[2J\x00\x9b\u2028\u202e")

    assert written(tmp_path).count("\n") == 1
    assert r"a\r\n2030 INFO fake: all is well\x1b[2J\x00\x9b\u2028\u202e" in written(tmp_path)


@settings(deadline=None)
@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = printable(text)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    shown.encode()


def test_a_line_has_at_most_8_kib_in_any_script(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)

    for character in ("x", "ä", "\U0001f600", "\n", "\udcff"):
        log.info("%s", character * 20_000)

    lines = (tmp_path / "pywharf.log").read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    assert all(len(line) <= MAX_LINE_BYTES for line in lines)
    assert all(line.endswith(b" ...(cut)\n") for line in lines)


def test_the_cut_cannot_bring_a_hidden_secret_back() -> None:
    remember_secret(SECRET)
    record = logging.LogRecord("pywharf", logging.INFO, "", 1, "x" * 8100 + SECRET + "y" * 8000, (), None)

    assert "Gr3en" not in OneLine().format(record)


# --- one file for all processes --------------------------------------------------------------------------------------


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    set_up(tmp_path, debug=False)
    log.info("first")
    (tmp_path / "pywharf.log").rename(tmp_path / "moved")

    log.info("second")

    assert "second" in written(tmp_path)
    assert "second" not in (tmp_path / "moved").read_text()


def test_a_full_file_is_turned_over_and_the_oldest_goes(tmp_path: Path) -> None:
    file = SharedFile(tmp_path / "pywharf.log", max_bytes=1000, kept=2)

    for number in range(60):
        file.write([f"event {number:03d} {'x' * 110}\n"])
    file.close()

    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert names == ["pywharf.log", "pywharf.log.1", "pywharf.log.2"]
    assert all(path.stat().st_size < 1200 for path in tmp_path.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    kept = "".join((tmp_path / name).read_text() for name in reversed(names))
    numbers = [int(line.split("event ")[1][:3]) for line in kept.splitlines()]
    assert numbers == list(range(numbers[0], 60))


def _write_many(folder: str, name: int) -> None:
    _write_many_with(SharedFile(Path(folder) / "pywharf.log", max_bytes=5000, kept=1000), name)


def _write_many_with(file: SharedFile, name: int) -> None:
    for number in range(0, 200, 2):  # two at a time, as they are gathered
        file.write([f"event {name}-{number + one} {'x' * 110}|\n" for one in range(2)])
    file.close()


@pytest.mark.parametrize("inherited", [False, True], ids=["opened-by-each", "opened-before-the-fork"])
@pytest.mark.any_python
def test_processes_share_the_file_and_lose_no_line_when_it_is_turned_over(tmp_path: Path, inherited: bool) -> None:
    context = multiprocessing.get_context("fork")
    if inherited:  # as workers have it
        file = SharedFile(tmp_path / "pywharf.log", max_bytes=5000, kept=1000)
        children = [context.Process(target=_write_many_with, args=(file, name)) for name in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        file.close()
    else:
        with context.Pool(4) as pool:
            pool.starmap(_write_many, [(str(tmp_path), name) for name in range(4)])

    lines = [line for path in tmp_path.glob("pywharf.log*") for line in path.read_text().splitlines()]
    assert all(line.endswith("|") for line in lines)
    assert {line.split("event ")[1].split()[0] for line in lines} == {f"{name}-{number}" for name in range(4) for number in range(200)}
    assert len(lines) == 800
