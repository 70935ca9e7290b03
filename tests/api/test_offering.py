from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from pywharf.api.offering import explain_absence, explain_file, explain_project
from pywharf.api.releases import Release, choose_release, releases_of
from pywharf.model.record import DistributionRecord, ProjectStatus, Sha256, SideFile, Tombstone

AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
RECORD = DistributionRecord("demo-1.0.tar.gz", "sdist", "demo", "1.0", Sha256("0" * 64), 1, AT)
WHEEL = replace(RECORD, filename="demo-1.0-cp311-cp311-win_amd64.whl", kind="bdist_wheel", metadata=SideFile("m", Sha256("0" * 64), 1))


def explained(record: DistributionRecord, *others: DistributionRecord, status: str = "active") -> tuple[str, str]:
    releases = releases_of([record, *others])
    release = choose_release(releases, record.version)
    assert isinstance(release, Release)
    found = explain_file(record, release, choose_release(releases, None), ProjectStatus(status))  # type: ignore[arg-type]
    return found.verdict, " ".join(found.sentences)


@pytest.mark.parametrize(
    ("record", "verdict", "told"),
    [
        (RECORD, "offered", "It says nothing of the Python it needs"),
        (RECORD, "offered", "It is a source distribution"),
        (RECORD, "offered", "Its core metadata are not served beside it"),
        (WHEEL, "offered", "It is a wheel for CPython 3.11, Windows x86-64; others pass over it."),
        (replace(WHEEL, requires_python=">=3.9"), "offered", "Only a Python that satisfies >=3.9 takes it"),
        (replace(WHEEL, requires_python="whatever"), "offered", "cannot be read"),
        (replace(WHEEL, yanked=""), "on request", "It is yanked: installers pass over it, unless exactly this version is asked for (==)."),
        (replace(WHEEL, yanked="old"), "on request", "The reason given: “old”"),
        (replace(RECORD, version="1.0rc1"), "on request", "It is of a pre-release"),
        (replace(RECORD, version="1.0.dev0"), "on request", "It is of a development release"),
        (replace(RECORD, version="latest"), "not offered", "is none as PEP 440 has them"),
    ],
)
def test_a_file_is_explained(record: DistributionRecord, verdict: str, told: str) -> None:
    found, sentences = explained(record)

    assert found == verdict
    assert told in sentences


def test_a_newer_release_is_pointed_to() -> None:
    assert "There is 2.0, which is newer" in explained(RECORD, replace(RECORD, version="2.0"))[1]
    assert "which is newer" not in explained(RECORD, replace(RECORD, version="2.0", yanked=""))[1]


def test_of_a_quarantined_project_nothing_is_offered() -> None:
    assert explained(RECORD, status="quarantined")[0] == "not offered"
    assert explain_project(ProjectStatus("quarantined", "odd"), has_files=True) == (
        "The project is quarantined: nothing of it is listed or served, whoever asks. The reason given: “odd”",
    )


def test_a_project_without_files_keeps_its_name() -> None:
    assert "never sent to the extra index" in explain_project(ProjectStatus(), has_files=False)[0]
    assert explain_project(ProjectStatus(), has_files=True) == ()


def test_what_is_gone_is_explained() -> None:
    deleted = explain_absence("demo-1.0.tar.gz", Tombstone("demo-1.0.tar.gz", Sha256("0" * 64), AT, "a key"))

    assert deleted.sentences[0].startswith("It was deleted on 2026-11-21.")
    assert "a key" in deleted.sentences[0]
    assert "by hand" in explain_absence("demo-1.0.tar.gz", None).sentences[0]
