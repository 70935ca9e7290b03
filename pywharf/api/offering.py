"""Why a file is, or is not, offered to installers: in sentences, for somebody who wonders.

Pure. It tells what the Simple API's pages say and what installers make of it; it decides nothing.

Sources: PEP 592 (yanked), PEP 792 (statuses), PEP 440 (pre-releases), PEP 503 (Requires-Python), PEP 658 (core metadata).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.specifiers import SpecifierSet

from pywharf.api.releases import Release
from pywharf.api.wheel_tags import platform_words, python_words
from pywharf.model.record import DistributionRecord, ProjectStatus, Tombstone, time_text

Verdict = Literal["offered", "on request", "not offered"]


@dataclass(frozen=True)
class Explained:
    """One file, or one that was."""

    filename: str
    verdict: Verdict
    sentences: tuple[str, ...]


def explain_project(status: ProjectStatus, *, has_files: bool) -> tuple[str, ...]:
    """What holds for all files of a project."""
    because = f" The reason given: “{status.reason}”" if status.reason else ""
    if status.status == "quarantined":
        return (f"The project is quarantined: nothing of it is listed or served, whoever asks.{because}",)
    said: list[str] = []
    if status.status == "archived":
        said.append(f"The project is archived: what is there is offered as before, and no new files are taken.{because}")
    if status.status == "deprecated":
        said.append(f"The project is deprecated: its files are offered as before, and installers may tell people so.{because}")
    if not has_files:
        said.append(
            "All files of the project were deleted. Its name stays reserved: installers that ask for it are never sent to the extra index."
        )
    return tuple(said)


def explain_file(record: DistributionRecord, release: Release, newest: Release | None, status: ProjectStatus) -> Explained:
    """A file that is here.

    release: which it is of. newest: the project's release that installers would choose.
    """
    if not status.offers_files:
        return Explained(record.filename, "not offered", ("It is kept, and neither listed nor served while the project is quarantined.",))
    said: list[str] = []
    verdict: Verdict = "offered"
    if record.yanked is not None:
        verdict = "on request"
        because = f" The reason given: “{record.yanked}”" if record.yanked else ""
        said.append(f"It is yanked: installers pass over it, unless exactly this version is asked for (==).{because}")
    if release.version is None:
        verdict = "not offered"
        said.append(f"Its version, {record.version!r}, is none as PEP 440 has them: it is listed, and installers pass over it.")
    elif release.version.is_prerelease:
        verdict = "on request"
        kind = "a development release" if release.version.is_devrelease else "a pre-release"
        said.append(
            f"It is of {kind}: installers choose it only if they are told to take pre-releases, this version is asked for, "
            "or the project has no final release that suits."
        )
    if newest is not None and newest.version is not None and release.version is not None and newest.version > release.version:
        said.append(f"There is {newest.spelling}, which is newer: without another wish, installers take that where it suits.")
    said.append(_which_python(record))
    if record.kind == "bdist_wheel":
        said.append(f"It is a wheel for {python_words(record.filename)}, {platform_words(record.filename)}; others pass over it.")
    else:
        said.append("It is a source distribution: installers take it where no wheel of the release suits, and build it first.")
    if record.metadata is None:
        said.append("Its core metadata are not served beside it, so installers fetch the whole file to learn what it requires.")
    return Explained(record.filename, verdict, tuple(said))


def explain_absence(filename: str, tombstone: Tombstone | None) -> Explained:
    """A file that was here. tombstone: None where somebody removed it behind pywharf's back, or what is known of it cannot be read."""
    if tombstone is None:
        return Explained(
            filename,
            "not offered",
            ("What is known of it was removed from the storage by hand, or cannot be read. `pywharf verify` tells an operator more.",),
        )
    because = f" The reason given: “{tombstone.reason}”" if tombstone.reason else ""
    return Explained(
        filename,
        "not offered",
        (
            f"It was deleted on {time_text(tombstone.deleted_time)[:10]}. Its name stays taken: no file can be uploaded under it again.{because}",
        ),
    )


def _which_python(record: DistributionRecord) -> str:
    if not record.requires_python:
        return "It says nothing of the Python it needs (Requires-Python), so it is offered to all."
    try:
        SpecifierSet(record.requires_python)
    except ValueError:
        return f"Its Requires-Python, {record.requires_python!r}, cannot be read: some installers ignore that, others pass over the file."
    return f"Only a Python that satisfies {record.requires_python} takes it (Requires-Python); others look for another release."
