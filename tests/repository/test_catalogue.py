from __future__ import annotations

import contextlib
import multiprocessing
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pywharf.backend.interface import Entry
from pywharf.errors import IndexNotReady
from pywharf.model.catalogue import LatestRelease, ProjectSummary, Totals
from pywharf.model.names import PROJECT_KEY, ProjectName, parse_filename
from pywharf.model.record import DistributionRecord, ProjectStatus, to_json
from pywharf.repository import catalogue as catalogue_module
from pywharf.repository import catalogue_words
from pywharf.repository.catalogue import Catalogue, rest_after
from pywharf.repository.catalogue_rows import rows_of
from pywharf.repository.local_index import LocalIndex

from .making import MOMENT, local_index, record, settle, step, tombstone, wheel


def opened(folder: Path, index: LocalIndex) -> Catalogue:
    return Catalogue(folder / "local.catalogue.sqlite", "local", index, contextlib.nullcontext)


@pytest.fixture
def catalogue(tmp_path: Path, index: LocalIndex) -> Iterator[Catalogue]:
    with contextlib.closing(opened(tmp_path, index)) as catalogue:
        yield catalogue


def entry_of(record: DistributionRecord, serial: int = 1) -> Entry:
    name = parse_filename(record.filename)
    return Entry(name.project, name.key, serial, to_json(record))


def put(index: LocalIndex, *records: DistributionRecord, reset: bool = False) -> None:
    assert step(index, [entry_of(one) for one in records], reset=reset)


def found(catalogue: Catalogue, words: str) -> list[str]:
    return [one.project for one in catalogue.search(words, limit=100).projects]


# --- search ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(index: LocalIndex, catalogue: Catalogue) -> Catalogue:
    put(
        index,
        record(wheel("acme-http-client"), summary="Talks to Größe services", keywords="rest,json", import_names=("acme.http", "wirehead")),
        record(wheel("acme-core"), summary="What the clients share"),
        record(wheel("zebra"), summary="An animal", keywords="acme"),
    )
    return catalogue


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["acme-core", "acme-http-client", "zebra"]),
        ("   ", ["acme-core", "acme-http-client", "zebra"]),
        ("http", ["acme-http-client"]),
        ("HTTP client", ["acme-http-client"]),
        ("acme_http.client", ["acme-http-client"]),
        ("acmehttp", ["acme-http-client"]),
        ("wireh", ["acme-http-client"]),
        ("grosse", []),
        ("größe", ["acme-http-client"]),
        ("grö", ["acme-http-client"]),
        ("grob", []),
        ("json", ["acme-http-client"]),
        ("animal zeb", ["zebra"]),
        ("animal http", []),
        ("nothing", []),
        ("*", []),
        ('"', []),
        ("acme OR zebra", []),
        ("name:acme", []),
    ],
)
def test_a_project_is_found_by_the_beginnings_of_its_words(shelf: Catalogue, words: str, expected: list[str]) -> None:
    assert found(shelf, words) == expected


def test_a_word_of_the_name_weighs_more_than_one_of_the_keywords(shelf: Catalogue) -> None:
    assert found(shelf, "acme")[-1] == "zebra"
    assert found(shelf, "zebra") == ["zebra"]


def test_the_project_of_exactly_this_name_comes_first(index: LocalIndex, catalogue: Catalogue) -> None:
    put(index, record(wheel("acme-acme-acme"), summary="acme acme"), record(wheel("acme")), record(wheel("acme-x")))

    assert found(catalogue, "Acme")[0] == "acme"


def test_of_very_many_those_come_first_that_changed_last_behind_the_one_of_this_name(
    index: LocalIndex, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_words, "MOST_RANKED", 2)
    for name in ("acme-b", "acme", "acme-c", "other", "acme-a"):
        put(index, record(wheel(name)))
        catalogue.totals()

    pages = [catalogue.search("ACME", limit=2, offset=offset) for offset in (0, 2, 4)]

    assert [one.project for page in pages for one in page.projects] == ["acme", "acme-a", "acme-c", "acme-b"]
    assert {page.total for page in pages} == {4}
    assert found(catalogue, "acme_b") == ["acme-b"]
    assert found(catalogue, "acm") == ["acme-a", "acme-c", "acme", "acme-b"]


