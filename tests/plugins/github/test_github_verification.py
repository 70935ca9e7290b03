"""`pywharf verify` on a git repository: the copies on this server, the local index, and what people did to the branch."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest
from plugins.github.hosted import Hosted
from plugins.verified import Verified, distributions, flip, flip_somewhere
from pywharf_github import plugin

from pywharf.backend.interface import Access
from pywharf.repository import verification
from pywharf.repository.adoption import update_index


@pytest.fixture
def verified(tmp_path: Path, hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> Verified:
    monkeypatch.setattr(verification, "SECOND_LOOK", 0.0)
    secret = plugin.secret_model.model_validate({"raw": hosted.tokens[Access.WRITE]})
    return Verified.make(tmp_path / "root", plugin, hosted.config(), secret)


def cached(verified: Verified) -> dict[str, Path]:
    """The copies of bodies on this server, by their sha256."""
    return {path.name: path for path in (verified.layout.workdir("wheels") / "files").glob("??/*")}


def test_a_sound_repository_has_no_difference(verified: Verified, tmp_path: Path, hosted: Hosted) -> None:
    assert verified.verify().found == 0, "an empty one too"
    verified.publish(*distributions(2))

    assert verified.verify().found == 0, verified.found
    elsewhere = Verified.make(tmp_path / "elsewhere", plugin, hosted.config(), verified.settings.admin_secret)
    assert elsewhere.verify().found == 0, "a server that has read nothing yet"
    assert elsewhere.verify(repair=True).files == 8


def test_flipped_bits_in_copies_and_rows_are_found_and_mended(verified: Verified) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    made = distributions(3)
    verified.publish(*made)
    copies = cached(verified)
    chosen = chance.sample(made, 6)
    for one in chosen:
        flip_somewhere(copies[one.sha256], chance)
    path = (verified.layout.index / "wheels.sqlite").resolve()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = chance.sample(db.execute("SELECT key, document FROM entries").fetchall(), 6)
    for _, document in rows:
        flip(path, path.read_bytes().index(document) + chance.randrange(len(document)), chance.randrange(8))

    verified.verify()

    for one in chosen:
        assert [found for found in verified.found if found.kind == "file" and found.where == one.filename], f"seed {seed}"
    for key, _ in rows:
        assert verified.told("index", f"row of {key}"), f"seed {seed}"
    assert verified.verify(repair=True).left == 0, verified.found
    assert verified.verify().found == 0, verified.found


def test_a_file_that_somebody_removed_from_the_branch_is_told_and_put_back_by_its_upload(verified: Verified, hosted: Hosted) -> None:
    made = distributions(1)
    verified.publish(*made)
    (path,) = [path for path in hosted.paths() if path.endswith(made[0].filename)]
    hosted.remove(path)

    verified.verify()
    assert [(one.kind, one.where) for one in verified.found] == [("file", made[0].filename)]
    verified.publish(made[0])

    assert verified.verify().found == 0, verified.found
    assert path in hosted.paths()


def test_a_file_that_somebody_replaced_on_the_branch_is_told(verified: Verified, hosted: Hosted) -> None:
    made = distributions(1)
    verified.publish(*made)
    (path,) = [path for path in hosted.paths() if path.endswith(made[0].filename)]
    hosted.put(path, b"other bytes")
    for copy in cached(verified).values():
        copy.unlink()

    verified.verify()

    assert ("file", made[0].filename) in [(one.kind, one.where) for one in verified.found]


@pytest.mark.parametrize("damage", [b"no index at all", b"", b'"], 1'])
def test_a_damaged_index_file_is_told_and_written_anew(verified: Verified, hosted: Hosted, damage: bytes) -> None:
    verified.publish(*distributions(1))
    with verified.opened() as repository:
        update_index(repository)
    good = hosted.read("index.jsonl")
    assert verified.verify().found == 0, verified.found
    hosted.put("index.jsonl", damage if damage != b'"], 1' else good.replace(b"demo_0-1.0.tar.gz", b"demo_0-1.1.tar.gz", 1))

    verified.verify()
    assert [(one.kind, one.where) for one in verified.found] == [("log", "index.jsonl")]
    assert verified.verify(repair=True).left == 0

    assert verified.verify().found == 0, verified.found
    assert len(hosted.read("index.jsonl").splitlines()) == len(good.splitlines())
