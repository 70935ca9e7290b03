"""What admission takes can be installed: every wheel and source distribution of the corpus that is to be taken, by pip and by uv."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from repository.corpus.case import CorpusCase
from repository.corpus.sdists import ACCEPTED as SDISTS
from repository.corpus.wheels import ACCEPTED as WHEELS

from pywharf.repository.archives.zip_members import ZipArchive

from .workplace import Workplace, versions_in


def written(cases: list[CorpusCase], folder: Path) -> list[Path]:
    folder.mkdir()
    for case in cases:
        (folder / case.filename).write_bytes(case.make())
    return sorted(folder.iterdir())


def install(workplace: Workplace, client: str, target: Path, *files: Path) -> None:
    words = ["--no-index", "--no-deps", "--no-build-isolation", "--target", target, *files]
    if client == "uv":
        workplace.tool("uv", "pip", "install", "--python", sys.executable, *words).check()
    else:
        workplace.tool(client, "install", "-q", *words).check()


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_every_wheel_is_installed_with_the_content_that_admission_has_hashed(workplace: Workplace, client: str, tmp_path: Path) -> None:
    wheels = written(WHEELS, tmp_path / "dist")
    target = tmp_path / "installed"

    install(workplace, client, target, *wheels)

    assert set(versions_in(target)) == {wheel.name.split("-")[0].replace("_", "-") for wheel in wheels}
    for wheel in wheels:
        with ZipArchive(wheel) as archive:
            digests = archive.digests
        for name, digest in digests.items():
            if name.endswith("/RECORD") or ".data/" in name:  # written anew; put elsewhere
                continue
            assert hashlib.sha256((target / name).read_bytes()).digest() == digest, name


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_what_is_in_a_data_folder_is_put_where_it_belongs(workplace: Workplace, client: str, tmp_path: Path) -> None:
    (wheel,) = written([case for case in WHEELS if case.name == "data-folders"], tmp_path / "dist")

    install(workplace, client, tmp_path / "installed", wheel)

    for path in ("bin/demo_data_folders_run", "demo_data_folders_pure.py", "share/demo_data_folders.txt"):
        assert (tmp_path / "installed" / path).is_file()


@pytest.mark.parametrize("client", ["pip", "uv"])
@pytest.mark.parametrize("case", SDISTS, ids=str)
def test_every_source_distribution_is_built_and_installed(workplace: Workplace, client: str, case: CorpusCase, tmp_path: Path) -> None:
    (sdist,) = written([case], tmp_path / "dist")

    install(workplace, client, tmp_path / "installed", sdist)

    assert set(versions_in(tmp_path / "installed")) <= {"demo", "demo-pkg"}
    assert versions_in(tmp_path / "installed")
