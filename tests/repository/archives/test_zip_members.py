"""The members of a ZIP archive, which is held in memory where it is small."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pywharf.repository.archives import zip_members
from pywharf.repository.archives.zip_members import ZipArchive
from pywharf.testing.distributions import make_wheel


@pytest.fixture(params=["memory", "disk"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZipArchive:
    wheel = make_wheel("demo", "1.0", files={"demo/__init__.py": "x = 1", "demo/data.bin": bytes(range(256)) * 500})
    path = tmp_path / wheel.filename
    path.write_bytes(wheel.data)
    if request.param == "disk":
        monkeypatch.setattr(zip_members, "SMALL", len(wheel.data) - 1)
    return ZipArchive(path)


def test_an_archive_is_the_same_from_memory_and_from_the_disk(archive: ZipArchive) -> None:
    with archive:
        assert archive.begin(4) == b"PK\x03\x04"
        assert [entry.text for entry in archive.entries] == archive.names
        assert archive.read("demo/__init__.py") == b"x = 1"
        assert archive.read("demo/data.bin") == bytes(range(256)) * 500
        assert [member.entry.text for member in archive.members] == list(archive.digests) == archive.names
        assert archive.directory.file_bytes == archive.directory.end.end


class Dribbling(io.FileIO):
    """A file on a network: what it gives at a time may be less than was asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(100 if size is None or size < 0 else min(size, 100))


class OnANetwork(type(Path())):  # type: ignore[misc]
    def open(self, *arguments: object, **options: object) -> Dribbling:
        return Dribbling(self)


def test_an_archive_that_comes_in_pieces_is_read_whole(tmp_path: Path) -> None:
    wheel = make_wheel("demo", "1.0", files={"demo/__init__.py": "x = 1"})
    (tmp_path / wheel.filename).write_bytes(wheel.data)

    with ZipArchive(OnANetwork(tmp_path / wheel.filename)) as archive:
        assert archive.read("demo/__init__.py") == b"x = 1"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell what is open")
def test_what_was_read_into_memory_is_no_longer_open(archive: ZipArchive, tmp_path: Path) -> None:
    with archive:
        archive.begin(4)
        (path,) = tmp_path.iterdir()
        opened = [link for link in Path("/proc/self/fd").glob("*") if link.exists() and link.samefile(path)]
        assert len(opened) == (path.stat().st_size > zip_members.SMALL)
