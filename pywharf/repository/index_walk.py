"""Questions that go through the whole of the local index: what changed since somebody looked, which names look like one."""

from __future__ import annotations

from pywharf.model.names import ProjectName
from pywharf.repository.index_rows import expect
from pywharf.repository.local_index import LocalIndex


def position(index: LocalIndex) -> tuple[str, int]:
    """Which build of the index this is, and the revision of its newest change: who is at both has seen everything."""
    build = index.build()
    with index.reading() as (_, state):
        return str(build), state.revision


def changed_projects(index: LocalIndex, after: tuple[int, str], limit: int) -> list[tuple[int, ProjectName]]:
    """Projects touched after one, by the revision of their last change and their name: a walk that can be gone on with."""
    with index.reading() as (db, _):
        rows = db.execute(
            "SELECT revision, project FROM projects WHERE (revision, project) > (?, ?) ORDER BY revision, project LIMIT ?", (*after, limit)
        )
        return [(expect(row[0], int), ProjectName(expect(row[1], str))) for row in rows]


def oldest_revision(index: LocalIndex) -> int | None:
    """The revision of the project that changed longest ago; None where there is no project."""
    with index.reading() as (db, _):
        found = db.execute("SELECT min(revision) FROM projects").fetchone()[0]
        return None if found is None else expect(found, int)


def names_spelled(index: LocalIndex, spelling: str, value: str) -> list[ProjectName]:
    """The first names ever seen whose `spelling`, an expression of SQL over `project`, is `value`."""
    with index.reading() as (db, _):
        return [ProjectName(row[0]) for row in db.execute(f"SELECT project FROM names WHERE {spelling} = ? LIMIT 9", (value,))]  # noqa: S608 - ours
