"""What `pywharf import` does with what a source offers, whatever that is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pywharf.api.simple_reading import OfferedFile, OfferedProject
from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied, BackendUnavailable, SourceUnusable
from pywharf.model.names import ProjectName, normalize_project, parse_filename
from pywharf.model.record import DistributionRecord, ProjectStatus, now
from pywharf.repository import importing
from pywharf.repository.import_sources import Offered
from pywharf.repository.importing import ImportStopped, Outcome, import_files
from pywharf.repository.source_client import NotThere, SourceBusy
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

from .stocked import Stocked, stocked

THEN = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
DEMO = ProjectName("demo")


@dataclass
class Shelf:
    """A source in memory."""

    needs_hashes: bool = True
    bytes_by_url: dict[str, bytes | Exception] = field(default_factory=dict)
    files: dict[str, list[OfferedFile]] = field(default_factory=dict)
    statuses: dict[str, ProjectStatus] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    stray: Sequence[tuple[str, str]] = ()
    asked: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def put(self, made: Distribution, project: str = "", **more: object) -> None:
        url = f"https://files.example/{made.filename}"
        self.bytes_by_url[url] = made.data
        offered = {"hashes": {"sha256": made.sha256}, "size": len(made.data), "upload_time": THEN, **more}
        self.files.setdefault(project or parse_filename(made.filename).project, []).append(OfferedFile(made.filename, url, **offered))  # type: ignore[arg-type]

    def names(self) -> Iterator[ProjectName]:
        return map(normalize_project, sorted({*self.files, *self.statuses, *self.problems}))

    def strays(self) -> Sequence[tuple[str, str]]:
        return self.stray

    def read(self, project: ProjectName) -> Offered:
        page = OfferedProject(tuple(self.files.get(project, ())), self.statuses.get(project, ProjectStatus()))
        return Offered(project, page, self.problems.get(project, ""))

    def receive(self, file: OfferedFile, write: Callable[[bytes], object], max_bytes: int) -> datetime | None:
        with self.guard:
            self.asked.append(file.filename)
        found = self.bytes_by_url[file.url]
        if isinstance(found, Exception):
            raise found
        for at in range(0, len(found), 100):
            write(found[at : at + 100])
        return THEN + timedelta(days=1)

    def close(self) -> None:
        pass


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stocked]:
    with stocked(tmp_path / "root") as made:
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "FIRST_PAUSE", 0.0)


def run(here: Stocked, shelf: Shelf, *, dry_run: bool = False, jobs: int = 3) -> list[Outcome]:
    outcomes: list[Outcome] = []
    import_files(here.repository, shelf, jobs=jobs, dry_run=dry_run, on_outcome=outcomes.append)
    return outcomes


def kinds(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.kind, outcome.name) for outcome in outcomes]


def record(here: Stocked, made: Distribution) -> DistributionRecord | None:
    name = parse_filename(made.filename)
    found = here.repository.index.picture(name.project, name.key).document
    return found if isinstance(found, DistributionRecord) else None


WHEEL, SDIST, OTHER = make_wheel("demo", "1.0"), make_sdist("demo", "1.0"), make_wheel("other", "2.0")


def test_files_come_with_their_times_yanks_and_statuses(here: Stocked) -> None:
    shelf = Shelf(statuses={"demo": ProjectStatus("archived", "no longer kept"), "other": ProjectStatus("deprecated")})
    shelf.put(WHEEL, yanked="bad\n  one")
    shelf.put(SDIST, yanked="")
    shelf.put(OTHER)

    outcomes = run(here, shelf)

    assert kinds(outcomes) == [("imported", one.filename) for one in (WHEEL, SDIST, OTHER)] + [
        ("status", "project demo"),
        ("status", "project other"),
    ]
    wheel, sdist, other = (record(here, one) for one in (WHEEL, SDIST, OTHER))
    assert wheel is not None
    assert sdist is not None
    assert other is not None
    assert (wheel.yanked, sdist.yanked, other.yanked) == ("bad one", "", None)
    assert wheel.upload_time == sdist.upload_time == THEN
    project = here.repository.project(DEMO)
    assert project is not None
    assert (project.status.status, project.status.reason) == ("archived", "no longer kept")


def test_a_second_run_asks_for_nothing_and_changes_nothing(here: Stocked) -> None:
    shelf = Shelf(statuses={"demo": ProjectStatus("archived")})
    shelf.put(WHEEL, yanked="bad")
    shelf.put(OTHER)
    run(here, shelf)
    cursor, shelf.asked = here.repository.index.cursor(), []

    assert kinds(run(here, shelf)) == [("there", WHEEL.filename), ("there", OTHER.filename)]
    assert (here.repository.index.cursor(), shelf.asked) == (cursor, [])


def test_a_yank_at_the_source_is_taken_over_for_a_file_that_is_here(here: Stocked) -> None:
    here.publish(WHEEL)
    shelf = Shelf()
    shelf.put(WHEEL, yanked="bad")

    assert kinds(run(here, shelf)) == [("there", WHEEL.filename), ("yanked", WHEEL.filename)]
    found = record(here, WHEEL)
    assert found is not None
    assert found.yanked == "bad"


def test_a_dry_run_says_what_it_would_do_and_does_nothing(here: Stocked) -> None:
    here.publish(OTHER)
    cursor = here.repository.index.cursor()
    shelf = Shelf(statuses={"demo": ProjectStatus("archived")}, stray=[("old.egg", "no")])
    shelf.put(WHEEL)
    shelf.put(OTHER, yanked="bad")

    outcomes = run(here, shelf, dry_run=True)

    assert kinds(outcomes) == [
        ("imported", WHEEL.filename),
        ("there", OTHER.filename),
        ("yanked", OTHER.filename),
        ("refused", "old.egg"),
        ("status", "project demo"),
    ]
    assert (here.repository.index.cursor(), shelf.asked) == (cursor, [])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"hashes": {}}, "--allow_unhashed"),
        ({"hashes": {"md5": "0" * 32}}, "--allow_unhashed"),
        ({"hashes": {"sha256": "0" * 64}}, "another sha256 than the source says"),
        ({"hashes": {"sha512": "0" * 128}}, "another sha512 than the source says"),
        ({"hashes": {"sha256": WHEEL.sha256, "md5": "0" * 32}}, "another md5"),
        ({"size": 3}, "the source says 3"),
        ({"size": 2 * 1024**3}, "File too large"),
        ({"project": "other"}, "it belongs to project demo"),
    ],
)
def test_a_file_that_is_not_what_the_source_says_is_refused(here: Stocked, more: dict[str, object], told: str) -> None:
    shelf = Shelf()
    shelf.put(WHEEL, **more)  # type: ignore[arg-type]
    shelf.put(OTHER)

    outcomes = run(here, shelf)

    (refused,) = [one for one in outcomes if one.kind == "refused"]
    assert refused.name == WHEEL.filename
    assert told in refused.detail
    assert WHEEL.filename not in refused.detail, "the name is said before it"
    assert record(here, WHEEL) is None
    assert record(here, OTHER) is not None


def test_what_is_no_distribution_is_refused_by_admission(here: Stocked) -> None:
    bad = Distribution(WHEEL.filename, b"no archive", b"")
    shelf = Shelf()
    shelf.put(bad)

    (outcome,) = run(here, shelf)

    assert outcome.kind == "refused"
    assert outcome.detail.startswith("content:")


def test_a_name_that_is_here_with_other_bytes_or_was_deleted_is_refused_without_asking_for_it(here: Stocked) -> None:
    here.publish(make_wheel("demo", "1.0", description="another"), OTHER)
    here.delete(OTHER)
    shelf = Shelf()
    shelf.put(WHEEL)
    shelf.put(OTHER)

    outcomes = run(here, shelf)

    assert kinds(outcomes) == [("refused", WHEEL.filename), ("refused", OTHER.filename)]
    assert "with other content" in outcomes[0].detail
    assert "was deleted here" in outcomes[1].detail
    assert shelf.asked == []


def test_files_without_digests_are_compared_by_their_bytes_where_they_need_none(here: Stocked) -> None:
    here.publish(WHEEL)
    shelf = Shelf(needs_hashes=False)
    shelf.put(WHEEL, hashes={})
    shelf.put(SDIST, hashes={}, upload_time=None)
    shelf.put(OTHER, hashes={}, upload_time=now() + timedelta(days=400))

    assert kinds(run(here, shelf)) == [("there", WHEEL.filename), ("imported", SDIST.filename), ("imported", OTHER.filename)]
    sdist, other = record(here, SDIST), record(here, OTHER)
    assert sdist is not None
    assert other is not None
    assert sdist.upload_time == THEN + timedelta(days=1), "when the source last wrote it"
    assert other.upload_time <= now(), "nothing was uploaded in the future"


def test_trouble_that_passes_is_waited_for_and_trouble_that_stays_is_told(here: Stocked) -> None:
    shelf = Shelf()
    shelf.put(WHEEL)
    shelf.put(OTHER)
    url = f"https://files.example/{OTHER.filename}"
    shelf.bytes_by_url[url] = SourceBusy(url, "does not answer now")
    tries = []

    def before_commit(change: object) -> None:
        tries.append(change)
        here.storage.unavailable = False
        if len(tries) == 1:
            raise BackendUnavailable("a moment, please", retry_after=0)

    here.storage.before_commit = before_commit

    outcomes = {outcome.name: outcome for outcome in run(here, shelf)}

    assert outcomes[WHEEL.filename].kind == "imported"
    assert (outcomes[OTHER.filename].kind, shelf.asked.count(OTHER.filename)) == ("failed", importing.ATTEMPTS)


def test_a_source_that_lists_what_it_does_not_have_stops_nobody(here: Stocked) -> None:
    shelf = Shelf(problems={"gone": "the source has no such project"})
    shelf.put(WHEEL)
    shelf.put(OTHER)
    shelf.bytes_by_url[f"https://files.example/{WHEEL.filename}"] = NotThere("x", "is not there")

    assert kinds(run(here, shelf)) == [("refused", WHEEL.filename), ("refused", "project gone"), ("imported", OTHER.filename)]


def test_a_source_that_has_gone_away_ends_the_run(here: Stocked) -> None:
    shelf = Shelf()
    for number in range(60):
        shelf.put(make_wheel("demo", f"{number}.0"))
    shelf.bytes_by_url = dict.fromkeys(shelf.bytes_by_url, SourceBusy("x", "cannot be reached"))

    with pytest.raises(ImportStopped, match=r"20 files in a row.*cannot be reached"):
        run(here, shelf)
    assert len(set(shelf.asked)) < 60


def test_an_error_of_reading_the_list_is_raised(here: Stocked) -> None:
    class Broken(Shelf):
        def names(self) -> Iterator[ProjectName]:
            raise SourceUnusable("x", "is no index")

    with pytest.raises(SourceUnusable):
        run(here, Broken())


def test_a_secret_that_may_not_write_ends_the_run(here: Stocked) -> None:
    here.repository.backend.rights = Access.READ  # type: ignore[attr-defined]
    shelf = Shelf()
    shelf.put(WHEEL)

    with pytest.raises(AccessDenied):
        run(here, shelf)


def test_nothing_partial_is_left_or_ever_visible(here: Stocked, tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.put(WHEEL, hashes={"sha256": "0" * 64})
    run(here, shelf)

    assert here.repository.project(DEMO) is None
    incoming = [path for path in (tmp_path / "root" / "incoming").rglob("*") if path.is_file() and path.name != "lock"]
    assert incoming == []
    assert hashlib.sha256(WHEEL.data).hexdigest() not in {ref.sha256 for ref in here.storage.bodies}


def test_many_jobs_store_each_file_once(here: Stocked) -> None:
    shelf = Shelf()
    made = [make_wheel("demo", f"{number}.0") for number in range(40)]
    for one in made:
        shelf.put(one)

    assert kinds(run(here, shelf, jobs=8)) == [("imported", one.filename) for one in made], "told in the source's order"
    project = here.repository.project(DEMO)
    assert project is not None
    assert len(project.files) == 40
