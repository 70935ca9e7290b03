from __future__ import annotations

import base64
import contextlib
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from pywharf.errors import BackendUnavailable
from pywharf.web import sessions as module
from pywharf.web.sessions import ABSOLUTE, IDLE, MOST, TOUCHED, Session, Sessions

from .conftest import Clock

SECRET = "a very secret secret/+é"
CONFIGURATION = "digest of the configuration"
HOUR = 3600.0


@pytest.fixture
def clock(clock: Clock) -> Clock:
    clock.now = 1_790_000_000.0  # Unix time, as sessions have it
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def sessions(path: Path, clock: Clock) -> Sessions:
    return Sessions(path, clock=clock)


def begin(sessions: Sessions, repository: str = "local", secret: str = SECRET) -> str:
    return sessions.begin(repository, secret, CONFIGURATION)


def find(sessions: Sessions, cookie: str) -> Session | None:
    return sessions.find(cookie, CONFIGURATION)


def rows(path: Path) -> int:
    db = sqlite3.connect(path)
    (count,) = db.execute("SELECT count(*) FROM sessions").fetchone()
    db.close()
    return int(count)


def test_a_session_gives_back_what_it_began_with(sessions: Sessions) -> None:
    for repository, secret in [("local", SECRET), ("other", "x"), ("other", "a:b\n\x00 ß漢" * 100), ("other", "")]:
        found = find(sessions, begin(sessions, repository, secret))

        assert found is not None
        assert (found.repository, found.secret) == (repository, secret)


def test_ids_have_nothing_in_common_and_the_same_secret_looks_different_each_time(sessions: Sessions, path: Path) -> None:
    cookies = {begin(sessions) for _ in range(50)}
    sealed = {row[0] for row in sqlite3.connect(path).execute("SELECT sealed FROM sessions")}

    assert len(cookies) == len(sealed) == 50
    assert all(len(base64.urlsafe_b64decode(cookie + "=")) == 32 for cookie in cookies)


def test_neither_a_representation_nor_a_format_of_a_session_tells_its_secret(sessions: Sessions) -> None:
    cookie = begin(sessions)
    found = find(sessions, cookie)

    for told in (repr(found), str(found), f"{found}"):
        assert SECRET not in told
        assert cookie not in told


# --- the end ----------------------------------------------------------------------------------------------------------


def test_an_ended_session_is_over_for_every_copy_of_its_cookie(sessions: Sessions, path: Path) -> None:
    ended, other = begin(sessions), begin(sessions)

    sessions.end(ended)

    assert find(sessions, ended) is None
    assert find(sessions, other) is not None
    assert rows(path) == 1
    sessions.end(ended)  # again is no error


@pytest.mark.parametrize(("moved", "is_over"), [(IDLE - 1, False), (IDLE + 1, True), (-IDLE + 1, False), (-IDLE - 1, True)])
def test_a_session_that_is_not_used_is_over_whichever_way_the_clock_went(
    sessions: Sessions, clock: Clock, moved: float, is_over: bool
) -> None:
    cookie = begin(sessions)

    clock.now += moved

    assert (find(sessions, cookie) is None) == is_over


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_session_that_is_used_is_over_after_its_time_whichever_way_the_clock_goes(sessions: Sessions, clock: Clock, step: float) -> None:
    cookie = begin(sessions)
    lasted = 0.0

    while find(sessions, cookie) is not None:
        clock.now += step
        lasted += abs(step)

    assert lasted == ABSOLUTE + HOUR


def test_what_is_over_does_not_come_back_with_the_clock(sessions: Sessions, clock: Clock, path: Path) -> None:
    cookie = begin(sessions)
    clock.now += IDLE + 1
    assert find(sessions, cookie) is None

    clock.now -= IDLE + 1

    assert find(sessions, cookie) is None
    assert rows(path) == 0


def test_use_is_noted_now_and_then_and_not_with_each_request(sessions: Sessions, clock: Clock, path: Path) -> None:
    cookie = begin(sessions)

    def used() -> float:
        (at,) = sqlite3.connect(path).execute("SELECT used FROM sessions").fetchone()
        return float(at) - clock.now

    clock.now += TOUCHED - 1
    find(sessions, cookie)
    assert used() == 1 - TOUCHED
    clock.now += 2
    find(sessions, cookie)
    assert used() == 0


def test_another_configuration_ends_a_session(sessions: Sessions, path: Path) -> None:
    cookie = begin(sessions)

    assert sessions.find(cookie, "another configuration") is None
    assert find(sessions, cookie) is None
    assert rows(path) == 0


def test_all_can_be_ended_at_once(sessions: Sessions) -> None:
    cookies = [begin(sessions, repository) for repository in ("local", "other")]

    sessions.end_all()

    assert [find(sessions, cookie) for cookie in cookies] == [None, None]


def test_what_is_over_is_swept_with_the_next_login(sessions: Sessions, clock: Clock, path: Path) -> None:
    for _ in range(20):
        begin(sessions)
    clock.now += IDLE + 1
    begin(sessions)

    assert rows(path) == 1


