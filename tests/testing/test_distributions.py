"""The makers of tiny distributions make what installers and `packaging` take."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

pytestmark = pytest.mark.any_python


def members(distribution: Distribution) -> dict[str, bytes]:
    if distribution.filename.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(distribution.data)) as archive:
            return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    with zipfile.ZipFile(io.BytesIO(distribution.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_has_a_right_record_and_metadata_that_packaging_takes() -> None:
    wheel = make_wheel(
        "Demo.Pkg",
        "1.0+Local.1",
        build="2",
        tag="py2.py3-none-any",
        requires_python=">=3.8",
        requires_dist=["other>1"],
        extra_headers=[("Summary", "Größe 🐍")],
        description="# Überschrift",
        files={"demo.py": "a = 1", "data/ö,b.bin": b"\0"},
    )

    project, version, build, tags = parse_wheel_filename(wheel.filename)
    assert (project, str(version), build, len(tags)) == ("demo-pkg", "1.0+local.1", (2, ""), 2)
    inside = members(wheel)
    parsed = Metadata.from_email(inside["demo_pkg-1.0+local.1.dist-info/METADATA"])
    assert parsed.name == "Demo.Pkg"
    assert parsed.summary == "Größe 🐍"
    assert parsed.description == "# Überschrift"
    assert str(parsed.requires_python) == ">=3.8"
    assert wheel.metadata == inside["demo_pkg-1.0+local.1.dist-info/METADATA"]
    record = list(csv.reader(io.StringIO(inside["demo_pkg-1.0+local.1.dist-info/RECORD"].decode())))
    assert [row[0] for row in record] == list(inside)
    for path, digest, size in record[:-1]:
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(inside[path]).digest()).rstrip(b"=").decode()
        assert int(size) == len(inside[path])


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_sdist_has_pkg_info_under_its_one_top_folder(suffix: str) -> None:
    sdist = make_sdist("Demo-Pkg", "1!2.0rc1", suffix=suffix, metadata_version="2.2", extra_headers=[("Dynamic", "License")])

    project, version = parse_sdist_filename(sdist.filename)
    assert (project, str(version)) == ("demo-pkg", "1!2.0rc1")
    inside = members(sdist)
    assert {path.split("/")[0] for path in inside} == {"demo_pkg-1!2.0rc1"}
    assert inside["demo_pkg-1!2.0rc1/PKG-INFO"] == sdist.metadata
    assert Metadata.from_email(sdist.metadata).dynamic == ["license"]


def test_the_same_arguments_give_the_same_bytes_and_others_give_others() -> None:
    assert make_wheel("demo", "1.0") == make_wheel("demo", "1.0")
    assert make_sdist("demo", "1.0") == make_sdist("demo", "1.0")
    assert make_wheel("demo", "1.0", files={"a.py": "1"}).sha256 != make_wheel("demo", "1.0", files={"a.py": "2"}).sha256


def test_a_file_name_can_be_spelled_otherwise_and_the_folder_inside_follows() -> None:
    wheel = make_wheel("Demo.Pkg", "1.0", filename="Demo.Pkg-1.0-py3-none-any.whl")
    sdist = make_sdist("Demo.Pkg", "1.0", filename="Demo.Pkg-1.0.tar.gz")

    assert "Demo.Pkg-1.0.dist-info/METADATA" in members(wheel)
    assert "Demo.Pkg-1.0/PKG-INFO" in members(sdist)


def test_what_an_index_must_refuse_can_be_made() -> None:
    wheel = make_wheel("demo", "not a version", filename="demo-1.0-py3-none-any.whl")

    assert b"Version: not a version\n" in wheel.metadata


def test_pip_installs_the_wheel_and_builds_the_sdist_without_a_network(tmp_path: Path) -> None:
    for distribution in (make_wheel("demo-one", "1.0"), make_sdist("demo-two", "2.0")):
        path = tmp_path / distribution.filename
        path.write_bytes(distribution.data)
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", tmp_path / "site", path],
            check=True,
            capture_output=True,
        )

    assert (tmp_path / "site" / "demo_one.py").read_text() == "__version__ = '1.0'\n"
    assert (tmp_path / "site" / "demo_two.py").read_text() == "__version__ = '2.0'\n"
