"""What the catalogue keeps of a project, made from its records. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pywharf.api.releases import choose_release, releases_of
from pywharf.model.project import ProjectDetail


@dataclass(frozen=True)
class ProjectRows:
    """One project's rows."""

    short: tuple[str, str, str, float, str, int, int, int]  # name, version, summary, updated, status, releases, files, bytes
    words: tuple[str, str, str, str]  # to be searched: name, import names, keywords, summary
    releases: tuple[tuple[str, float, bool], ...]  # each version with the Unix time of its newest upload, and whether it is yanked
    requires: tuple[str, ...]  # normalised names that the newest release requires


def rows_of(detail: ProjectDetail | None) -> ProjectRows | None:
    """A project's rows; None where it has no file."""
    if detail is None or not detail.files:
        return None
    releases = releases_of(detail.files)
    newest = choose_release(releases, None)
    if newest is None:
        return None
    shown = newest.described_file
    imports = sorted({name for record in newest.files for name in record.import_names})
    # Parts of a name are words as well: "acme_http-client" is found by "client".
    names = f"{detail.name} {shown.name} {detail.name.replace('-', '')}"
    return ProjectRows(
        short=(
            shown.name,
            newest.spelling,
            shown.summary,
            max(record.upload_time for record in detail.files).timestamp(),
            detail.status.status,
            len(releases),
            len(detail.files),
            sum(record.size for record in detail.files),
        ),
        words=(names, " ".join(imports), shown.keywords, shown.summary),
        releases=tuple((one.spelling, max(record.upload_time for record in one.files).timestamp(), one.yanked) for one in releases),
        requires=tuple(sorted({name for record in newest.files for name in record.requires} - {detail.name})),
    )
