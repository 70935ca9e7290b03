"""Packs and packets from hostile hands: objects as they are, or HostUnavailable, and never anything else."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zlib
from collections.abc import Iterator

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob, ShaFile, Tree
from dulwich.pack import PackChunkGenerator
from hypothesis import example, given
from hypothesis import strategies as st
from pywharf_github.pack_objects import from_object
from pywharf_github.pack_reader import BLOB, PIECE, PackReader, delta_result_size
from pywharf_github.packets import packet, read_packet
from pywharf_github.refusals import HostUnavailable


def pack_of(*objects: ShaFile) -> bytes:
    records = [from_object(one) for one in objects]
    return b"".join(PackChunkGenerator(DEFAULT_OBJECT_FORMAT, num_records=len(records), records=iter(records)))


def sealed(body: bytes) -> bytes:
    """With the right checksum, so that what is wrong is wrong on purpose."""
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def read(data: bytes, size: int = 7) -> list[tuple[int, int, bytes]]:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    return [(packed.type, packed.size, b"".join(packed.pieces)) for packed in PackReader(chunks)]


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 400))
def test_objects_come_out_as_they_went_in_however_they_are_cut(contents: list[bytes], size: int) -> None:
    assert read(pack_of(*map(Blob.from_string, contents)), size) == [(BLOB, len(content), content) for content in contents]


def test_other_objects_come_too() -> None:
    tree = Tree()
    tree.add(b"a", 0o100644, Blob.from_string(b"").id)

    assert [(type_, content) for type_, _, content in read(pack_of(tree))] == [(tree.type_num, tree.as_raw_string())]


def test_a_large_object_comes_in_small_pieces_that_may_be_left() -> None:
    large, small = Blob.from_string(b"\0" * 5_000_000), Blob.from_string(b"small")
    data = pack_of(large, small)
    assert len(data) < 10_000

    reader = iter(PackReader(iter([data])))
    first = next(reader)
    assert len(next(first.pieces)) <= PIECE
    assert b"".join(next(reader).pieces) == b"small"
    assert list(reader) == []


@given(st.binary(max_size=200), st.integers(1, 50))
@example(b"PACK\0\0\0\2\xff\xff\xff\xff", 5)
@example(sealed(b"PACK\0\0\0\2\0\0\0\1" + b"\xb0" + b"\x80" * 30), 5)
@example(sealed(b"PACK\0\0\0\2\0\0\0\1\x30"), 5)
@example(sealed(b"PACK\0\0\0\2\0\0\0\1\x60\1" + zlib.compress(b"")), 5)
@example(sealed(b"PACK\0\0\0\2\0\0\0\0") + b"more", 5)
@example(sealed(b"PACK\0\0\0\4\0\0\0\0"), 5)
def test_what_is_no_pack_is_refused(garbage: bytes, size: int) -> None:
    with pytest.raises(HostUnavailable):
        read(garbage, size)


@given(st.integers(0, 10**9), st.integers(0, 7))
def test_one_bit_that_turned_over_is_noticed(place: int, bit: int) -> None:
    data = bytearray(pack_of(Blob.from_string(b"some content, long enough to be compressed, compressed")))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(HostUnavailable):
        read(bytes(data))


@given(st.integers(0, 10**9))
def test_a_pack_that_ends_early_is_noticed(place: int) -> None:
    data = pack_of(Blob.from_string(b"some content"), Blob.from_string(b"more"))
    with pytest.raises(HostUnavailable):
        read(data[: place % len(data)])


@pytest.mark.parametrize(("declared", "content"), [(5, b"12345678"), (5, b"123"), (0, b"\0" * 10_000_000)])
def test_an_object_of_another_size_than_it_says_is_refused_before_more_is_inflated(declared: int, content: bytes) -> None:
    data = sealed(b"PACK\0\0\0\2\0\0\0\1" + bytes([BLOB << 4 | declared]) + zlib.compress(content))
    reader = iter(PackReader(iter([data])))
    taken = 0

    def take() -> None:
        nonlocal taken
        for piece in next(reader).pieces:
            taken += len(piece)

    with pytest.raises(HostUnavailable):
        take()
    assert taken <= PIECE


@given(st.binary(max_size=30))
def test_the_size_a_delta_makes_is_read_or_refused(delta: bytes) -> None:
    with contextlib.suppress(HostUnavailable):
        assert delta_result_size(delta) >= 0


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_packets_are_read_as_they_were_written(contents: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(map(packet, contents)) + b"0000" + b"0001")

    assert [read_packet(stream.read) for _ in (*contents, None, None)] == [*contents, None, None]


@given(st.binary(max_size=20))
@example(b"0002")
@example(b"0003")
@example(b"-001")
@example(b" 1 2")
@example(b"0x10")
@example(b"ffff")
def test_what_is_no_packet_is_refused(garbage: bytes) -> None:
    stream = io.BytesIO(garbage)

    def packets() -> Iterator[bytes | None]:
        while True:
            yield read_packet(stream.read)

    with pytest.raises(HostUnavailable):
        list(packets())