def test_a_part_of_what_is_found_is_told_with_how_much_there_is(shelf: Catalogue) -> None:
    assert [shelf.search("", limit=1, offset=offset).projects[0].project for offset in range(3)] == [
        "acme-core",
        "acme-http-client",
        "zebra",
    ]
    assert shelf.search("acme", limit=1).total == 3
    assert shelf.search("acme", limit=5, offset=7) == replace(shelf.search("acme", limit=1), projects=())


# --- the rest of what it is asked -----------------------------------------------------------------------------------


def test_a_project_is_told_by_the_release_that_installers_would_choose(index: LocalIndex, catalogue: Catalogue) -> None:
    put(
        index,
        record(wheel("demo", "1.0"), summary="chosen"),
        record(wheel("demo", "2.0"), summary="yanked", yanked="broken"),
        record(wheel("demo", "3.0rc1"), summary="too early"),
    )

    (summary,) = catalogue.search("", limit=10).projects

    assert summary == ProjectSummary(
        ProjectName("demo"), "demo", "1.0", "chosen", MOMENT.replace(microsecond=summary.updated.microsecond), "active"
    )


def test_releases_are_told_newest_first_of_all_and_of_one(index: LocalIndex, catalogue: Catalogue) -> None:
    times = {"1.0": 3, "1.1": 1, "0.5": 2}
    put(index, *(replace(record(wheel("demo", version)), upload_time=MOMENT + timedelta(hours=hour)) for version, hour in times.items()))
    put(index, replace(record(wheel("other")), upload_time=MOMENT + timedelta(hours=2.5)))

    assert [f"{one.project} {one.version}" for one in catalogue.latest(3)] == ["demo 1.0", "other 1.0", "demo 0.5"]
    assert [one.version for one in catalogue.latest(10, ProjectName("demo"))] == ["1.0", "0.5", "1.1"]


def test_who_requires_a_project_is_known_of_newest_releases(index: LocalIndex, catalogue: Catalogue) -> None:
    put(
        index,
        record(wheel("web", "1.0"), requires=("core", "old")),
        record(wheel("web", "2.0"), requires=("core", "web")),
        record(wheel("app"), requires=("core",)),
    )

    assert catalogue.required_by(ProjectName("core"), 10) == ("app", "web")
    assert catalogue.required_by(ProjectName("core"), 1) == ("app",)
    assert catalogue.required_by(ProjectName("old"), 10) == ()
    assert catalogue.required_by(ProjectName("web"), 10) == ()
    assert catalogue.known(("web", "core", "app")) == {"web", "app"}
    assert catalogue.known(()) == frozenset()


def test_it_is_not_ready_while_the_index_is_not(catalogue: Catalogue) -> None:
    with pytest.raises(IndexNotReady):
        catalogue.totals()


# --- staying in step ------------------------------------------------------------------------------------------------


def test_much_is_brought_up_by_a_thread_and_it_says_so_meanwhile(
    index: LocalIndex, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_module, "AT_ONCE", 3)
    monkeypatch.setattr(catalogue_module, "STEP", 2)
    put(index, *(record(wheel(f"demo{number}")) for number in range(20)))

    assert catalogue.is_behind()
    settle(lambda: not catalogue.is_behind())
    assert catalogue.totals() == Totals(20, 20, 20, 20 * len(b"content"))


def test_the_thread_gives_way_where_others_want_to_work() -> None:
    assert rest_after(took=0.101, worked=0.1) == catalogue_module.BREATH
    assert rest_after(took=0.3, worked=0.1) > 1.0
    assert rest_after(took=0.0002, worked=0.0) == catalogue_module.BREATH  # nothing was to be done
    assert rest_after(took=9.0, worked=0.1) <= 5.0  # it waited for another process: what that wrote is not all there is


