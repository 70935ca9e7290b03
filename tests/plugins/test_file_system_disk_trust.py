"""A disk that did not take what was written gets nothing more to keep before it was seen to work again; reading goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pywharf_file_system import disk_trust as disk_trust_module
from pywharf_file_system import plugin

from pywharf.backend.interface import Access, Backend, Change
from pywharf.errors import BackendUnavailable
from pywharf.testing.backend_suite import DOCUMENT, Reader, StorageUnderTest, content, current


class Folder(StorageUnderTest):
    def open(self, access: Access = Access.WRITE) -> Backend:
        return plugin.open(plugin.config_model.model_validate({"write_secret": "w"}), None, self.folder)

    @property
    def root(self) -> Path:
        return self.folder / "storage"

    def keys(self) -> set[str]:
        return {key for _, key in Reader(self.open()).documents()}


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    storage = Folder(tmp_path)
    storage.publish("demo", "demo-1", b"first")
    return storage


class Failing:
    """Lets fsync fail while a test says so."""

    def __init__(self) -> None:
        self.number = 0  # errno; 0: it works
        self.times = 10**9
        self.seen: list[str] = []

    def between(self, fsync: Callable[[int], None]) -> Callable[[int], None]:
        def maybe(descriptor: int) -> None:
            self.seen.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
            if self.number and self.times:
                self.times -= 1
                raise OSError(self.number, os.strerror(self.number), "/a/path")
            fsync(descriptor)

        return maybe


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell which file a descriptor is")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    failing = Failing()
    monkeypatch.setattr(os, "fsync", failing.between(os.fsync))
    return failing


def test_while_the_disk_fails_every_change_is_refused_in_every_process_and_reading_goes_on(storage: Folder, failing: Failing) -> None:
    file = storage.publish("demo", "demo-2", b"second")
    seen = current(storage.open())
    failing.number = errno.EIO
    for number in range(3):  # each instance is what another process has
        with pytest.raises(BackendUnavailable):
            storage.open().commit(Change("demo", {f"refused-{number}": DOCUMENT}), seen)
    failing.number = 0

    assert storage.keys() == {"demo-1", "demo-2"}
    assert content(storage.open(), file) == b"second"
    assert "failed to take" in storage.open().read_changes(seen).doubt


def test_a_probe_goes_before_the_next_change_and_writes_the_journals_end_once_more(
    storage: Folder, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that the system forgot to write is only written if somebody writes to it again."""
    failing.number, failing.times = errno.EIO, 1
    before = (storage.root / "journal.jsonl").read_bytes()
    with pytest.raises(BackendUnavailable):
        storage.open().read_changes(None)
    failing.seen.clear()
    written: list[tuple[int, bytes]] = []
    pwrite = os.pwrite

    def watched(descriptor: int, data: bytes, offset: int) -> int:
        written.append((offset, bytes(data)))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", watched)
    storage.publish("demo", "demo-2")

    assert written == [(0, before)]
    assert failing.seen[:4] == ["journal.jsonl", "journal.jsonl", ".probe", "storage"]  # the first is the reader's, before the change
    assert not (storage.root / ".probe").exists()
    assert storage.open().read_changes(None).doubt == ""
    assert storage.keys() == {"demo-1", "demo-2"}


def test_a_failed_probe_refuses_and_is_not_made_with_each_request(
    storage: Folder, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, backend = current(storage.open()), storage.open()
    failing.number = errno.EIO
    for _ in range(20):
        with pytest.raises(BackendUnavailable) as raised:
            backend.commit(Change("demo", {"refused": DOCUMENT}), seen)
    assert len(failing.seen) < 12
    assert raised.value.retry_after >= 1

    failing.number = 0
    with pytest.raises(BackendUnavailable):
        backend.commit(Change("demo", {"refused": DOCUMENT}), seen)
    monkeypatch.setattr(disk_trust_module, "PAUSE", 0.0)
    backend.commit(Change("demo", {"taken": DOCUMENT}), seen)
    assert storage.keys() == {"demo-1", "taken"}


def test_a_restart_does_not_make_the_disk_a_good_one(storage: Folder, failing: Failing) -> None:
    seen = current(storage.open())
    failing.number = errno.EIO
    with pytest.raises(BackendUnavailable):
        storage.open().read_changes(None)

    with pytest.raises(BackendUnavailable, match="until it was seen to work again"):
        storage.open().commit(Change("demo", {"refused": DOCUMENT}), seen)


def test_a_full_disk_is_no_broken_one(storage: Folder, failing: Failing) -> None:
    seen = current(storage.open())
    failing.number = errno.ENOSPC
    with pytest.raises(BackendUnavailable):
        storage.open().commit(Change("demo", {"refused": DOCUMENT}), seen)
    failing.number = 0

    assert storage.open().read_changes(None).doubt == ""
    storage.publish("demo", "demo-2")


def test_where_not_even_that_can_be_written_down_it_is_remembered(
    storage: Folder, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ = os.open

    def refuse(path: Path, *arguments: int, **options: int) -> int:
        if Path(path).name == "disk_failed":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    backend, seen = storage.open(), current(storage.open())
    failing.number = errno.EIO
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            backend.commit(Change("demo", {"refused": DOCUMENT}), seen)
    failing.number = 0

    assert not (storage.folder / "disk_failed").exists()
    assert "failed to take" in backend.read_changes(seen).doubt


def test_the_log_tells_it_once_and_its_end_once(storage: Folder, failing: Failing, caplog: pytest.LogCaptureFixture) -> None:
    seen = current(storage.open())
    failing.number, failing.times = errno.EIO, 2  # of the line, and of taking it back
    with pytest.raises(BackendUnavailable):
        storage.open().commit(Change("demo", {"refused": DOCUMENT}), seen)
    failing.number = 0
    storage.publish("demo", "demo-2")
    storage.publish("demo", "demo-3")

    told = [record.getMessage() for record in caplog.records if "disk" in record.name]
    assert [message.split(" ")[:3] for message in told] == [["its", "disk", "failed"], ["the", "disk", "works"]]
