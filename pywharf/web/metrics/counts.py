"""What one process counted since it began. One lock, a few additions to dictionaries for a request: a counter per request costs nobody a thought."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping
from typing import TypeAlias

from pywharf.web.metrics.series import BUCKETS, DOWNLOADS, DURATIONS, RECEIVED, REQUESTS, SENT, SERIES
from pywharf.web.request import Request

Key: TypeAlias = tuple[str, ...]  # the series, and the values of its labels
# A number; of a histogram how many fell into each bucket, those above the last bound, and the sum of all.
Value: TypeAlias = float | list[float]
Values: TypeAlias = dict[Key, Value]

MOST = 20_000  # values; no traffic reaches that, since every label takes few values
FILES = "/simple/<project>/<filename>"  # the route of downloads
_STATUS = {status: str(status) for status in (200, 206, 301, 302, 304)}
_METHODS = frozenset({"GET", "HEAD", "POST"})


class Counts:
    """Counts of one process. Shared between threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers: dict[Key, float] = {}
        self._histograms: dict[Key, list[float]] = {}
        self._changes = 0

    @property
    def changes(self) -> int:
        """Moves with everything that is counted."""
        return self._changes

    def count(self, series: str, *labels: str, by: float = 1) -> None:
        """Add to a series. labels: as the table has them."""
        key = (series, *labels)
        with self._guard:
            self._changes += 1
            self._add(key, by)

    def request(self, request: Request, status: int, seconds: float, sent: int) -> None:
        """One request that is done. sent: bytes of the answer's body."""
        method = request.method if request.method in _METHODS else "other"
        route = request.route or "none"
        with self._guard:
            self._changes += 1
            self._add((REQUESTS, route, method, _STATUS[status] if status in _STATUS else str(status)), 1)
            if request.received:
                self._add((RECEIVED, route, method), request.received)
            if sent:
                self._add((SENT, route, method), sent)
            if route == FILES and status in (200, 206) and method == "GET":
                kind = "metadata" if request.raw_path.endswith(".metadata") else "file"
                self._add((DOWNLOADS, request.repository_name, kind), 1)
            key = (DURATIONS, route, method)
            histogram = self._histograms.get(key)
            if histogram is None:
                if len(self._numbers) + len(self._histograms) >= MOST:
                    return
                histogram = self._histograms[key] = [0.0] * (len(BUCKETS) + 2)
            histogram[bisect.bisect_left(BUCKETS, seconds)] += 1
            histogram[-1] += seconds

    def values(self) -> Values:
        """All of it at this moment."""
        with self._guard:
            values: Values = dict(self._numbers)
            values.update((key, list(buckets)) for key, buckets in self._histograms.items())
        return values

    def _add(self, key: Key, by: float) -> None:
        numbers = self._numbers
        if key in numbers:
            numbers[key] += by
        elif len(numbers) + len(self._histograms) < MOST:
            numbers[key] = by


def added(one: Value | None, other: Value) -> Value:
    """The sum of two counts."""
    if one is None:
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    if isinstance(one, list) or isinstance(other, list):
        return other  # no two processes of one server disagree about what a series is
    return one + other


def add_up(total: Values, counted: Mapping[Key, Value]) -> None:
    """Add counters and histograms to a total, but for what is told of each worker apart."""
    for key, value in counted.items():
        series = SERIES.get(key[0])
        if series is not None and series.kind != "gauge" and "worker" not in series.labels:
            total[key] = added(total.get(key), value)
