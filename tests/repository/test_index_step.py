"""Whatever sequence of entries arrives, the index says what a plain dictionary of them would say."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pywharf.backend.interface import Entry
from pywharf.model.names import PROJECT_KEY, Key, ProjectName
from pywharf.model.record import DistributionRecord, Document, ProjectStatus, Tombstone, from_json, to_json

from .making import entry, local_index, record, step, tombstone, wheel

PROJECTS = ("acme", "demo", "zeta")
VERSIONS = ("1.0", "1.1", "2.0")
GARBAGE = b"{"
DOCUMENTS = ("first", "second", "deleted", "vanished", "garbage")


@dataclass
class Model:
    """What the index should say, in the simplest way."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    serials: dict[str, int] = field(default_factory=dict)

    def take(self, batch: list[Entry], *, reset: bool) -> None:
        if reset:
            self.entries.clear()
            self.serials.clear()
        for one in batch:
            self.entries[one.project, one.key] = one
            self.seen.add(one.project)
            self.serials[one.project] = max(self.serials.get(one.project, 0), one.serial)

    def files(self, project: str) -> set[str]:
        found = (parsed(one.document) for (of, _), one in self.entries.items() if of == project)
        return {f"{document.filename} {document.sha256}" for document in found if isinstance(document, DistributionRecord)}

    def status(self, project: str) -> str:
        one = self.entries.get((project, PROJECT_KEY))
        document = parsed(one.document) if one else None
        return document.status if isinstance(document, ProjectStatus) else "active"

    def listed(self) -> tuple[str, ...]:
        return tuple(sorted({project for project, _ in self.entries if self.files(project)}))


def parsed(document: bytes | None) -> Document | None:
    return None if document in (None, GARBAGE) else from_json(document)


@st.composite
def change(draw: st.DrawFn) -> tuple[str, str, str]:
    return draw(st.sampled_from(PROJECTS)), draw(st.sampled_from((*VERSIONS, ""))), draw(st.sampled_from(DOCUMENTS))


def made(project: str, version: str, what: str, serial: int) -> Entry:
    if what == "vanished":
        document: bytes | None = None
    elif what == "garbage":
        document = GARBAGE
    elif not version:
        document = to_json(ProjectStatus("archived" if what == "first" else "quarantined" if what == "second" else "active"))
    elif what == "deleted":
        document = to_json(tombstone(wheel(project, version)))
    else:
        document = to_json(record(wheel(project, version), what.encode()))
    return Entry(project, "" if not version else entry(wheel(project, version)).key, serial, document)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(change(), max_size=8), st.sampled_from([False, False, False, True])), max_size=8))
def test_the_index_agrees_with_a_dictionary_after_every_step(steps: list[tuple[list[tuple[str, str, str]], bool]]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        index, model, serial = local_index(Path(folder)), Model(), 0
        index.create()
        other = local_index(Path(folder))
        step(index, [], reset=True)
        for changes, reset in steps:
            batch = []
            for one in changes:
                serial += 1
                batch.append(made(*one, serial))
            revisions = {project: index.project_revision(ProjectName(project)) for project in PROJECTS}
            list_revision, listed, list_serial = index.projects_revision(), index.projects().names, index.projects().serial
            assert step(index, batch, reset=reset)
            model.take(batch, reset=reset)

            touched = {one.project for one in batch}
            for project in PROJECTS:
                revision = other.project_revision(ProjectName(project))
                detail = other.project(ProjectName(project))
                known = any(of == project for of, _ in model.entries)
                assert (revision is not None) == known == (detail is not None)
                if detail is not None:
                    assert detail.revision == revision
                    assert {f"{file.filename} {file.sha256}" for file in detail.files} == model.files(project)
                    assert detail.status.status == model.status(project)
                    assert detail.serial == (
                        max(o.serial for (p, _), o in model.entries.items() if p == project) if reset else model.serials[project]
                    )
                if project in touched or (reset and known):
                    assert revision != revisions[project]
                    assert revision is not None
                    assert revision > (revisions[project] or 0)
                elif not reset:
                    assert revision == revisions[project]
                assert other.ever_seen(ProjectName(project)) == (project in model.seen)
            assert other.projects().names == model.listed()
            assert other.projects().revision == other.projects_revision()
            if reset or listed != model.listed():
                assert other.projects_revision() > list_revision
            else:
                assert other.projects_revision() == list_revision
            with other.all_entries() as (_, entries):
                assert list(entries) == [model.entries[where] for where in sorted(model.entries)]
            if reset:
                list_serial = max((one.serial for one in batch), default=0)
            elif listed != model.listed():
                list_serial = serial
            assert other.projects().serial == list_serial
        index.close()
        other.close()


def test_of_one_key_the_last_given_counts_also_in_a_reset(tmp_path: Path) -> None:
    index = local_index(tmp_path)
    index.create()
    name = wheel("demo")

    step(index, [entry(name, 1), entry(wheel("acme"), 2), entry(name, 3, to_json(tombstone(name)))], reset=True)

    assert index.projects().names == ("acme",)
    picture = index.picture(ProjectName("demo"), Key(entry(name).key))
    assert isinstance(picture.document, Tombstone)


def test_a_name_that_comes_and_goes_within_one_step_leaves_the_list_as_it_was(tmp_path: Path) -> None:
    index = local_index(tmp_path)
    index.create()
    step(index, [entry(wheel("acme"), 1)])
    before = index.projects_revision()

    step(index, [entry(wheel("demo"), 2), entry(wheel("demo"), 3, None)])

    assert index.projects_revision() == before
    assert index.project_revision(ProjectName("demo")) is not None


def test_a_removal_by_hand_takes_no_serial_back(tmp_path: Path) -> None:
    """It comes with the serial of what was removed, which is older than others of the project."""
    index = local_index(tmp_path)
    index.create()
    step(index, [entry(wheel("demo"), 1), entry(wheel("demo", "2.0"), 7)])

    step(index, [entry(wheel("demo"), 1, None)])

    detail = index.project(ProjectName("demo"))
    assert detail is not None
    assert detail.serial == 7
