"""Whoever unpacks a source distribution that was taken has the same files with the same content, and nothing outside its folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from fuzzing import damage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywharf.errors import UploadRejected
from pywharf.model.names import parse_filename
from pywharf.repository.admission import admit_file
from pywharf.repository.archives.sdist import tar_source_tree
from pywharf.testing.distributions import make_sdist

from .corpus.case import CorpusCase
from .corpus.sdists import ACCEPTED, TAR
from .corpus.tars import TOP, link, named, sdist
from .making import MOMENT

Tree = dict[bytes, str]  # what each path is: "folder", "link to ...", or the sha256 of a file

ACCEPTED_TARS = [case for case in ACCEPTED if case.filename.endswith(".tar.gz")]
DAMAGED = 150


def tree(folder: Path) -> Tree:
    found = {}
    base = os.fsencode(folder)
    for at, folders, files in os.walk(base):
        for name in [*folders, *files]:
            path = os.path.join(at, name)
            if os.path.islink(path):
                what = f"link to {os.fsdecode(os.readlink(path))}"
            elif os.path.isdir(path):
                what = "folder"
            else:
                with open(path, "rb") as file:
                    what = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, base)] = what
    return found


def by_tarfile(archive: Path, target: Path) -> None:
    """As pip does."""
    with tarfile.open(archive, encoding="utf-8") as opened:
        opened.extractall(target, filter="data")


def by_command(*command: str) -> Callable[[Path, Path], None]:
    def unpack(archive: Path, target: Path) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        words = [word.format(archive=archive, target=target) for word in command]
        run = subprocess.run(words, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr

    return unpack


GNU = by_command("tar", "--no-same-owner", "-xzf", "{archive}", "-C", "{target}")
LIBARCHIVE = by_command("bsdtar", "-xf", "{archive}", "-C", "{target}")


def unpacked(archive: Path, unpack: Callable[[Path, Path], None]) -> Tree:
    target = archive.parent / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    unpack(archive, target)
    return tree(target)


@pytest.mark.parametrize("unpack", [pytest.param(GNU, id="gnu-tar"), pytest.param(LIBARCHIVE, id="bsdtar")])
@pytest.mark.parametrize("case", ACCEPTED_TARS, ids=str)
def test_every_reader_unpacks_what_pip_does(case: CorpusCase, unpack: Callable[[Path, Path], None], tmp_path: Path) -> None:
    archive = tmp_path / case.filename
    archive.write_bytes(case.make())

    found = unpacked(archive, by_tarfile)

    assert unpacked(archive, unpack) == found
    members = {os.fsencode(path) for path in tar_source_tree(archive, parse_filename(case.filename)).paths}
    assert members - {b""} <= found.keys()


def test_of_damaged_archives_those_are_taken_that_readers_agree_about(tmp_path: Path) -> None:
    if shutil.which("tar") is None or shutil.which("bsdtar") is None:
        pytest.skip("tar and bsdtar are needed")
    archive, taken = tmp_path / TAR, 0
    for seed in range(DAMAGED):
        chance = Random(seed)
        archive.write_bytes(chance.choice((damage.tar_blocks, damage.tar_blocks, damage.tar_ends))(chance, make_sdist("demo", "1.0").data))
        try:
            admit_file(archive, TAR, MOMENT)
        except UploadRejected:
            continue
        taken += 1
        found = unpacked(archive, by_tarfile)
        assert unpacked(archive, GNU) == found, seed
        assert unpacked(archive, LIBARCHIVE) == found, seed
    assert taken > DAMAGED / 20


steps = st.sampled_from(["..", "..", ".", "a", "b", "c", "d"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    links=st.dictionaries(
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map("/".join),
        st.lists(steps, min_size=1, max_size=6).map("/".join),
        max_size=6,
    )
)
@pytest.mark.any_python
def test_links_that_are_taken_stay_inside_when_a_system_follows_them(links: dict[str, str], tmp_path: Path) -> None:
    archive = tmp_path / TAR
    blocks = [link(f"{TOP}/{path}", target) for path, target in links.items()]
    archive.write_bytes(sdist(*blocks))
    outcome = "taken"
    try:
        admit_file(archive, TAR, MOMENT)
    except UploadRejected as error:
        outcome = error.reason

    target = tmp_path / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    for path, leads_to in links.items():
        place = target / TOP / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(leads_to)
        except OSError:
            return  # a link in the place of a folder: another rule's
    leave = [path for path in links if not _is_inside(target / TOP / path, target / TOP)]
    if outcome == "taken":
        assert not leave
    elif "leads out" in outcome:
        assert leave, outcome


def _is_inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def test_an_example_that_has_links_is_taken(tmp_path: Path) -> None:
    """What the property above says of refusals alone would be worth nothing."""
    archive = tmp_path / TAR
    archive.write_bytes(sdist(named(["a/b/x"]), link(f"{TOP}/c", "a/../a/b"), link(f"{TOP}/a/d", "../c/x")))

    admit_file(archive, TAR, MOMENT)
