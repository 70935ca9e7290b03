"""What is counted while pywharf works, as the part that counts it sees it: a name, its labels, and nothing of who reads it.

The names are those of `/metrics`; `web/metrics/series.py` says what each means. No label holds a project, a file, an address or
a secret, and each takes few values.
"""

from __future__ import annotations

from typing import Protocol

SYNCS = "pywharf_syncs_total"  # repository, outcome
STORAGE_ERRORS = "pywharf_storage_errors_total"  # repository, work, error


class Counting(Protocol):
    """Takes what is counted. Called from any thread; never raises and never waits."""

    def count(self, series: str, *labels: str, by: float = 1) -> None:
        """Add `by` to a series. labels: their values, in the order that the table of series has them."""


class _Nobody:
    def count(self, series: str, *labels: str, by: float = 1) -> None:
        """Nobody wants to know."""


NOT_COUNTED: Counting = _Nobody()