def test_what_a_reset_no_longer_has_is_forgotten(index: LocalIndex, catalogue: Catalogue) -> None:
    put(index, record(wheel("kept")), record(wheel("gone"), requires=("kept",)))
    assert found(catalogue, "") == ["gone", "kept"]

    put(index, record(wheel("kept")), reset=True)

    assert found(catalogue, "") == ["kept"]
    assert found(catalogue, "gone") == []
    assert catalogue.required_by(ProjectName("kept"), 10) == ()


def test_so_is_all_of_it_by_an_empty_reset(index: LocalIndex, catalogue: Catalogue) -> None:
    put(index, record(wheel("gone")))
    assert catalogue.totals().projects == 1

    put(index, reset=True)

    assert catalogue.totals() == Totals(0, 0, 0, 0)


@pytest.mark.parametrize("damage", [b"", b"not a database" * 1000, None])
def test_a_damaged_catalogue_is_made_anew(tmp_path: Path, index: LocalIndex, damage: bytes | None) -> None:
    put(index, record(wheel("demo")))
    with contextlib.closing(opened(tmp_path, index)) as first:
        assert found(first, "") == ["demo"]
    path = tmp_path / "local.catalogue.sqlite"
    if damage is None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(damage)

    with contextlib.closing(opened(tmp_path, index)) as second:
        with contextlib.suppress(IndexNotReady):
            second.totals()
        assert found(second, "") == ["demo"]


def test_it_can_be_thrown_away(tmp_path: Path, index: LocalIndex) -> None:
    put(index, record(wheel("demo")))
    with contextlib.closing(opened(tmp_path, index)) as first:
        first.totals()
    for path in tmp_path.glob("local.catalogue.sqlite*"):
        path.unlink()

    with contextlib.closing(opened(tmp_path, index)) as second:
        assert found(second, "") == ["demo"]


# --- against a model ------------------------------------------------------------------------------------------------

PROJECTS = ("alpha", "beta", "gamma-delta", "epsilon")
VERSIONS = ("0.9", "1.0", "1.1rc1", "2.0")


def a_change(rng: random.Random) -> Entry:
    """One document: of a file, of one that was deleted or removed by hand, or of a project's status."""
    project = rng.choice(PROJECTS)
    if rng.random() < 0.2:
        return Entry(project, PROJECT_KEY, 1, to_json(ProjectStatus(rng.choice(("active", "archived", "quarantined", "deprecated")))))
    filename = wheel(project, rng.choice(VERSIONS))
    name = parse_filename(filename)
    if rng.random() < 0.35:
        return Entry(name.project, name.key, 1, rng.choice((None, to_json(tombstone(filename)), b"not a document")))
    made = record(
        filename,
        yanked=rng.choice((None, None, "", "broken")),
        summary=rng.choice(("a thing", "another thing", "")),
        keywords=rng.choice(("", "red", "green")),
        requires=tuple(rng.sample(PROJECTS, rng.randint(0, 2))),
        import_names=(rng.choice(("imported", "brought")),),
    )
    return entry_of(replace(made, upload_time=MOMENT + timedelta(minutes=rng.randint(0, 10_000))))


