"""`pywharf verify` on a folder: every bit counts, and what can be mended is."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
from pathlib import Path

import pytest
from plugins.verified import Verified, distributions, flip, flip_somewhere
from pywharf_file_system import plugin
from pywharf_file_system import storage as storage_module

from pywharf.model.names import parse_filename
from pywharf.repository import verification
from pywharf.repository.adoption import update_index
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python


@pytest.fixture
def verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verified:
    monkeypatch.setattr(verification, "SECOND_LOOK", 0.0)
    monkeypatch.setattr(storage_module, "SETTLED", 0.0)
    config = plugin.config_model.model_validate({"write_secret": "write-it"})
    return Verified.make(tmp_path / "root", plugin, config)


@pytest.fixture
def storage(verified: Verified) -> Path:
    return verified.layout.workdir("wheels") / "storage"


def body_at(storage: Path, project: str, name: str) -> Path:
    """The body that people find by this name."""
    inode = (storage / "packages" / project / name).stat().st_ino
    (found,) = [path for path in (storage / "objects").rglob("*") if path.is_file() and path.stat().st_ino == inode]
    return found


def lines_of(storage: Path) -> list[bytes]:
    return (storage / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_a_sound_repository_has_no_difference(verified: Verified) -> None:
    verified.publish(*distributions(3))

    summary = verified.verify()

    assert (summary.files, summary.found) == (12, 0), verified.found


def test_a_repository_that_nobody_used_yet_has_no_difference(verified: Verified) -> None:
    assert verified.verify().found == 0
    assert verified.verify(repair=True).found == 0


def test_the_life_of_releases_leaves_no_difference(verified: Verified, storage: Path) -> None:
    verified.publish(*distributions(3))
    by_hand = make_wheel("by-hand", "1.0")
    (storage / "packages" / by_hand.filename).write_bytes(by_hand.data)
    with verified.opened() as repository:
        update_index(repository)
        repository.releases.yank(None, "demo-0", version="1.0", reason="bad")
        repository.releases.delete(None, "demo-1", version="1.0")
        repository.releases.delete(None, "demo-1", filename="demo_1-0.0.tar.gz")
        repository.releases.set_status(None, "demo-2", "quarantined", "being looked into")
        repository.mend()

    assert verified.verify().found == 0, verified.found
    assert verified.verify(repair=True).found == 0, verified.found


def test_each_of_a_hundred_flipped_bits_is_found_and_mended(verified: Verified, storage: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    made = distributions(15)
    verified.publish(*made)
    chosen = chance.sample(made, 50)
    files, sides = chosen[:30], chosen[30:]  # of one record the file or its metadata, so that either can be told
    damaged_lines = chance.sample(range(len(lines_of(storage))), 25)
    names = [(one.filename, parse_filename(one.filename).project) for one in files]
    names += [(f"{one.filename}.metadata", parse_filename(one.filename).project) for one in sides]
    for name, project in names:
        flip_somewhere(body_at(storage, project, name), chance)
    at = [sum(map(len, lines_of(storage)[:number])) for number in range(len(lines_of(storage)))]
    lengths = [len(line) for line in lines_of(storage)]
    for number in damaged_lines:
        flip(storage / "journal.jsonl", at[number] + chance.randrange(lengths[number]), chance.randrange(8))
    rows = flip_rows(verified, chance, 25)

    summary = verified.verify()

    for name, _ in names:
        assert [one for one in verified.found if one.where == name and one.kind == "file"], f"seed {seed}: {name}"
    for number in damaged_lines:
        # A newline that became another byte makes the line before look damaged.
        places = range(at[number] - 1, at[number] + lengths[number])
        told = [one for one in verified.found if one.kind == "log" and any(f"byte {place}" in one.where for place in places)]
        assert told or any(f"(byte {at[number - 1]})" in one.where for one in verified.found), f"seed {seed}: line {number}"
    for row in rows:
        assert verified.told("index", f"row of {row}"), f"seed {seed}: {row}"
    assert summary.found >= 100

    verified.verify(repair=True)
    assert {one.where for one in verified.found if not one.mended} == {one.filename for one in files}, f"seed {seed}"
    verified.publish(*files)
    assert verified.verify().found == 0, f"seed {seed}: {verified.found}"


def flip_rows(verified: Verified, chance: random.Random, count: int) -> list[str]:
    """Flip a bit in this many rows of the local index, in the file itself. Returns the rows' keys."""
    path = (verified.layout.index / "wheels.sqlite").resolve()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = db.execute("SELECT key, document FROM entries").fetchall()
    content = path.read_bytes()
    flipped = []
    for key, document in chance.sample(rows, count):
        assert content.count(document) == 1
        flip(path, content.index(document) + chance.randrange(len(document)), chance.randrange(8))
        flipped.append(key)
    return flipped


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["shorter", "longer", "gone"])
def test_a_damaged_body_is_put_back_by_its_upload(verified: Verified, storage: Path, damage: str) -> None:
    wheel = make_wheel("demo", "1.0")
    verified.publish(wheel)
    body = body_at(storage, "demo", wheel.filename)
    if damage == "gone":
        body.unlink()
    else:
        rewrite(body, wheel.data[:-1] if damage == "shorter" else wheel.data + b"x")

    assert verified.verify().left
    assert verified.told("file", wheel.filename)
    verified.publish(wheel)

    assert verified.verify().found == 0, verified.found
    assert body_at(storage, "demo", wheel.filename).read_bytes() == wheel.data
    assert body.stat().st_mode & 0o777 == 0o444


