"""What pywharf_github relies on in dulwich beyond what its documentation promises: a new release that changes it shows here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob, Commit, Tree
from dulwich.pack import PackChunkGenerator, UnpackedObject, apply_delta, create_delta
from dulwich.repo import Repo
from pywharf_github.pack_objects import blob_from_file, blob_id, from_object

pytestmark = pytest.mark.any_python


def pack_of(*objects: UnpackedObject) -> bytes:
    return b"".join(PackChunkGenerator(DEFAULT_OBJECT_FORMAT, num_records=len(objects), records=iter(objects)))


def a_commit() -> tuple[Blob, Tree, Commit]:
    blob, tree, commit = Blob.from_string(b"content"), Tree(), Commit()
    tree.add(b"file", 0o100644, blob.id)
    commit.tree = tree.id
    commit.author = commit.committer = b"A <a@example.com>"
    commit.author_time = commit.commit_time = 1_700_000_000
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = b"message"
    return blob, tree, commit


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    repo = Repo.init_bare(str(tmp_path / "bare"), mkdir=True)
    yield repo
    repo.close()


def test_compressed_chunks_are_taken_as_they_are_from_an_iterator_that_can_be_read_once(repo: Repo, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(600_000))
    sha, size = blob_id(path)
    unpacked = blob_from_file(path, sha, size)

    assert isinstance(unpacked.comp_chunks, Iterator)
    file, commit, _ = repo.object_store.add_pack()
    file.write(pack_of(unpacked))
    commit()

    assert repo.object_store[sha].as_raw_string() == path.read_bytes()
    assert pack_of(unpacked).count(b"") < 100, "read a second time it is empty: hence anew for each push"


def test_nothing_of_a_file_is_read_before_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    sha, size = blob_id(path)
    chunks = iter(PackChunkGenerator(DEFAULT_OBJECT_FORMAT, num_records=1, records=iter([blob_from_file(path, sha, size)])))
    path.unlink()

    assert b"PACK" in next(chunks)
    with pytest.raises(FileNotFoundError):
        list(chunks)


def test_a_pack_of_nothing_is_a_pack() -> None:
    empty = pack_of()

    assert empty[:12] == b"PACK\0\0\0\2\0\0\0\0"
    assert empty[12:] == hashlib.sha1(empty[:12], usedforsecurity=False).digest()


def test_a_pack_goes_into_a_repository_and_out_of_it_again(repo: Repo) -> None:
    objects = a_commit()
    file, commit, _ = repo.object_store.add_pack()
    file.write(pack_of(*map(from_object, objects)))
    commit()

    assert all(one.id in repo.object_store for one in objects)
    repo.update_shallow({objects[2].id}, set())
    assert set(repo.get_shallow()) == {objects[2].id}


def test_an_unfinished_pack_leaves_nothing(repo: Repo, tmp_path: Path) -> None:
    file, _, abort = repo.object_store.add_pack()
    file.write(b"PACK")
    abort()

    assert list((tmp_path / "bare" / "objects" / "pack").iterdir()) == []


def test_a_delta_is_applied() -> None:
    old, new = b"a" * 1000 + b"end", b"a" * 1000 + b"other end"

    assert b"".join(apply_delta(old, b"".join(create_delta(old, new)))) == new
