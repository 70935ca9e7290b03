"""Uploads in progress: written whole or refused, gone at the end whatever happened, and swept when their process has died."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pywharf.errors import BackendUnavailable
from pywharf.files import open_lock, try_lock
from pywharf.repository import incoming as incoming_module
from pywharf.repository.incoming import Incoming, IncomingFile

UPLOADING = """
import sys, time
from pathlib import Path
from pywharf.repository.incoming import Incoming
incoming = Incoming(Path(sys.argv[1]))
with incoming.receive() as file:
    file.write(b"half an upload")
    print(file.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "incoming"


@pytest.fixture
def incoming(folder: Path) -> Incoming:
    return Incoming(folder)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def uploading(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process in the middle of an upload, and where its bytes lie."""
    process = subprocess.Popen([sys.executable, "-c", UPLOADING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


# --- one upload -------------------------------------------------------------------------------------------------------


def test_what_was_written_is_staged_with_its_digest_and_gone_at_the_end(incoming: Incoming, folder: Path) -> None:
    with incoming.receive() as file:
        for piece in (b"some", b"", b" bytes"):
            file.write(piece)
        staged = file.staged("demo", "demo-1.0.tar.gz")
        assert staged.path.read_bytes() == b"some bytes"
        assert (staged.ref.project, staged.ref.name, staged.ref.size) == ("demo", "demo-1.0.tar.gz", 10)
        assert staged.ref.sha256 == hashlib.sha256(b"some bytes").hexdigest()
        assert stat.S_IMODE(staged.path.stat().st_mode) == 0o600

    assert left(folder) == []


LARGE = [bytes([number]) * 700_000 for number in range(16)]  # as pieces; more than waits to be hashed


@pytest.mark.parametrize("expected", [(), ("md5",), ("sha256", "md5", "blake2b_256")])
@pytest.mark.parametrize("pieces", [[], [b"small"], LARGE], ids=["empty", "small", "large"])
def test_digests_are_those_of_the_bytes_expected_or_not(incoming: Incoming, pieces: list[bytes], expected: tuple[str, ...]) -> None:
    whole = b"".join(pieces)
    before = threading.active_count()
    with incoming.receive() as file:
        file.expect(expected)
        for piece in pieces:
            file.write(piece)

        assert file.digest("md5") == hashlib.md5(whole).hexdigest()
        assert file.digest("blake2b_256") == hashlib.blake2b(whole, digest_size=32).hexdigest()
        assert file.staged("demo", "x").ref.sha256 == hashlib.sha256(whole).hexdigest()
        assert file.path.read_bytes() == whole
        assert threading.active_count() - before == (len({"sha256", *expected}) if pieces is LARGE else 0)
    assert threading.active_count() == before


def write_all(file: IncomingFile) -> None:
    for piece in LARGE:
        file.write(piece)


def test_the_threads_of_an_upload_that_breaks_off_are_gone(incoming: Incoming, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "AHEAD", 1_000_000)
    before = threading.active_count()

    def upload() -> None:
        with incoming.receive() as file:
            write_all(file)
            assert threading.active_count() == before + 2
            raise BackendUnavailable("broken off")

    with pytest.raises(BackendUnavailable, match="broken off"):
        upload()
    assert threading.active_count() == before
    assert left(folder) == []


def test_an_upload_for_which_no_thread_can_be_had_is_refused(incoming: Incoming, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with incoming.receive() as file:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(BackendUnavailable, match="no thread can be started") as caught:
                write_all(file)
        assert caught.value.retry_after >= 1
    assert left(folder) == []


@pytest.mark.parametrize("error", [BackendUnavailable("refused"), KeyError(), KeyboardInterrupt(), GeneratorExit()])
def test_nothing_is_left_whatever_ends_an_upload(incoming: Incoming, folder: Path, error: BaseException) -> None:
    def upload() -> None:
        with incoming.receive() as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        upload()
    assert left(folder) == []
    assert not [name for name in os.listdir("/proc/self/fd") if str(folder) in _target(name) and not _target(name).endswith("lock")]


def test_a_backend_that_took_the_file_away_is_no_error(incoming: Incoming, folder: Path) -> None:
    with incoming.receive() as file:
        file.finish()
        file.path.unlink()

    assert left(folder) == []


def test_a_disk_without_room_is_told_and_leaves_nothing(incoming: Incoming, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with incoming.receive() as file:
        file.write(b"fits")
        monkeypatch.setattr(file, "_file", Full(file._file))
        with pytest.raises(BackendUnavailable, match="No space left on device") as caught:
            file.write(b"does not")
    assert caught.value.retry_after >= 30
    assert left(folder) == []


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    with incoming.receive() as file:
        real = file._file
        monkeypatch.setattr(file, "_file", Slow(real))
        file.write(b"0123456789" * 10)
        monkeypatch.setattr(file, "_file", real)
        assert file.staged("demo", "x").ref.size == 100
        assert file.path.read_bytes() == b"0123456789" * 10


def test_a_failed_fsync_refuses_the_upload_and_is_never_tried_again(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may have thrown the pages away: a second fsync that succeeds says nothing."""
    fsync, calls = os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    with incoming.receive() as file:
        file.write(b"bytes")
        monkeypatch.setattr(os, "fsync", failing)
        for _ in range(3):
            with pytest.raises(BackendUnavailable, match="cannot be made to last"):
                file.staged("demo", "demo-1.0.tar.gz")

    assert len(calls) == 1


def test_the_disk_is_set_to_work_while_more_comes(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "AHEAD", 1_000_000)
    lasting: list[int] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        lasting.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    with incoming.receive() as file:
        write_all(file)
        assert file._fsync is not None
        file._fsync.result(timeout=30)
        early = list(lasting)
        file.finish()

    assert early
    assert lasting[-1] == file.size
    assert len(lasting) > len(early)


def test_a_failed_fsync_on_the_way_refuses_the_upload_and_is_never_tried_again(
    incoming: Incoming, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming_module, "AHEAD", 1_000_000)
    calls: list[int] = []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    with incoming.receive() as file:
        monkeypatch.setattr(os, "fsync", failing)
        for piece in LARGE:
            file.write(piece)
            if file._fsync is not None:
                file._fsync.exception(timeout=30)
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="cannot be made to last"):
                file.staged("demo", "demo-1.0.tar.gz")

    assert len(calls) == 1
    assert left(folder) == []


def test_finishing_twice_is_one_fsync(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    with incoming.receive() as file:
        monkeypatch.setattr(os, "fsync", calls.append)
        file.finish()
        file.finish()
        file.staged("demo", "x")

    assert len(calls) == 1


def test_a_file_that_cannot_be_removed_does_not_undo_what_was_done(
    incoming: Incoming, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stuck(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with incoming.receive():
        monkeypatch.setattr(Path, "unlink", stuck)
    monkeypatch.undo()

    assert "Read-only file system" in caplog.text


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_text("in the way")

    with pytest.raises(BackendUnavailable, match="no upload can be received"), Incoming(tmp_path / "incoming").receive():
        pass


# --- one process, one folder ------------------------------------------------------------------------------------------


def test_uploads_of_one_process_share_a_private_folder_that_it_holds(incoming: Incoming, folder: Path) -> None:
    with incoming.receive() as one, incoming.receive() as two:
        assert one.path.parent == two.path.parent
        assert one.path != two.path
        assert stat.S_IMODE(one.path.parent.stat().st_mode) == 0o700
        lock = open_lock(one.path.parent / "lock")
        assert not try_lock(lock)
        os.close(lock)


def test_a_folder_that_somebody_swept_is_made_again_without_leaking(incoming: Incoming, folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with incoming.receive() as file:
            mine = file.path.parent
        for path in mine.iterdir():
            path.unlink()
        mine.rmdir()
    with incoming.receive() as file:
        file.write(b"works")

    assert len(os.listdir("/proc/self/fd")) == before + 1  # the lock


def test_a_moments_trouble_with_the_disk_does_not_let_go_of_uploads_in_progress(
    incoming: Incoming, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: object) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with incoming.receive() as file:
        with monkeypatch.context() as trouble:
            trouble.setattr(incoming_module.os, "stat", fail)
            with pytest.raises(BackendUnavailable, match="no upload can be received"), incoming.receive():
                pass
        assert Incoming(folder).sweep() == 0
        with incoming.receive() as another:
            assert another.path.parent == file.path.parent


def test_closing_leaves_neither_folder_nor_descriptor(incoming: Incoming, folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with incoming.receive():
        pass
    incoming.close()
    incoming.close()

    assert list(folder.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_has_a_folder_of_its_own(incoming: Incoming, folder: Path) -> None:
    with incoming.receive() as file:
        child = os.fork()
        if not child:
            status = 1
            try:
                with incoming.receive() as theirs:
                    status = 0 if theirs.path.parent != file.path.parent else 2
                incoming.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert file.path.exists()
    assert len(list(folder.iterdir())) == 1


# --- the sweep --------------------------------------------------------------------------------------------------------


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(incoming: Incoming, folder: Path) -> None:
    dead, dead_file = uploading(folder)
    living, living_file = uploading(folder)
    try:
        with incoming.receive() as mine:
            assert incoming.sweep() == 0
            dead.send_signal(signal.SIGKILL)
            dead.wait()
            assert dead_file.exists()

            assert Incoming(folder).sweep() == 1

            assert not dead_file.parent.exists()
            assert living_file.exists()
            assert mine.path.exists()
    finally:
        end(dead)
        end(living)


def test_who_receives_something_sweeps_before_also_where_nobody_started_a_server(incoming: Incoming, folder: Path) -> None:
    killed, _ = uploading(folder)
    living, theirs = uploading(folder)
    try:
        end(killed)
        with incoming.receive() as file:
            assert {path.parent for path in folder.rglob("*") if path.name != "lock" and path.is_file()} == {
                theirs.parent,
                file.path.parent,
            }
    finally:
        end(living)


def test_a_folder_in_the_making_is_left_alone_while_it_is_young(incoming: Incoming, folder: Path) -> None:
    incoming.sweep()
    (folder / ".123-0123abcd").mkdir()
    assert incoming.sweep() == 0

    old = time.time() - incoming_module.YOUNG - 1
    os.utime(folder / ".123-0123abcd", (old, old))
    assert incoming.sweep() == 1
    assert list(folder.iterdir()) == []


def test_what_is_not_ours_survives_the_sweep(incoming: Incoming, folder: Path, tmp_path: Path) -> None:
    incoming.sweep()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("precious")
    (folder / "notes").mkdir()
    (folder / "notes" / "precious").write_text("precious")
    (folder / "7-01234567").symlink_to(elsewhere)
    (folder / "8-01234567").write_text("a file")
    (folder / ".hidden").mkdir()
    (folder / "9-01234567").mkdir()
    (folder / "9-01234567" / "lock").symlink_to(elsewhere / "precious")
    old = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (old, old), follow_symlinks=False)

    assert incoming.sweep() == 0

    assert (elsewhere / "precious").read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == [".hidden", "7-01234567", "8-01234567", "9-01234567", "notes"]


class Full:
    """A file on a disk without room."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Slow(Full):
    """A file that takes three bytes at a time."""

    def write(self, data: bytes) -> int:
        return int(self._file.write(data[:3]))


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