def test_a_repository_has_a_bounded_number_of_sessions_and_those_used_longest_ago_end(
    sessions: Sessions, clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    elsewhere = begin(sessions, "other")
    cookies = []
    for _ in range(25):
        clock.now += 1
        cookies.append(begin(sessions))

    assert [find(sessions, cookie) is not None for cookie in cookies] == [False] * 15 + [True] * 10
    assert find(sessions, elsewhere) is not None
    assert rows(path) == 11
    assert MOST == 10_000


# --- cookies that are none --------------------------------------------------------------------------------------------


def test_only_the_very_cookie_is_taken(sessions: Sessions) -> None:
    cookie = begin(sessions)
    other_last = chr(ord(cookie[-1]) + 1)  # the last digit carries two bits that belong to no byte

    for wrong in (
        "",
        "x",
        cookie[:-1],
        cookie + "=",
        cookie + "A",
        " " + cookie,
        cookie[:-1] + other_last,
        cookie.replace(cookie[0], "+", 1),
        cookie[:20] + "\x00" + cookie[21:],
        cookie[:20] + "é" + cookie[21:],
        "A" * 43,
        "!" * 43,
        '"' + cookie[2:] + '"',
        cookie * 1000,
    ):
        assert find(sessions, wrong) is None
        sessions.end(wrong)
    assert find(sessions, cookie) is not None


def test_a_row_moved_to_another_id_or_repository_opens_nothing(sessions: Sessions, path: Path) -> None:
    """Whoever can write the database, and has a session of their own, cannot make it another's."""
    mine, theirs = begin(sessions, "mine", "my secret"), begin(sessions, "theirs", "their secret")
    db = sqlite3.connect(path)
    db.execute("UPDATE sessions SET sealed = (SELECT sealed FROM sessions WHERE repository = 'theirs') WHERE repository = 'mine'")
    db.commit()
    assert find(sessions, mine) is None

    db.execute("UPDATE sessions SET repository = 'mine' WHERE repository = 'theirs'")
    db.commit()
    assert find(sessions, theirs) is None


def test_the_forms_token_belongs_to_one_session_and_is_no_id(sessions: Sessions) -> None:
    cookies = [begin(sessions), begin(sessions)]
    first, second = [found for cookie in cookies if (found := find(sessions, cookie))]

    assert first.made_form(first.form_token)
    assert not first.made_form(second.form_token)
    for wrong in ("", " ", "é", "\udc80", first.form_token.upper(), first.form_token + " ", first.form_token[:-1]):
        assert not first.made_form(wrong)
    assert first.form_token not in cookies
    assert find(sessions, first.form_token[:43]) is None


# --- what the disk has ------------------------------------------------------------------------------------------------


def spellings(text: str) -> list[bytes]:
    """The ways in which a text could be kept without being meant to be found."""
    raw = text.encode()
    return [
        raw,
        base64.b64encode(raw)[:-3],
        base64.urlsafe_b64encode(raw)[:-3],
        quote(text, safe="").encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ]


def test_no_secret_and_no_id_is_on_the_disk(sessions: Sessions, path: Path, tmp_path: Path) -> None:
    cookie = begin(sessions)
    find(sessions, cookie)
    found = find(sessions, cookie)
    assert found is not None
    needles = [
        *spellings(SECRET),
        *spellings(CONFIGURATION),
        cookie.encode(),
        base64.urlsafe_b64decode(cookie + "="),
        found.form_token.encode(),
    ]

    for stage in ("open", "closed"):
        files = [file for file in tmp_path.iterdir() if file.is_file()]
        assert stage == "closed" or {file.name for file in files} >= {"sessions.sqlite", "sessions.sqlite-wal"}
        for file in files:
            for needle in needles:
                assert needle not in file.read_bytes(), f"{file.name}, {stage}"
        sessions.close()


def test_the_needles_would_be_found(tmp_path: Path) -> None:
    for number, needle in enumerate(spellings(SECRET)):
        db = sqlite3.connect(tmp_path / f"{number}.sqlite")
        db.execute("CREATE TABLE t(x)")
        db.execute("INSERT INTO t VALUES(?)", (needle,))
        db.commit()
        db.close()

        assert needle in (tmp_path / f"{number}.sqlite").read_bytes()


def test_nobody_else_may_read_the_files_whatever_the_umask(sessions: Sessions, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        begin(sessions)
    finally:
        os.umask(before)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert set(modes) == {"sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm", "sessions.sqlite.lock"}
    assert set(modes.values()) == {0o600}


def test_files_that_others_could_read_are_closed_to_them(path: Path, sessions: Sessions, tmp_path: Path) -> None:
    path.touch()
    path.chmod(0o666)

    begin(sessions)

    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_symbolic_link_is_not_followed(path: Path, sessions: Sessions, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BackendUnavailable):
        begin(sessions)

    assert not (tmp_path / "elsewhere").exists()


# --- damage and trouble -----------------------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "no database":
        path.write_bytes(b"this is no database, " * 500)
    elif how == "pages":
        path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    elif how == "another schema":
        path.unlink()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE sessions(id TEXT, user TEXT)")
        db.execute("CREATE INDEX sessions_by_use ON sessions(id, user)")
        db.commit()
        db.close()
    elif how == "values":
        db = sqlite3.connect(path)
        db.execute("UPDATE sessions SET repository = X'ff00', sealed = 'x', began = 'y', used = 'z'")
        db.commit()
        db.close()


@pytest.mark.parametrize("is_open", [False, True], ids=["at start", "while it is open"])
@pytest.mark.parametrize("how", ["no database", "pages", "cut", "empty", "gone", "another schema", "values"])
def test_where_the_database_is_damaged_people_log_in_again(
    path: Path, clock: Clock, how: str, is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = Sessions(path, clock=clock)
    cookie = begin(sessions)
    sessions.close()
    if is_open:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")  # so that no log covers what is damaged
        assert find(sessions, cookie) is not None
    damage(path, how)

    found = find(sessions, cookie)
    again = begin(sessions)

    if not (is_open and how == "values"):
        assert found is None or is_open  # what SQLite still has in memory may be right
    assert find(sessions, again) is not None
    assert find(Sessions(path, clock=clock), again) is not None
    assert SECRET not in caplog.text


def test_a_database_that_was_begun_anew_is_told_in_the_log(path: Path, sessions: Sessions, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"no database" * 1000)

    begin(sessions)

    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "everybody has to log in again" in record.getMessage()


def test_of_two_processes_that_find_it_damaged_neither_removes_what_the_other_made(path: Path, clock: Clock) -> None:
    one, two = Sessions(path, clock=clock), Sessions(path, clock=clock)
    begin(one)
    begin(two)
    damage(path, "gone")
    path.write_bytes(b"no database" * 1000)

    cookies = [begin(one), begin(two), begin(one)]

    for sessions in (one, two):
        assert [find(sessions, cookie) is not None for cookie in cookies] == [True, True, True]


def test_where_there_is_no_place_for_it_nobody_is_told_wrong(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "missing" / "sessions.sqlite")

    for ask in (lambda: begin(sessions), lambda: find(sessions, "A" * 43), lambda: sessions.end("A" * 43), sessions.end_all):
        with pytest.raises(BackendUnavailable) as caught:
            ask()
        assert str(tmp_path) not in str(caught.value)

    (tmp_path / "missing").mkdir()
    assert find(sessions, begin(sessions)) is not None


def test_a_disk_that_takes_nothing_more_logs_nobody_out(sessions: Sessions, clock: Clock, path: Path) -> None:
    cookie, idle = begin(sessions), begin(sessions)
    clock.now += IDLE - 1
    find(sessions, cookie)
    clock.now += TOUCHED + 1
    sessions._opened().execute("PRAGMA query_only = ON")  # every write fails, as on a full disk

    assert find(sessions, cookie) is not None
    assert find(sessions, idle) is None
    with pytest.raises(BackendUnavailable):
        begin(sessions)
    with pytest.raises(BackendUnavailable):
        sessions.end(cookie)


# --- several at once --------------------------------------------------------------------------------------------------

OTHER_PROCESS = """
import sys
from pathlib import Path
from pywharf.web.sessions import Sessions
sessions = Sessions(Path(sys.argv[1]), clock=lambda: float(sys.argv[2]))
found = sessions.find(sys.argv[3], sys.argv[4])
print(found.repository if found else None)
if sys.argv[5] == "end":
    sessions.end(sys.argv[3])
print(sessions.begin("other", "its secret", sys.argv[4]))
"""


def other_process(path: Path, clock: Clock, cookie: str, *, end: bool = False) -> tuple[str, str]:
    words = [sys.executable, "-c", OTHER_PROCESS, str(path), str(clock.now), cookie, CONFIGURATION, "end" if end else ""]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found, begun = subprocess.run(words, env=environ, check=True, capture_output=True, text=True).stdout.split()
    return found, begun


def test_processes_share_their_sessions(sessions: Sessions, clock: Clock, path: Path) -> None:
    cookie = begin(sessions)

    found, theirs = other_process(path, clock, cookie)
    session = find(sessions, theirs)
    assert (found, session and session.repository) == ("local", "other")

    assert other_process(path, clock, cookie, end=True)[0] == "local"
    assert find(sessions, cookie) is None


def test_a_forked_process_opens_the_database_for_itself(sessions: Sessions) -> None:
    cookie = begin(sessions)
    process = os.fork()
    if process == 0:
        try:
            found = find(sessions, cookie)
            sessions.end(cookie)
            os._exit(0 if found is not None and len(module._inherited) == 1 else 1)
        finally:
            os._exit(2)

    _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert find(sessions, cookie) is None
    assert find(sessions, begin(sessions)) is not None


def test_threads_share_one_connection_without_mixing_anything_up(sessions: Sessions) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(20):
            secret = f"secret {number} {round_}"
            found = find(sessions, begin(sessions, f"repository-{number}", secret))
            if found is None or (found.repository, found.secret) != (f"repository-{number}", secret):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert wrong == []
