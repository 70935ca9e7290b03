"""A project's versions and files in the order pages show them.

The order does not depend on the order in which records arrived, so that every server writes the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from packaging.version import Version

from pywharf.model.record import DistributionRecord


def parse_version(version: str) -> Version | None:
    """The version; None where it is none (a record may come from elsewhere)."""
    try:
        return Version(version)
    except ValueError:  # InvalidVersion, and Python's limit on the digits of a number
        return None


def in_order(files: Iterable[DistributionRecord]) -> dict[str, list[DistributionRecord]]:
    """The files of each version, by its normalised spelling: versions ascending as PEP 440 has it, files by name.

    Equal versions of different spelling (1.0, 1.0.0) stand side by side; what is no version comes first.
    """
    by_text: dict[str, list[DistributionRecord]] = {}
    for record in files:
        by_text.setdefault(record.version, []).append(record)
    parsed = {text: version for text in by_text if (version := parse_version(text)) is not None}
    spelling = {text: str(parsed[text]) if text in parsed else text for text in by_text}
    # By spelling first and then, stably, by version alone: on a large page, comparing tuples of both costs more than the rest of it.
    ascending = [
        *sorted(text for text in by_text if text not in parsed),
        *sorted(sorted(parsed, key=spelling.__getitem__), key=parsed.__getitem__),
    ]
    ordered: dict[str, list[DistributionRecord]] = {}
    for text in ascending:
        ordered.setdefault(spelling[text], []).extend(by_text[text])
    for group in ordered.values():
        group.sort(key=attrgetter("filename"))
    return ordered


@dataclass(frozen=True)
class Release:
    """The files of one version."""

    spelling: str  # normalised; of equal ones the first
    version: Version | None  # None: what the records say is no version
    files: list[DistributionRecord] = field(default_factory=list)

    @property
    def yanked(self) -> bool:
        return all(record.yanked is not None for record in self.files)

    @property
    def final(self) -> bool:
        return self.version is not None and not self.version.is_prerelease

    @property
    def described_file(self) -> DistributionRecord:
        """The file that speaks for the release: not yanked, with its core metadata, a wheel, as far as there is one."""
        return min(
            self.files,
            key=lambda record: (record.yanked is not None, record.metadata is None, record.kind != "bdist_wheel", record.filename),
        )


def releases_of(files: Iterable[DistributionRecord]) -> list[Release]:
    """A project's releases, ascending; equal versions of different spelling are one release."""
    releases: list[Release] = []
    for spelling, group in in_order(files).items():
        version = parse_version(spelling)
        if version is None or not releases or releases[-1].version != version:
            releases.append(Release(spelling, version))
        releases[-1].files.extend(group)
    return releases


def choose_release(releases: Sequence[Release], version: str | None) -> Release | None:
    """A release by any spelling of its version; None where there is none.

    version: None asks for the newest: a final one before a pre-release, either before a yanked one.
    """
    if version is None:
        # max() gives the first of equals, hence the newest first.
        return max(reversed(releases), key=lambda release: (not release.yanked, release.final), default=None)
    parsed = parse_version(version)
    named = (release for release in releases if release.version == parsed and (parsed is not None or release.spelling == version))
    return next(named, None)
