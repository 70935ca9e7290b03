"""What is counted below the web layer, whoever reads it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pywharf.counting import STORAGE_ERRORS, SYNCS
from pywharf.errors import AccessDenied, BackendUnavailable, NotAsked
from pywharf.repository.breaker import Breaker, Work
from pywharf.repository.sync import Synchroniser
from pywharf.testing.memory import MemoryBackend, MemoryStorage
from pywharf.web.metrics.series import SERIES

from .making import local_index


class Counted:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.found: Counter[tuple[str, ...]] = Counter()

    def count(self, series: str, *labels: str, by: float = 1) -> None:
        assert len(labels) == len(SERIES[series].labels)
        key = (series, *labels)
        self.found[key] += int(by)


@pytest.fixture
def counted() -> Counted:
    return Counted()


class Gone(MemoryBackend):
    """Cannot be asked while `trouble` is set."""

    trouble: Exception | None = None

    def read_changes(self, after):  # type: ignore[no-untyped-def]  # as MemoryBackend has it
        if self.trouble:
            raise self.trouble
        return super().read_changes(after)


def test_syncs_are_counted_by_how_they_end(tmp_path: Path, counted: Counted) -> None:
    backend = Gone(MemoryStorage())
    sync = Synchroniser("local", backend, local_index(tmp_path), interval=60, folder=tmp_path, counting=counted)

    sync.sync()
    sync.sync()
    backend.trouble = BackendUnavailable("gone")
    with pytest.raises(BackendUnavailable):
        sync.sync()

    assert counted.found == {(SYNCS, "local", "done"): 2, (SYNCS, "local", "failed"): 1}


def test_storage_errors_are_counted_by_what_was_asked_and_by_type(counted: Counted) -> None:
    class HostGone(BackendUnavailable):
        """As a backend may have its own."""

    breaker = Breaker("local", counting=counted)

    for work, error in ((Work.READING, BackendUnavailable("gone")), (Work.READING, HostGone("gone")), (Work.CHANGES, HostGone("gone"))):
        with pytest.raises(BackendUnavailable), breaker.asking(work):
            raise error
    with pytest.raises(AccessDenied), breaker.asking(Work.RIGHTS):
        raise AccessDenied("read")  # an answer

    assert counted.found == {
        (STORAGE_ERRORS, "local", "reading", "BackendUnavailable"): 1,
        (STORAGE_ERRORS, "local", "reading", "HostGone"): 1,
        (STORAGE_ERRORS, "local", "changes", "HostGone"): 1,
    }


def test_a_storage_that_is_not_asked_adds_no_errors(counted: Counted) -> None:
    now = [0.0]
    breaker = Breaker("local", clock=lambda: now[0], counting=counted)

    def wait_in_vain() -> None:
        with breaker.asking(Work.READING):
            now[0] += 10
            raise BackendUnavailable("gone")

    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            wait_in_vain()
    with pytest.raises(NotAsked):
        wait_in_vain()

    assert sum(counted.found.values()) == 3
