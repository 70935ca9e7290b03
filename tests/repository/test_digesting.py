"""Digests taken beside receiving: right for any pieces, bounded in what they hold, and no thread outlives them."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywharf.api.file_digests import ALGORITHMS
from pywharf.repository import digesting as digesting_module
from pywharf.repository.archives.zip_members import ZipArchive
from pywharf.repository.digesting import BATCH, DEPTH, Digesting
from pywharf.testing.distributions import make_wheel


def digests_of(whole: bytes) -> dict[str, str]:
    return {
        "sha256": hashlib.sha256(whole).hexdigest(),
        "md5": hashlib.md5(whole).hexdigest(),
        "blake2b_256": hashlib.blake2b(whole, digest_size=32).hexdigest(),
    }


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, BATCH + 3), max_size=6), st.integers(0, 255))
def test_digests_do_not_depend_on_how_the_bytes_are_cut(sizes: list[int], byte: int) -> None:
    before = threading.active_count()
    pieces = [bytes([byte]) * size for size in sizes]

    with Digesting(ALGORITHMS) as digesting:
        for number, piece in enumerate(pieces):
            digesting.update(piece)
            if number == 1:  # asking does not end it
                assert digesting.hexdigest("sha256") == digests_of(b"".join(pieces[:2]))["sha256"]
        found = {algorithm: digesting.hexdigest(algorithm) for algorithm in ALGORITHMS}

    assert found == digests_of(b"".join(pieces))
    assert threading.active_count() == before


def test_little_is_hashed_without_a_thread() -> None:
    before = threading.active_count()
    with Digesting(ALGORITHMS) as digesting:
        digesting.update(b"x" * (BATCH - 1))
        assert digesting.hexdigest("md5") == digests_of(b"x" * (BATCH - 1))["md5"]
        assert threading.active_count() == before


def test_a_digest_that_was_not_wanted_is_not_there() -> None:
    with Digesting(("sha256",)) as digesting:
        assert not digesting.takes("md5")
        with pytest.raises(KeyError):
            digesting.hexdigest("md5")


class Held:
    """A digest that does not go on until it may."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.taken = 0

    def update(self, data: bytes, /) -> None:
        assert self.may_go_on.wait(30)
        self.taken += len(data)

    def hexdigest(self) -> str:
        return str(self.taken)


@pytest.mark.any_python
def test_who_is_faster_than_the_hashing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    monkeypatch.setattr(digesting_module, "new_digest", lambda algorithm: held)
    handed_over = []
    with Digesting(("sha256",)) as digesting:

        def receive() -> None:
            for number in range(3 * DEPTH):
                digesting.update(bytes(BATCH))
                handed_over.append(number)

        receiving = threading.Thread(target=receive)
        receiving.start()
        receiving.join(0.5)
        assert len(handed_over) <= DEPTH
        held.may_go_on.set()
        receiving.join(30)

        assert len(handed_over) == 3 * DEPTH
        assert digesting.hexdigest("sha256") == str(3 * DEPTH * BATCH)


class Broken(Held):
    """A digest that cannot go on."""

    def update(self, data: bytes, /) -> None:
        raise MemoryError


def test_a_hash_that_fails_is_no_digest_and_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digesting_module, "new_digest", lambda algorithm: Broken())
    before = threading.active_count()

    with Digesting(("sha256",)) as digesting:
        digesting.update(bytes(BATCH))
        with pytest.raises(MemoryError):
            digesting.hexdigest("sha256")
    assert threading.active_count() == before


@pytest.mark.parametrize("size", [BATCH - 1, 5 * BATCH + 7])
def test_the_members_of_an_archive_have_their_digests_whatever_their_size(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"." * (size % 256)
    path = tmp_path / "wheel"
    path.write_bytes(make_wheel("demo", "1.0", files={"demo/data.bin": data}).data)
    before = threading.active_count()

    with ZipArchive(path) as archive:
        assert archive.digests["demo/data.bin"] == hashlib.sha256(data).digest()
    assert threading.active_count() == before
