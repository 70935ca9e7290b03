"""METADATA and PKG-INFO come out of honest archives byte for byte, and every other archive is refused in words and within limits."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywharf.errors import UploadRejected
from pywharf.model.names import parse_filename
from pywharf.repository.archives import limits
from pywharf.repository.archives.metadata_file import read_core_metadata
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

WHEEL = "demo-1.0-py3-none-any.whl"
TAR = "demo-1.0.tar.gz"
ZIP = "demo-1.0.zip"
METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"

Read = Callable[[str, bytes], bytes]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_from(filename: str, data: bytes) -> bytes:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return read_core_metadata(path, parse_filename(filename))

    return read_from


def refused(read: Read, filename: str, data: bytes) -> str:
    with pytest.raises(UploadRejected) as caught:
        read(filename, data)
    assert caught.value.field == "content"
    assert caught.value.reason.isprintable()
    return caught.value.reason


def zipped(members: list[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return out.getvalue()


def tarred(members: list[tuple[str, bytes]], *, format_: int = tarfile.PAX_FORMAT, **attributes: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def wheel(metadata: bytes = METADATA, *, folder: str = "demo-1.0.dist-info", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    return zipped([("demo.py", b""), (f"{folder}/METADATA", metadata), (f"{folder}/WHEEL", b"")], method=method)


# --- honest archives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution",
    [
        make_wheel("demo", "1.0"),
        make_wheel("Acme.Demo-Pkg", "1!2.0rc1+local.7", description="Größe ✓\r\n\r\n\x0c end"),
        make_wheel("demo", "1.0", build="2_x", tag="py2.py3-none-any"),
        make_wheel("Demo.Pkg", "1.0", filename="Demo.Pkg-1.0-py3-none-any.whl"),
        make_sdist("Acme.Demo-Pkg", "1.0.post1"),
        make_sdist("Demo.Pkg", "1.0", filename="Demo.Pkg-1.0.tar.gz"),
        make_sdist("demo", "1.0", suffix=".zip", description="x" * 100_000),
    ],
    ids=lambda distribution: distribution.filename,
)
def test_the_metadata_comes_out_byte_for_byte(read: Read, distribution: Distribution) -> None:
    assert read(distribution.filename, distribution.data) == distribution.metadata


@pytest.mark.parametrize("folder", ["demo-1.0.dist-info", "Demo-1.dist-info", "DEMO-1.0.0.dist-info"])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_dist_info_folder_may_be_spelled_otherwise(read: Read, folder: str, method: int) -> None:
    assert read(WHEEL, wheel(folder=folder, method=method)) == METADATA


def test_a_zip_with_a_comment_sizes_after_the_data_and_64_bit_records_is_read(read: Read) -> None:
    class Forward(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    out = Forward()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"made by hand"
        with archive.open("demo-1.0.dist-info/METADATA", "w", force_zip64=True) as member:
            member.write(METADATA)

    assert read(WHEEL, out.getvalue()) == METADATA


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_every_format_of_tar_is_read_with_long_and_unicode_names_before_the_metadata(read: Read, format_: int, prefix: str) -> None:
    long = "ü" * 40 if format_ == tarfile.USTAR_FORMAT else "ü" * 200
    members = [
        (f"{prefix}demo-1.0/{long}", b"x" * 5000),
        (f"{prefix}demo-1.0/demo.egg-info/PKG-INFO", b"inner"),
        (f"{prefix}demo-1.0/PKG-INFO", METADATA),
    ]

    assert read(TAR, tarred(members, format_=format_)) == METADATA
    assert read(TAR, tarred(members, format_=format_, mtime=1.5)) == METADATA


def test_folders_links_and_a_comment_for_all_members_are_passed_over(read: Read) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", pax_headers={"comment": "0123456789"}) as archive:
        for name, type_, target in [
            ("demo-1.0", tarfile.DIRTYPE, ""),
            ("demo-1.0/link", tarfile.SYMTYPE, "PKG-INFO" * 20),
            ("demo-1.0/hard", tarfile.LNKTYPE, "PKG-INFO" * 20),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = type_, target
            archive.addfile(info)
        info = tarfile.TarInfo("demo-1.0/PKG-INFO")
        info.size = len(METADATA)
        archive.addfile(info, io.BytesIO(METADATA))

    assert read(TAR, gzip.compress(out.getvalue())) == METADATA


@pytest.mark.parametrize("kept", [150_000, -9, -8, -1])
def test_a_tar_that_is_cut_off_behind_its_metadata_is_refused(read: Read, kept: int) -> None:
    """An upload or a copy that is still under way must not take the name of the whole file."""
    data = tarred([("demo-1.0/PKG-INFO", METADATA), ("demo-1.0/rest", random.Random(1).randbytes(300_000))])

    assert read(TAR, data) == METADATA
    assert "cut off" in refused(read, TAR, data[:kept])


def test_a_tar_with_a_wrong_checksum_is_refused(read: Read) -> None:
    data = tarred([("demo-1.0/PKG-INFO", METADATA), ("demo-1.0/rest", b"rest")])

    assert "damaged" in refused(read, TAR, data[:-8] + bytes(4) + data[-4:])


# --- archives that are not what the file's name says ----------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="empty"),
        pytest.param([("demo.py", b"")], id="no dist-info"),
        pytest.param([("demo-1.0.dist-info/WHEEL", b"")], id="no METADATA"),
        pytest.param([("demo-1.0.dist-info/metadata", METADATA)], id="lower case"),
        pytest.param([("sub/demo-1.0.dist-info/METADATA", METADATA)], id="not at the top"),
        pytest.param([("/demo-1.0.dist-info/METADATA", METADATA)], id="absolute"),
        pytest.param([("other-1.0.dist-info/METADATA", METADATA)], id="another project"),
        pytest.param([("demo-2.0.dist-info/METADATA", METADATA)], id="another version"),
        pytest.param([("demo.dist-info/METADATA", METADATA)], id="no version"),
        pytest.param([("demo-1.0.dist-info/METADATA", METADATA), ("other-1.0.dist-info/METADATA", METADATA)], id="two projects"),
        pytest.param([("demo-1.0.dist-info/METADATA", METADATA), ("Demo-1.0.dist-info/METADATA", METADATA)], id="two spellings"),
        pytest.param([("demo-1.0.dist-info/METADATA", METADATA)] * 2, id="twice"),
        pytest.param([("demo-1.0.dist-info/METADATA_x", METADATA)], id="NUL"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wheel_has_one_metadata_file_where_its_name_says(read: Read, members: list[tuple[str, bytes]]) -> None:
    assert refused(read, WHEEL, zipped(members).replace(b"METADATA_x", b"METADATA\0x"))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="empty"),
        pytest.param([("demo-1.0/setup.py", b"")], id="no PKG-INFO"),
        pytest.param([("PKG-INFO", METADATA)], id="no folder"),
        pytest.param([("other-1.0/PKG-INFO", METADATA)], id="another project"),
        pytest.param([("demo-1.1/PKG-INFO", METADATA)], id="another version"),
        pytest.param([("demo/PKG-INFO", METADATA)], id="no version"),
        pytest.param([("demo-1.0/x/../PKG-INFO", METADATA)], id="dots"),
    ],
)
def test_an_sdist_has_its_metadata_in_a_folder_named_after_it(read: Read, members: list[tuple[str, bytes]]) -> None:
    assert refused(read, TAR, tarred(members))
    assert refused(read, ZIP, zipped(members))


@pytest.mark.parametrize("filename", [WHEEL, TAR, ZIP])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"not an archive",
        b"\x1f\x8b",
        b"\0" * 2000,
        b"PK\x05\x06" + b"\0" * 18,
        gzip.compress(b"", mtime=0),
        gzip.compress(b"x", mtime=0),
    ],
)
def test_what_is_no_archive_of_the_kind_is_refused(read: Read, filename: str, data: bytes) -> None:
    assert refused(read, filename, data)


# --- members that lie -----------------------------------------------------------------------------------------------

LOCAL, ENTRY = b"PK\x03\x04", b"PK\x01\x02"


def altered(data: bytes, header: bytes, offset: int, format_: str, value: int) -> bytes:
    """The header of METADATA, local or in the directory, with one number changed."""
    at = [at for at in range(len(data)) if data.startswith(header, at)][1]
    return data[: at + offset] + struct.pack(format_, value) + data[at + offset + struct.calcsize(format_) :]


@pytest.mark.parametrize(
    ("header", "offset", "format_", "value"),
    [
        pytest.param(ENTRY, 8, "<H", 0x1, id="encrypted"),
        pytest.param(ENTRY, 8, "<H", 0x40, id="strongly encrypted"),
        pytest.param(LOCAL, 6, "<H", 0x1, id="encrypted in the local header only"),
        pytest.param(ENTRY, 10, "<H", 12, id="bzip2"),
        pytest.param(ENTRY, 10, "<H", 99, id="unknown method"),
        pytest.param(ENTRY, 10, "<H", 0, id="stored, says the directory"),
        pytest.param(LOCAL, 8, "<H", 0, id="stored, says the local header"),
        pytest.param(ENTRY, 16, "<L", 1, id="checksum"),
        pytest.param(ENTRY, 20, "<L", 10, id="compressed size too small"),
        pytest.param(ENTRY, 20, "<L", 90, id="compressed size too large"),
        pytest.param(ENTRY, 20, "<L", 0xFFFFFFFF, id="compressed size absurd"),
        pytest.param(ENTRY, 24, "<L", 10, id="size too small"),
        pytest.param(ENTRY, 24, "<L", 1000, id="size too large"),
        pytest.param(ENTRY, 24, "<L", 0xFFFFFFFE, id="size absurd"),
        pytest.param(ENTRY, 42, "<L", 0, id="offset of another member"),
        pytest.param(ENTRY, 42, "<L", 0xFFFFFFF0, id="offset outside"),
        pytest.param(LOCAL, 0, "<L", 0, id="no local header"),
        pytest.param(LOCAL, 30, "<H", 0, id="another local name"),
        pytest.param(LOCAL, 28, "<H", 60000, id="local extra field outside"),
        pytest.param(ENTRY, 6, "<H", 99, id="made for a later zip"),
    ],
)
def test_a_member_that_is_not_what_the_directory_says_is_refused(read: Read, header: bytes, offset: int, format_: str, value: int) -> None:
    assert refused(read, WHEEL, altered(wheel(METADATA * 3), header, offset, format_, value))


def test_a_member_renamed_by_an_extra_field_is_refused(read: Read) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        name = b"demo-1.0.dist-info/METADATA"
        for member, path in [("demo-1.0.dist-info/WHEEL", b""), ("demo-1.0.dist-info/HIDDEN__", name)]:
            info = zipfile.ZipInfo(member)
            data = b"\x01" + struct.pack("<L", zlib.crc32(member.encode())) + path
            info.extra = struct.pack("<HH", 0x7075, len(data)) + data if path else b""
            archive.writestr(info, METADATA)

    assert refused(read, WHEEL, out.getvalue())


def raw_tar(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks) + bytes(1024), mtime=0)


def header(name: str = "demo-1.0/PKG-INFO", *, size: int = 0, type_: bytes = b"0", **attributes: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, type_
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


INFO = header(size=len(METADATA)) + padded(METADATA)


def extended(record: bytes, type_: bytes = b"x", length: int | None = None) -> bytes:
    """An extended header with one record, and its length before it as it should be, or as it is given."""
    length = len(record) + (4 if len(record) > 6 else 3) if length is None else length
    data = b"%d %s\n" % (length, record)
    return header("h", size=len(data), type_=type_) + padded(data)


def test_an_extended_header_names_the_member_after_it(read: Read) -> None:
    named = extended(b"path=demo-1.0/PKG-INFO") + extended(b"mtime=1") + extended(b"size=%d" % len(METADATA))

    assert read(TAR, raw_tar(named + header("demo-1.0/x", size=len(METADATA)) + padded(METADATA))) == METADATA


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(header(type_=b"5"), id="a folder"),
        pytest.param(header(type_=b"2", linkname="/etc/passwd"), id="a link"),
        pytest.param(header(type_=b"3"), id="a device"),
        pytest.param(header(type_=b"S"), id="sparse"),
        pytest.param(header("demo-1.0/d", type_=b"5", size=512) + bytes(512) + INFO, id="a folder with data"),
        pytest.param(header(size=-1), id="negative size"),
        pytest.param(header(size=2**60), id="absurd size"),
        pytest.param(header(size=6000) + bytes(512), id="cut off"),
        pytest.param(header("demo-1.0/x", size=10**6) + bytes(512), id="cut off before"),
        pytest.param(b"x" * 512 + INFO, id="damaged header"),
        pytest.param(extended(b"size=1", length=8) + INFO, id="record without an end"),
        pytest.param(extended(b"size=1") + INFO, id="two sizes"),
        pytest.param(extended(b"size=abc") + INFO, id="a size that is none"),
        pytest.param(extended(b"path=x", length=99999999) + INFO, id="record that is too long"),
        pytest.param(extended(b"path=x", length=1) + INFO, id="record that is too short"),
        pytest.param(extended(b"path", length=7) + INFO, id="record without a value"),
        pytest.param(extended(b"GNU.sparse.major=1") + INFO, id="sparse by extended header"),
        pytest.param(extended(b"path=demo-1.0/PKG-INFO", b"g") + header("demo-1.0/x"), id="one path for all"),
        pytest.param(
            header("h", type_=b"L", size=18) + padded(b"demo-1.0/PKG-INFO\0") + extended(b"path=demo-1.0/x") + INFO, id="two names"
        ),
        pytest.param(extended(b"mtime=1") * 5 + INFO, id="too many extended headers"),
        pytest.param(header("h", type_=b"x", size=2**30), id="extended header of 1 GiB"),
        pytest.param(header("h", type_=b"L", size=2**30), id="name of 1 GiB"),
        pytest.param(header("h", type_=b"K", size=2**30), id="link of 1 GiB"),
    ],
)
def test_a_tar_that_readers_would_disagree_about_is_refused(read: Read, blocks: bytes) -> None:
    assert refused(read, TAR, raw_tar(blocks))


def test_a_second_gzip_member_is_no_part_of_the_archive(read: Read) -> None:
    first = gzip.compress(header("demo-1.0/x"))

    assert refused(read, TAR, first + gzip.compress(INFO))


# --- bombs ----------------------------------------------------------------------------------------------------------


def within(read: Read, filename: str, data: bytes, *, seconds: float = 20, peak_bytes: int = 100_000_000) -> None:
    tracemalloc.start()
    begin = time.monotonic()
    try:
        refused(read, filename, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begin < seconds
    assert peak < peak_bytes


def deflated_zeros(count: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(compressor.compress(bytes(2**20)) for _ in range(count // 2**20)), compressor.flush()])


def test_metadata_of_the_most_bytes_is_read_and_one_more_is_refused(read: Read) -> None:
    most = METADATA + b"\n" + b" " * (limits.DEFAULT_RULES.max_metadata_bytes - len(METADATA) - 1)

    assert read(WHEEL, wheel(most)) == most
    assert read(TAR, tarred([("demo-1.0/PKG-INFO", most)])) == most
    within(read, WHEEL, wheel(most + b" "))
    within(read, TAR, tarred([("demo-1.0/PKG-INFO", most + b" ")]))


def test_metadata_that_inflates_beyond_its_declared_size_is_not_inflated(read: Read) -> None:
    data = wheel(METADATA + bytes(50_000_000))

    within(read, WHEEL, altered(data, ENTRY, 24, "<L", 100), peak_bytes=40_000_000)


def test_a_tar_that_inflates_to_gigabytes_is_given_up(read: Read) -> None:
    within(read, TAR, deflated_zeros(80 * 2**20)[:-50], peak_bytes=5_000_000)
    zeros = header("demo-1.0/zeros", size=2**33 - 1)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = compressor.compress(zeros) + b"".join(compressor.compress(bytes(2**20)) for _ in range(80)) + compressor.flush()

    within(read, TAR, data, peak_bytes=5_000_000)


def test_an_archive_of_too_many_members_is_given_up(read: Read) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", ENTRY, 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = entry * (limits.DEFAULT_RULES.max_members + 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)
    within(read, WHEEL, directory + end, peak_bytes=50_000_000)


def test_a_directory_of_absurd_size_is_not_read(read: Read) -> None:
    for size in (limits.MAX_DIRECTORY_BYTES + 1, 0xFFFFFFFE):
        within(read, WHEEL, bytes(40_000_000) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0), peak_bytes=1_000_000)


@pytest.mark.parametrize(("compressed", "scanned"), [(0, 2**26), (10 * 2**20, 500 * 2**20), (2**30, 2**33), (6 * 2**30, 2**33)])
def test_how_much_of_a_tar_is_scanned_follows_its_size(compressed: int, scanned: int) -> None:
    assert limits.scan_limit(compressed) == scanned


# --- anything at all ------------------------------------------------------------------------------------------------


def read_or_refused(read: Read, filename: str, data: bytes) -> bytes | None:
    try:
        return read(filename, data)
    except UploadRejected:
        return None


@pytest.mark.parametrize("filename", [WHEEL, TAR, ZIP])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=1500))
def test_any_bytes_are_refused(read: Read, filename: str, data: bytes) -> None:
    assert read_or_refused(read, filename, data) is None
    assert read_or_refused(read, TAR, gzip.compress(data)) is None
    read_or_refused(read, filename, data + zipped([("x", b"")])[30:])


@pytest.mark.parametrize(
    ("filename", "original", "pack"),
    [
        (WHEEL, wheel(METADATA * 3), bytes),
        (ZIP, make_sdist("demo", "1.0", suffix=".zip").data, bytes),
        (TAR, make_sdist("demo", "1.0").data, bytes),
        (TAR, gzip.decompress(tarred([("demo-1.0/" + "ü" * 150, b"x"), ("demo-1.0/PKG-INFO", METADATA)], mtime=1.5)), gzip.compress),
    ],
    ids=["wheel", "zip", "tar.gz", "tar"],
)
def test_damaged_archives_are_read_or_refused(read: Read, filename: str, original: bytes, pack: Callable[[bytes], bytes]) -> None:
    source = random.Random(9)
    for _ in range(700):
        data = bytearray(original)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(data))
            if source.random() < 0.7:
                data[at] = source.choice([0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)])
            else:
                del data[at : at + source.randint(1, 30)]
        read_or_refused(read, filename, pack(bytes(data)))
