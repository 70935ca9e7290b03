"""The names that are never sent to the extra index again: appended, lasting, and read back whole."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from pywharf.repository.names_seen import NamesSeen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names" / "local"


def names(path: Path, start: int = 0) -> list[str]:
    return [name for name, _ in NamesSeen(path).read(start)]


def test_names_are_read_back_in_the_order_they_were_added(path: Path) -> None:
    NamesSeen(path).add(["demo", "acme-core"])
    NamesSeen(path).add(["later"])

    assert names(path) == ["demo", "acme-core", "later"]
    assert path.read_text() == "demo\nacme-core\nlater\n"


def test_nobody_else_can_read_the_file_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        NamesSeen(path).add(["demo"])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_without_a_file_there_are_no_names(path: Path) -> None:
    assert names(path) == []
    assert NamesSeen(path).size() == 0


def test_reading_goes_on_where_it_stopped(path: Path) -> None:
    NamesSeen(path).add(["demo", "acme"])
    *_, (_, end) = NamesSeen(path).read()
    NamesSeen(path).add(["later"])

    assert names(path, end) == ["later"]
    assert end < NamesSeen(path).size()


@pytest.mark.parametrize("torn", [b"tor", b"\0\0\0\0", b"\xff\xfe"])
def test_a_line_that_a_crash_tore_is_not_read_and_spoils_no_later_one(path: Path, torn: bytes) -> None:
    NamesSeen(path).add(["demo"])
    with path.open("ab") as file:
        file.write(torn)

    assert names(path) == ["demo"]
    NamesSeen(path).add(["later"])

    assert names(path)[0] == "demo"
    assert names(path)[-1] == "later"


def test_adding_nothing_ends_a_torn_line(path: Path) -> None:
    NamesSeen(path).add(["demo"])
    with path.open("ab") as file:
        file.write(b"tor")
    NamesSeen(path).add(())

    assert names(path) == ["demo", "tor"]
    size = NamesSeen(path).size()
    NamesSeen(path).add(())
    assert NamesSeen(path).size() == size


def test_a_name_is_written_before_it_is_fsynced_and_fsynced_before_add_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(path.read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    NamesSeen(path).add(["demo"])

    assert synced == [b"demo\n"]


def test_a_disk_in_trouble_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)

    with pytest.raises(OSError, match="Input/output error"):
        NamesSeen(path).add(["demo"])


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        NamesSeen(path).add(["demo"])


def test_threads_that_add_at_once_lose_nothing(path: Path) -> None:
    NamesSeen(path).add(["first"])
    threads = [threading.Thread(target=NamesSeen(path).add, args=([f"demo-{number}-{more}" for more in range(20)],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(names(path)) == sorted(["first", *(f"demo-{number}-{more}" for number in range(8) for more in range(20))])
