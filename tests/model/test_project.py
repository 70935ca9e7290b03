"""What a page shows of a project."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, ProjectStatus, Sha256, StatusMarker

FILE = DistributionRecord("demo-1.0.tar.gz", "sdist", "demo", "1.0", Sha256("0" * 64), 1, datetime(2026, 11, 21, tzinfo=timezone.utc))


def detail(status: StatusMarker) -> ProjectDetail:
    return ProjectDetail(ProjectName("demo"), (FILE,), ProjectStatus(status), serial=7, revision=3)


@pytest.mark.parametrize("status", ["active", "deprecated", "archived"])
def test_installers_see_the_files_of_a_project(status: StatusMarker) -> None:
    assert detail(status).offered_files == (FILE,)


def test_installers_see_no_file_of_a_quarantined_project_and_the_project_still_knows_them() -> None:
    quarantined = detail("quarantined")

    assert quarantined.offered_files == ()
    assert quarantined.files == (FILE,)


def test_two_pictures_of_one_instant_are_equal() -> None:
    assert detail("active") == detail("active")
    assert ProjectList((ProjectName("demo"),), 7, 1) == ProjectList((ProjectName("demo"),), 7, 1)
