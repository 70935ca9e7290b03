"""Files written whole, folders nobody else can read, and locks that the kernel frees."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pywharf.files import locked, make_folder, open_lock, try_lock, write_whole

# Another process that takes a lock, says so, and holds it until its input ends or it is killed.
HOLDER = """
import sys
from pathlib import Path
from pywharf.files import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[0o000, 0o022, 0o077], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Modes of new files may not depend on it."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- write_whole ---------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    write_whole(path, b"old" * 1000)
    write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["config.toml"]


def test_a_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    write_whole(tmp_path / "private", b"secret")
    write_whole(tmp_path / "public", b"", mode=0o444)

    assert mode_of(tmp_path / "private") == 0o600
    assert mode_of(tmp_path / "public") == 0o444


def test_a_file_that_others_could_read_is_private_once_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"old")
    path.chmod(0o644)

    write_whole(path, b"new")

    assert mode_of(path) == 0o600


def test_a_symbolic_link_is_replaced_and_what_it_leads_to_is_untouched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(victim)

    write_whole(tmp_path / "link", b"new")

    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    write_whole(path, contents[0])
    done = threading.Event()
    torn: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            if (content := path.read_bytes()) not in contents:
                torn.append(content)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(50):
        write_whole(path, contents[turn % 2])
    done.set()
    reader.join()

    assert not torn


class FaultyFile:
    """A file object whose disk is full."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __enter__(self) -> FaultyFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()

    def fileno(self) -> int:
        return int(self.file.fileno())

    def write(self, data: bytes) -> int:
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "injected")


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, "injected")

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["open", "fchmod", "write", "fsync", "rename"])
def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr("builtins.open", lambda *arguments, real=open: FaultyFile(real(*arguments)))
        else:
            patch.setattr(os, call, failing(code))
        with pytest.raises(OSError, match="injected"):
            write_whole(path, b"new" * 10_000)

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_fsync_of_the_folder_is_told_and_the_new_content_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    with monkeypatch.context() as patch:
        patch.setattr("pywharf.files.fsync_folder", failing(errno.EIO))
        with pytest.raises(OSError, match="injected"):
            write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_the_file_is_on_disk_before_its_name_is_and_the_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def recorded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name + (" folder" if name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else ""))
            return real(*arguments, **options)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    write_whole(tmp_path / "file", b"new")

    assert calls == ["fsync", "rename", "fsync folder"]


def test_no_descriptor_is_left_open_whether_it_works_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", b"old")
    before = len(os.listdir("/dev/fd"))

    write_whole(tmp_path / "file", b"new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing(errno.EIO))
        with pytest.raises(OSError, match="injected"):
            write_whole(tmp_path / "file", b"newer")

    assert len(os.listdir("/dev/fd")) == before


# --- make_folder ---------------------------------------------------------------------------------------------------


def test_folders_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    make_folder(tmp_path / "a" / "b" / "c")

    assert [mode_of(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)

    make_folder(tmp_path / "shared")

    assert mode_of(tmp_path / "shared") == 0o755


def test_many_may_make_one_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c" / "d"
    problems: list[BaseException] = []

    def make() -> None:
        try:
            make_folder(folder)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert folder.is_dir()
    assert not problems


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_in_the_way_of_a_folder_is_an_error_and_not_passed_over(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "folder").write_bytes(b"")
    else:
        (tmp_path / "folder").symlink_to(tmp_path / "nowhere")

    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "folder")


def test_where_not_even_the_working_folder_can_be_looked_at_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user who was given another one's: the search for a parent that is there comes to its end."""
    asked: list[object] = []

    def closed(path: object) -> bool:
        asked.append(path)
        assert len(asked) < 10
        return False

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patching:
        patching.setattr(os.path, "isdir", closed)
        patching.setattr(os, "stat", refuse)
        with pytest.raises(PermissionError):
            make_folder(Path("a", "b"))


# --- locks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start another process that holds the lock; each is ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(path: Path, kind: str = "exclusive") -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.any_python
def test_a_lock_keeps_other_processes_out_until_it_is_freed(tmp_path: Path, hold: Callable[..., subprocess.Popen[bytes]]) -> None:
    lock = tmp_path / "lock"
    holder = hold(lock)

    with pytest.raises(TimeoutError, match="lock"), locked(lock, timeout=0.05):
        pytest.fail("taken twice")
    holder.communicate()
    with locked(lock, timeout=30):
        pass


def test_the_kernel_frees_the_lock_of_a_dead_process(tmp_path: Path, hold: Callable[..., subprocess.Popen[bytes]]) -> None:
    holder = hold(tmp_path / "lock")

    holder.send_signal(signal.SIGKILL)

    with locked(tmp_path / "lock", timeout=30):
        pass


def test_many_share_a_lock_and_one_who_wants_it_alone_waits(tmp_path: Path, hold: Callable[..., subprocess.Popen[bytes]]) -> None:
    lock = tmp_path / "lock"
    hold(lock, "shared")

    with locked(lock, shared=True, timeout=30), pytest.raises(TimeoutError), locked(lock, timeout=0.05):
        pytest.fail("taken alone while others share it")


def test_a_lock_keeps_other_threads_of_the_same_process_out(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with locked(lock):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 80


def test_a_lock_is_freed_when_its_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        _ = 1 / 0
    with locked(tmp_path / "lock", timeout=0):
        pass


def test_a_lock_somebody_holds_is_not_taken_and_not_waited_for(tmp_path: Path) -> None:
    first, second = open_lock(tmp_path / "lock"), open_lock(tmp_path / "lock")

    assert try_lock(first)
    assert not try_lock(second)
    assert not try_lock(second, shared=True)
    os.close(first)
    assert try_lock(second)
    os.close(second)


def test_a_lock_file_is_private_and_never_reached_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "link").symlink_to(victim)

    with pytest.raises(OSError, match="symbolic") as caught:
        open_lock(tmp_path / "link")
    os.close(open_lock(tmp_path / "lock"))

    assert caught.value.errno == errno.ELOOP
    assert not victim.exists()
    assert mode_of(tmp_path / "lock") == 0o600


def test_a_lock_is_not_passed_on_to_a_program_that_is_started_while_it_is_held(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with locked(tmp_path / "lock", timeout=30):
            pass
    finally:
        child.kill()
        child.wait()
