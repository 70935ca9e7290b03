"""How a repository is doing, as `/health/` and the logs tell it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pywharf.repository.breaker import Breaker
from pywharf.repository.notices import Notice
from pywharf.repository.sync import Synchroniser


@dataclass(frozen=True)
class Health:
    """One repository at this moment."""

    ready: bool  # whether it answers readers
    synced_ago: float | None  # seconds since the local index was last in step; None: never
    problem: str = ""  # why its storage cannot be used, or not for everything: one sentence, safe to show to an operator
    problem_since: float | None = None  # Unix time when that began; None where there is no problem
    notices: tuple[Notice, ...] = ()  # what happened to the storage, and nobody has acknowledged yet
    left_alone: bool = False  # whether the storage kept failing and is not asked at this moment, by this process


def health_of(sync: Synchroniser, breaker: Breaker, *, ready: bool) -> Health:
    """What the sync and the breaker know. The older of two problems is told: it is the other's cause more often than not."""
    at = sync.synced_at()
    found = [(sync.problem_since, sync.problem)] if sync.problem else []
    trouble = breaker.trouble()
    if trouble is not None:
        found.append((trouble.since, f"{trouble.work.value}: {trouble.reason}"))
    since, problem = min(found, default=(None, ""), key=lambda one: one[0] or 0.0)
    return Health(ready, None if at is None else max(0.0, time.time() - at), problem, since, sync.notices.current(), trouble is not None)
