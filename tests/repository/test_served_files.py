"""Where a file's name leads is looked up once for each revision of its project, and never remembered beyond it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import cast

import pytest

from pywharf.backend.interface import Cursor
from pywharf.model.names import Key, ProjectName, parse_filename
from pywharf.model.record import DistributionRecord, Document, ProjectStatus, Sha256, SideFile
from pywharf.repository import served_files
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.pictures import Picture
from pywharf.repository.served_files import ServedFiles

pytestmark = pytest.mark.any_python

DEMO = ProjectName("demo")
WHEEL = parse_filename("demo-1.0-py3-none-any.whl")


class Index:
    """An index of one project; counts how often it was looked into."""

    def __init__(self) -> None:
        self.revision: int | None = 7
        self.documents: dict[Key, Document] = {}
        self.looks = 0

    def project_revision(self, project: ProjectName) -> int | None:
        return self.revision

    def picture(self, project: ProjectName, key: Key) -> Picture:
        self.looks += 1
        return Picture(Cursor("1"), ProjectStatus(), key in self.documents, self.documents.get(key))


def record(filename: str = WHEEL.filename, digest: str = "a") -> DistributionRecord:
    name = parse_filename(filename)
    side = SideFile(f"{filename}.metadata", Sha256("b" * 64), 3)
    at = datetime(2026, 11, 22, tzinfo=timezone.utc)
    return DistributionRecord(filename, name.kind, name.project, str(name.version), Sha256(digest * 64), 9, at, metadata=side)


@pytest.fixture
def index() -> Index:
    found = Index()
    found.documents[WHEEL.key] = record()
    return found


@pytest.fixture
def served(index: Index) -> ServedFiles:
    return ServedFiles(cast(LocalIndex, index))


def test_a_file_and_its_metadata_are_looked_up_once_each(index: Index, served: ServedFiles) -> None:
    for _ in range(3):
        file = served.find(DEMO, WHEEL, metadata=False)
        side = served.find(DEMO, WHEEL, metadata=True)

    assert file is not None
    assert side is not None
    assert (file.name, file.size, side.name, side.size) == (WHEEL.filename, 9, f"{WHEEL.filename}.metadata", 3)
    assert index.looks == 2


def test_a_project_that_moved_is_looked_up_again(index: Index, served: ServedFiles) -> None:
    served.find(DEMO, WHEEL, metadata=False)
    index.documents.clear()
    index.revision = 8

    assert served.find(DEMO, WHEEL, metadata=False) is None


def test_a_project_that_is_gone_serves_nothing_that_was_remembered(index: Index, served: ServedFiles) -> None:
    served.find(DEMO, WHEEL, metadata=False)
    index.revision = None

    assert served.find(DEMO, WHEEL, metadata=False) is None


def test_names_that_lead_nowhere_are_not_remembered(index: Index, served: ServedFiles) -> None:
    index.documents.clear()

    assert served.find(DEMO, WHEEL, metadata=False) is None
    assert served.find(DEMO, WHEEL, metadata=False) is None
    assert index.looks == 2


def test_no_more_are_remembered_than_there_is_room_for(index: Index, served: ServedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_files, "MOST", 2)
    names = [parse_filename(f"demo-1.{number}-py3-none-any.whl") for number in range(5)]
    index.documents = {name.key: record(name.filename) for name in names}

    assert all(served.find(DEMO, name, metadata=False) for name in names)
    assert len(served._found) <= 2
