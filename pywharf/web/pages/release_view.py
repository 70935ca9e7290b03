"""What the page of a release shows of its files, and of the releases beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pywharf.api.releases import Release
from pywharf.api.wheel_tags import platform_words, python_words
from pywharf.model.names import ProjectName
from pywharf.model.record import DistributionRecord
from pywharf.web.pages.wording import count_words, day_words, iso, size_words, time_words

MOST_ROWS = 200  # files, and releases, unless all are asked for


@dataclass(frozen=True)
class FileRow:
    """One distribution file."""

    filename: str
    path: str  # below the top of the application
    kind: str  # in words
    python: str  # for which; "" for a source distribution
    platform: str
    requires_python: str
    size: str
    sha256: str
    uploaded: str
    uploaded_iso: str
    yanked: str | None  # as in the record
    metadata_path: str  # "" where none is served
    provenance_path: str


@dataclass(frozen=True)
class ReleaseRow:
    """One release in the history."""

    version: str
    uploaded: str
    uploaded_iso: str
    files: str
    yanked: bool
    reasons: str
    prerelease: bool


def file_rows(project: ProjectName, records: Iterable[DistributionRecord]) -> list[FileRow]:
    """Wheels behind source distributions would be found late: they come first."""
    return [_file_row(project, record) for record in sorted(records, key=lambda one: (one.kind != "bdist_wheel", one.filename))]


def release_rows(releases: Sequence[Release]) -> list[ReleaseRow]:
    """Newest first. releases: ascending."""
    rows = []
    for release in reversed(releases):
        newest = max(record.upload_time for record in release.files)
        rows.append(
            ReleaseRow(
                release.spelling,
                day_words(newest),
                iso(newest),
                count_words(len(release.files), "file"),
                release.yanked,
                yank_reasons(release),
                release.version is not None and release.version.is_prerelease,
            )
        )
    return rows


def yank_reasons(release: Release) -> str:
    """The reasons for which files of a release are yanked, each once."""
    return "; ".join(dict.fromkeys(record.yanked for record in release.files if record.yanked))


def _file_row(project: ProjectName, record: DistributionRecord) -> FileRow:
    path = f"simple/{project}/{record.filename}"
    provenance = f"integrity/{project}/{record.version}/{record.filename}/provenance"
    return FileRow(
        filename=record.filename,
        path=path,
        kind="Wheel" if record.kind == "bdist_wheel" else "Source distribution",
        python=python_words(record.filename),
        platform=platform_words(record.filename),
        requires_python=record.requires_python or "",
        size=size_words(record.size),
        sha256=record.sha256,
        uploaded=time_words(record.upload_time),
        uploaded_iso=iso(record.upload_time),
        yanked=record.yanked,
        metadata_path=f"{path}.metadata" if record.metadata else "",
        provenance_path=provenance if record.provenance else "",
    )
