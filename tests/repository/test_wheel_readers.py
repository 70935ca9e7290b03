"""Whoever reads a wheel that was taken, and from whichever end, finds the same files with the same content."""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pywharf.repository.archives.zip_members import ZipArchive

from .corpus.case import CorpusCase
from .corpus.wheels import ACCEPTED

Files = dict[str, str]  # sha256 by name


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def by_directory(wheel: Path) -> Files:
    """As Python's `zipfile` and pip read it: from its end."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {info.filename: sha256(archive.read(info)) for info in archive.infolist() if not info.is_dir()}


def by_local_headers(wheel: Path) -> Files:
    """As one reads it who gets it byte by byte: from its beginning, and without the directory."""
    file = io.BytesIO(wheel.read_bytes())
    found: Files = {}
    while (signature := file.read(4)) == b"PK\x03\x04":
        _, flags, method, _, _, crc, compressed, size, name_bytes, extra_bytes = struct.unpack("<5H3L2H", file.read(26))
        name, extra = file.read(name_bytes).decode(), file.read(extra_bytes)
        wide = next((extra[at + 4 : at + 20] for at in range(len(extra) - 3) if extra[at : at + 4] == b"\x01\0\x10\0"), b"")
        if size == compressed == 0xFFFFFFFF:
            size, compressed = struct.unpack("<2Q", wide)
        if method == 0:
            assert not flags & 8 or size == 0
            data = file.read(compressed)
        else:
            start, inflater = file.tell(), zlib.decompressobj(-15)
            data = inflater.decompress(file.read())
            assert inflater.eof
            end = len(file.getvalue()) - len(inflater.unused_data)
            assert flags & 8 or end - start == compressed
            file.seek(end)
        if flags & 8:
            signature, crc, _, size = struct.unpack("<4sL2Q", file.read(24)) if wide else struct.unpack("<4s3L", file.read(16))
            assert signature == b"PK\x07\x08"
        assert (zlib.crc32(data), len(data)) == (crc, size)
        if not name.endswith("/"):
            assert name not in found
            found[name] = sha256(data)
    assert signature == b"PK\x01\x02"
    return found


def by_command(*command: str) -> Callable[[Path], Files]:
    def unpacked(wheel: Path) -> Files:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        target = wheel.parent / "unpacked"
        target.mkdir()
        words = [word.format(wheel=wheel, target=target) for word in command]
        run = subprocess.run(words, env={"PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        assert not run.stderr
        return {path.relative_to(target).as_posix(): sha256(path.read_bytes()) for path in target.rglob("*") if path.is_file()}

    return unpacked


READERS = [
    pytest.param(by_directory, id="zipfile"),
    pytest.param(by_local_headers, id="local-headers"),
    pytest.param(by_command("unzip", "-q", "{wheel}", "-d", "{target}"), id="unzip", marks=pytest.mark.any_python),
    pytest.param(by_command("bsdtar", "-x", "-f", "{wheel}", "-C", "{target}"), id="bsdtar", marks=pytest.mark.any_python),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_every_reader_finds_what_admission_has_hashed(case: CorpusCase, read: Callable[[Path], Files], tmp_path: Path) -> None:
    wheel = tmp_path / case.filename
    wheel.write_bytes(case.make())

    with ZipArchive(wheel) as archive:
        assert read(wheel) == {name: digest.hex() for name, digest in archive.digests.items()}
