from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pywharf.config import ServerSettings
from pywharf.web.app import App, make_app
from pywharf.web.metrics.reporting import Metrics
from pywharf.web.throttle import Throttle

from ..client import Answer
from ..conftest import EXTRA, Clock
from ..fakes import FakeWharf

Told = dict[tuple[str, ...], float]


def told(answer: Answer) -> Told:
    """What a page of metrics says: each sample by its name and "label=value"s."""
    assert answer.status == 200, answer.text
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(wharf: FakeWharf, clock: Clock, metrics: Metrics) -> App:
    return make_app(wharf.wharf, ServerSettings(extra_index_url=EXTRA), throttle=Throttle(clock=clock), metrics=metrics)


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks twice is told what happened between."""
    monkeypatch.setattr("pywharf.web.metrics.reporting.FRESH", 0.0)
