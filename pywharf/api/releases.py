"""A project's versions and files in the order pages show them.

The order does not depend on the order in which records arrived, so that every server writes the same page.
"""

from __future__ import annotations

from collections.abc import Iterable
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
