from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pywharf_github.cache import FileCache

from pywharf.backend.interface import FileRef, StagedFile
from pywharf.errors import BackendUnavailable

Write = Callable[[bytes], object]


class Host:
    """Where bodies come from, counting."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def body(self, number: int, size: int = 100) -> tuple[str, bytes]:
        body = b"%d" % number + b"-" * (size - len(b"%d" % number))
        return hashlib.sha256(body).hexdigest(), body

    def get(self, cache: FileCache, number: int, size: int = 100) -> bytes:
        key, body = self.body(number, size)

        def fetch(write: Write) -> None:
            self.asked.append(key)
            self.before()
            for at in range(0, size, 40):
                write(body[at : at + 40])

        with cache.open(key, size) or cache.fetch(key, size, key, fetch) as opened:
            return opened.read()


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.glob("??/*") if path.is_file()]


def test_a_body_is_fetched_once(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)

    assert host.get(cache, 1) == host.get(cache, 1) == host.get(FileCache(folder, 10_000), 1) == host.body(1)[1]
    assert len(host.asked) == 1


def test_no_other_program_is_told_where_a_body_lies_since_it_may_be_gone_any_moment(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)
    host.get(cache, 1)

    with cache.open(host.body(1)[0], 100) as body:  # type: ignore[union-attr]
        assert body.path is None


def test_many_readers_of_one_body_wait_for_one_fetch(folder: Path, host: Host) -> None:
    caches = [FileCache(folder, 10_000), FileCache(folder, 10_000)]  # as two processes have
    start = threading.Barrier(8)

    def read(number: int) -> bytes:
        start.wait(30)
        return host.get(caches[number % 2], 1)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(8))) == {host.body(1)[1]}
    assert len(host.asked) == 1


def test_a_body_that_is_another_one_is_never_served(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)
    key, body = host.body(1)

    for wrong in (host.body(2)[1], body[:-1], body + b"-"):
        with pytest.raises(BackendUnavailable, match="not the file"):
            cache.fetch(key, len(body), key, lambda write, wrong=wrong: write(wrong))  # type: ignore[misc]
    assert not kept(folder)
    assert host.get(cache, 1) == body


def test_a_fetch_that_breaks_off_leaves_nothing(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)

    def fail() -> None:
        raise BackendUnavailable("it hung up")

    host.before = fail
    with pytest.raises(BackendUnavailable, match="hung up"):
        host.get(cache, 1)
    assert not kept(folder)
    assert not list(folder.glob("partial/*.part"))


def test_what_a_crash_left_half_fetched_is_removed(folder: Path, host: Host) -> None:
    host.get(FileCache(folder, 10_000), 1)
    (folder / "partial" / "lock-00.0123456789abcdef.part").write_bytes(b"half")

    host.get(FileCache(folder, 10_000), 2)

    assert not list(folder.glob("partial/*.part"))


def test_a_cached_body_of_another_size_is_fetched_again(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)
    host.get(cache, 1)
    (path,) = kept(folder)
    path.write_bytes(b"torn")

    assert host.get(cache, 1) == host.body(1)[1]


def test_the_cache_stays_within_its_bound_and_keeps_what_was_used_last(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 1000)
    for number in range(8):
        host.get(cache, number)
        for path in kept(folder):
            os.utime(path, (number, number) if path.name == host.body(number)[0] else None)
    os.utime(folder / host.body(3)[0][:2] / host.body(3)[0], (10**9, 10**9))
    for number in range(20, 50):
        host.get(cache, number)
        host.get(cache, 3)
        assert sum(path.stat().st_size for path in kept(folder)) <= 1000

    assert host.asked.count(host.body(3)[0]) == 1


def test_what_was_uploaded_here_stays_within_the_bound_though_nothing_was_ever_fetched(folder: Path, host: Host, tmp_path: Path) -> None:
    cache = FileCache(folder, 1000)
    for number in range(30):
        key, body = host.body(number)
        staged = tmp_path / f"staged-{number}"
        staged.write_bytes(body)
        cache.adopt(StagedFile(FileRef("demo", f"demo-{number}", key, len(body)), staged))

    assert 500 <= sum(path.stat().st_size for path in kept(folder)) <= 1000


def test_two_processes_together_stay_near_the_bound(folder: Path, host: Host) -> None:
    caches = [FileCache(folder, 4000), FileCache(folder, 4000)]
    for number in range(200):
        host.get(caches[number % 2], number)
        assert sum(path.stat().st_size for path in kept(folder)) <= 4100


def test_a_fetch_that_the_disk_has_no_room_for_leaves_nothing(folder: Path) -> None:
    """In a process of its own, whose files may not grow: what is buffered cannot be written at the end either."""
    script = """
        import pathlib, resource, sys
        from pywharf_github.cache import FileCache
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            FileCache(pathlib.Path(sys.argv[1]), 10**9).fetch("aa" * 32, 50_000, "", lambda write: [write(b"x" * 1000) for _ in range(50)])
        except OSError as error:
            print(error.strerror)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(folder)], stdout=subprocess.PIPE, check=True, text=True)

    assert done.stdout.strip() == os.strerror(errno.EFBIG)
    assert [path.name for path in (folder / "partial").iterdir() if path.name.endswith(".part")] == []


def test_where_the_disk_is_full_the_cache_gives_way(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 10_000)
    for number in range(8):
        host.get(cache, number)
        os.utime(folder / host.body(number)[0][:2] / host.body(number)[0], (number, number))

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def nearly_full() -> None:
        if sum(path.stat().st_size for path in kept(folder)) > 700:
            full()

    host.before = nearly_full

    assert host.get(cache, 9) == host.body(9)[1]
    assert {path.name for path in kept(folder)} == {host.body(number)[0] for number in (1, 2, 3, 4, 5, 6, 7, 9)}  # 0 was unused for longest
    host.before = full
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        host.get(cache, 10)
    assert list((folder / "partial").glob("*.part")) == []


def test_a_reader_keeps_what_it_has_open_when_it_is_removed(folder: Path, host: Host) -> None:
    cache = FileCache(folder, 1000)
    host.get(cache, 1)
    with cache.open(host.body(1)[0], 100) or pytest.fail("not there") as body:
        for number in range(2, 30):
            host.get(cache, number)
        assert not (folder / host.body(1)[0][:2] / host.body(1)[0]).exists()
        assert body.read() == host.body(1)[1]


@pytest.mark.parametrize("bound", [0, 500])
def test_a_body_larger_than_the_cache_is_verified_served_and_not_kept(folder: Path, host: Host, bound: int) -> None:
    cache = FileCache(folder, bound)

    assert host.get(cache, 1, 600) == host.body(1, 600)[1]
    assert not kept(folder)
    assert not list(folder.glob("partial/*.part"))


def test_a_body_is_kept_private_and_what_was_uploaded_here_needs_no_fetch(folder: Path, host: Host, tmp_path: Path) -> None:
    cache = FileCache(folder, 1000)
    key, body = host.body(1)
    staged = tmp_path / "staged"
    staged.write_bytes(body)

    cache.adopt(StagedFile(FileRef("demo", "demo-1", key, len(body)), staged))
    staged.unlink()
    host.get(cache, 2)

    assert host.get(cache, 1) == body
    assert host.asked == [host.body(2)[0]]
    assert {path.stat().st_mode & 0o077 for path in kept(folder) if path.name != key} == {0}