def check_against_the_index(catalogue: Catalogue, index: LocalIndex) -> None:
    """Everything it answers is what the index says, worked out without it."""
    details = {name: detail for name in index.projects().names if (detail := index.project(name)) is not None and detail.files}
    rows = {name: made for name, detail in details.items() if (made := rows_of(detail)) is not None}
    files = [record for detail in details.values() for record in detail.files]

    listed = catalogue.search("", limit=1000)

    assert listed.total == len(rows)
    assert [(one.project, one.name, one.version, one.summary, one.status) for one in listed.projects] == [
        (name, rows[name].short[0], rows[name].short[1], rows[name].short[2], rows[name].short[4]) for name in sorted(rows)
    ]
    assert catalogue.totals() == Totals(
        len(rows), sum(len(made.releases) for made in rows.values()), len(files), sum(one.size for one in files)
    )
    releases = sorted((-at, name, version, yanked) for name, made in rows.items() for version, at, yanked in made.releases)
    shown: tuple[LatestRelease, ...] = catalogue.latest(5)
    assert [(one.project, one.version, one.yanked, one.status) for one in shown] == [
        (name, version, yanked, rows[name].short[4]) for _, name, version, yanked in releases[:5]
    ]
    offered = [(name, version) for _, name, version, _ in releases if rows[name].short[4] != "quarantined"]
    assert [(one.project, one.version) for one in catalogue.latest(5, offered=True)] == offered[:5]
    for project in PROJECTS:
        assert catalogue.required_by(ProjectName(project), 10) == tuple(sorted(name for name in rows if project in rows[name].requires))
    for word in ("thing", "another", "red", "imported", "gamma", "epsilon"):
        expected = {
            name
            for name, made in rows.items()
            if any(part.startswith(word) for text in made.words for part in text.replace("-", " ").split())
        }
        assert {one.project for one in catalogue.search(word, limit=100).projects} == expected, word


def _bytes_of_words(folder: Path) -> int:
    with contextlib.closing(sqlite3.connect(folder / "local.catalogue.sqlite")) as db:
        return int(db.execute("SELECT sum(length(block)) FROM words_data").fetchone()[0])


def test_what_is_made_anew_keeps_nothing_of_the_words_before_that_searches_would_go_through(
    tmp_path: Path, index: LocalIndex, catalogue: Catalogue
) -> None:
    put(index, *(record(wheel(f"demo{number}"), summary=f"The word number{number}") for number in range(40)))
    assert catalogue.search("demo7", limit=5).total == 1
    full = _bytes_of_words(tmp_path)

    index.rebuild()
    put(index, record(wheel("zebra")), reset=True)

    assert found(catalogue, "") == ["zebra"]
    assert _bytes_of_words(tmp_path) < full / 5
    check_against_the_index(catalogue, index)


@pytest.mark.parametrize("seed", range(4))
def test_it_says_what_the_index_says_after_any_changes_resets_and_rebuilds(
    tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(catalogue_module, "AT_ONCE", rng.choice((1, 2, 50)))
    monkeypatch.setattr(catalogue_module, "STEP", 1)
    step(index, [])
    with contextlib.ExitStack() as stack:
        views = [stack.enter_context(contextlib.closing(opened(tmp_path, one))) for one in (index, local_index(tmp_path))]
        for _ in range(30):
            action = rng.random()
            if action < 0.1:
                step(index, [a_change(rng) for _ in range(rng.randint(0, 8))], reset=True)
            elif action < 0.15:
                index.rebuild()
                step(index, [a_change(rng) for _ in range(rng.randint(0, 8))])
            else:
                step(index, [a_change(rng) for _ in range(rng.randint(1, 4))])
            if rng.random() < 0.7:
                view = rng.choice(views)
                settle(lambda view=view: not view.is_behind())  # type: ignore[misc]
                check_against_the_index(view, index)
        for view in views:
            settle(lambda view=view: not view.is_behind())  # type: ignore[misc]
            check_against_the_index(view, index)


def _look(folder: Path, rounds: int, answers: object) -> None:
    catalogue = opened(folder, local_index(folder))
    for _ in range(rounds):
        settle(lambda: not catalogue.is_behind(), 30)
    answers.put(catalogue.totals().projects)  # type: ignore[attr-defined]
    catalogue.close()


@pytest.mark.any_python
def test_processes_that_bring_it_up_at_once_end_up_with_the_same(tmp_path: Path, index: LocalIndex) -> None:
    put(index, *(record(wheel(f"demo{number}")) for number in range(120)))
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_look, args=(tmp_path, 3, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    found_by_each = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)

    assert found_by_each == [120, 120]
    with contextlib.closing(opened(tmp_path, index)) as catalogue:
        settle(lambda: not catalogue.is_behind())
        check_against_the_index(catalogue, index)
