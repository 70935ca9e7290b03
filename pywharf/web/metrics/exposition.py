"""What all processes know, added up and written as Prometheus reads it.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0. prometheus_client writes both; it is imported by
whoever asks first, since it takes a while.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pywharf.web.metrics.board import Everything
from pywharf.web.metrics.counts import Key, Value, Values, add_up
from pywharf.web.metrics.series import BUCKETS, SERIES, Series

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def wants_open_metrics(accept: str | None) -> bool:
    """Whether a request's Accept names OpenMetrics; what else it names is read by everybody."""
    return any(part.partition(";")[0].strip().lower() == "application/openmetrics-text" for part in (accept or "").split(","))


def text(found: Everything, repository: str | None = None, *, open_metrics: bool = False) -> bytes:
    """All series, each with its HELP and TYPE. repository: leave out what is told of any other one; None: leave out nothing."""
    from prometheus_client.exposition import generate_latest
    from prometheus_client.openmetrics import exposition as openmetrics

    values = summed(found)
    if repository is not None:
        values = {key: value for key, value in values.items() if _is_told(key, repository)}
    families = _Families(list(_families(values)))
    if open_metrics:
        written: bytes = openmetrics.generate_latest(families)  # type: ignore[no-untyped-call]  # prometheus_client's stubs
        return written
    return generate_latest(families)


def summed(found: Everything) -> Values:
    """One value for each series and labels, "worker" among them."""
    values: Values = dict(found.past.counts)
    values.update(found.past.gauges)
    gauges: dict[Key, list[float]] = {}
    for number, shown in found.workers.items():
        add_up(values, shown.counts)
        for key, value in itertools.chain(shown.counts.items(), shown.gauges.items()):
            series = SERIES.get(key[0])
            if series is None:
                continue
            if "worker" in series.labels:
                told_apart: Key = (*key, str(number))
                values[told_apart] = value
            elif series.kind == "gauge" and not isinstance(value, list):
                gauges.setdefault(key, []).append(value)
    values.update((key, _combined(SERIES[key[0]], several)) for key, several in gauges.items())
    return values


def _combined(series: Series, values: list[float]) -> float:
    if series.combine == "age":
        return max(0.0, time.time() - max(values))
    if series.combine == "sum":
        return sum(values)
    return min(values) if series.combine == "min" else max(values)


def _is_told(key: Key, repository: str) -> bool:
    """Whether the callers of a repository are told: what has no repository, and their own."""
    labels = SERIES[key[0]].labels
    return "repository" not in labels or key[1 + labels.index("repository")] in ("", repository)


def _families(values: Values) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    by_series: dict[str, list[tuple[Key, Value]]] = {}
    for key, value in sorted(values.items(), key=lambda item: item[0]):
        by_series.setdefault(key[0], []).append((key[1:], value))
    for name, series in SERIES.items():
        found = by_series.get(name)
        if not found:
            continue
        if series.kind == "histogram":
            histogram = HistogramMetricFamily(name, series.meaning, labels=series.labels)
            for labels, value in found:
                if isinstance(value, list):
                    histogram.add_metric(labels, _cumulative(value[:-1]), value[-1])
            yield histogram
            continue
        family = (CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily)(name, series.meaning, labels=series.labels)
        for labels, value in found:
            if not isinstance(value, list):
                family.add_metric(labels, value)
        yield family


def _cumulative(buckets: list[float]) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
    return list(zip(bounds, itertools.accumulate(buckets), strict=True))


class _Families:
    """As prometheus_client wants to be given them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