def test_a_body_whose_name_for_people_is_left_is_put_back_from_there(verified: Verified, storage: Path) -> None:
    wheel = make_wheel("demo", "1.0")
    verified.publish(wheel)
    body_at(storage, "demo", wheel.filename).unlink()

    assert verified.verify(repair=True).left == 0
    assert verified.verify().found == 0


def test_names_for_people_are_made_again(verified: Verified, storage: Path) -> None:
    wheel = make_wheel("demo", "1.0")
    verified.publish(wheel)
    shown = storage / "packages" / "demo" / wheel.filename
    shown.unlink()

    assert verified.verify().left == 1
    assert verified.told("copy", f"packages/demo/{wheel.filename}")
    assert verified.verify(repair=True).left == 0
    assert shown.read_bytes() == wheel.data
    assert verified.verify().found == 0


def test_another_file_under_a_name_for_people_is_told_and_left_there(verified: Verified, storage: Path) -> None:
    wheel = make_wheel("demo", "1.0")
    verified.publish(wheel)
    shown = storage / "packages" / "demo" / wheel.filename
    shown.unlink()
    shown.write_bytes(b"mine")

    assert verified.verify(repair=True).left
    assert {one.where for one in verified.found if one.kind == "copy"} == {f"packages/demo/{wheel.filename}"}
    assert shown.read_bytes() == b"mine"


def test_a_journal_line_that_is_beyond_repair_is_told_and_its_records_are_saved_from_the_local_index(
    verified: Verified, storage: Path
) -> None:
    made = distributions(4)
    verified.publish(*made)
    with verified.opened() as repository:
        repository.releases.yank(None, "demo-1", version="1.0", reason="bad")
        before = repository.project(parse_filename(made[-1].filename).project)
    lines = lines_of(storage)
    lines[-2] = b"\0" * (len(lines[-2]) - 1) + b"\n"
    (storage / "journal.jsonl").write_bytes(b"".join(lines))

    assert verified.verify().left
    assert verified.told("log", f"line {len(lines) - 1} ")
    assert verified.told("index", "row of")
    verified.verify(repair=True)

    assert [one.kind for one in verified.found if not one.mended] == ["log"], "what is gone from the journal is not made up"
    with verified.opened() as repository:
        repository.sync()
        after = repository.project(parse_filename(made[-1].filename).project)
        assert before is not None
        assert after is not None
        assert sorted(after.files, key=str) == sorted(before.files, key=str)
    verified.verify()
    assert {one.kind for one in verified.found} == {"log"}


def test_lines_that_somebody_took_out_of_the_journal_are_told(verified: Verified, storage: Path) -> None:
    verified.publish(*distributions(2))
    lines = lines_of(storage)
    (storage / "journal.jsonl").write_bytes(b"".join(lines[:3] + lines[4:]))

    verified.verify()

    assert verified.told("log", "line 4", "lines were changed or removed")


def test_a_damaged_last_newline_is_mended_before_the_next_commit_cuts_the_line_off(verified: Verified, storage: Path) -> None:
    verified.publish(*distributions(2))
    journal = storage / "journal.jsonl"
    before = journal.read_bytes()
    flip(journal, len(before) - 1, 2)

    verified.verify()
    assert verified.told("log", "the next change would cut it off")
    verified.verify(repair=True)

    assert journal.read_bytes() == before
    assert verified.verify().found == 0


def test_what_a_commit_that_died_half_way_left_is_no_difference(verified: Verified, storage: Path) -> None:
    verified.publish(*distributions(2))
    with (storage / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"serial":9,"after":"0123')

    assert verified.verify().found == 0


def test_a_flipped_bit_anywhere_in_a_journal_is_found_and_set_right(verified: Verified, storage: Path) -> None:
    verified.publish(make_wheel("a", "1.0"))
    journal = storage / "journal.jsonl"
    before = journal.read_bytes()
    newlines = [at for at, byte in enumerate(before) if byte == 0x0A]
    with verified.opened() as repository:
        for at in sorted({*range(0, len(before), 29), *newlines, *(at - 1 for at in newlines), *(at - 17 for at in newlines)}):
            flip(journal, at, at % 8)
            assert list(repository.backend.examine_log(repair=False)), f"byte {at}"
            assert all(flaw.mended for flaw in repository.backend.examine_log(repair=True)), f"byte {at}"
            assert journal.read_bytes() == before, f"byte {at}"


def test_a_byte_that_became_a_newline_is_found_and_set_right(verified: Verified, storage: Path) -> None:
    verified.publish(make_wheel("a", "1.0"), make_wheel("b", "1.0", extra_headers=[("Summary", "a * b")]))
    journal = storage / "journal.jsonl"
    before = journal.read_bytes()
    flip(journal, before.index(b" * ") + 1, 5)
    assert journal.read_bytes().count(b"\n") == before.count(b"\n") + 1

    assert verified.verify(repair=True).left == 0
    assert [one.kind for one in verified.found].count("log") == 1
    assert journal.read_bytes() == before


def test_verification_beside_uploads_finds_nothing(verified: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "SECOND_LOOK", 3.0)
    monkeypatch.setattr(storage_module, "SETTLED", 3.0)
    made = distributions(12)
    verified.publish(*made[:8])
    stop = threading.Event()

    def upload() -> None:
        with verified.opened() as repository:
            for one in made[8:]:
                verified.publish(one)
                if one.filename.endswith("1.0.tar.gz"):
                    repository.releases.delete(None, parse_filename(one.filename).project, filename=one.filename)
        stop.set()

    thread = threading.Thread(target=upload)
    thread.start()
    rounds = 0
    while not stop.is_set() or not rounds:
        verified.verify()
        rounds += 1
        assert not verified.found
    thread.join()
