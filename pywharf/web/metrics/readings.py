"""What nobody counts, because it can be read off when somebody asks: how the process, the application and its server are doing."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass, field
from typing import Protocol

from pywharf import __version__
from pywharf.errors import BackendUnavailable
from pywharf.web.metrics import series
from pywharf.web.metrics.counts import Key, Values
from pywharf.web.page_cache import PageCache
from pywharf.web.server.counts import CountedServer
from pywharf.web.sessions import Sessions
from pywharf.wharf import Wharf


@dataclass
class Reading:
    """Values of this process. counts: since it began."""

    counts: Values = field(default_factory=dict)
    gauges: dict[Key, float] = field(default_factory=dict)


class Source(Protocol):
    """Puts what it knows into a reading. Raises OSError where that cannot be had."""

    def __call__(self, reading: Reading) -> None: ...


def of_process() -> Source:
    """Memory, processor time and descriptors of this process, which begins now, as far as the system tells them."""
    began = time.time()

    def read(reading: Reading) -> None:
        reading.gauges[series.BUILD, __version__, platform.python_version()] = 1
        reading.gauges[series.STARTED,] = began
        reading.counts[series.CPU,] = time.process_time()
        reading.gauges[series.MAX_FDS,] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        reading.gauges[series.FDS,] = len(os.listdir("/dev/fd")) - 1  # without the one that the question needs
        with open("/proc/self/statm", "rb") as statm:  # not every system has it
            reading.gauges[series.RESIDENT,] = int(statm.read().split()[1]) * resource.getpagesize()

    return read


def of_wharf(wharf: Wharf) -> Source:
    """How the repositories are doing, and the disk that ROOT is on."""

    def read(reading: Reading) -> None:
        with wharf.hold() as generation:
            for name, repository in generation.repositories.items():
                health = repository.health()
                reading.gauges[series.READY, name] = health.ready
                reading.gauges[series.NOTICES, name] = len(health.notices)
                reading.gauges[series.LEFT_ALONE, name] = health.left_alone
                if health.synced_ago is not None:
                    reading.gauges[series.SYNC_AGE, name] = time.time() - health.synced_ago
        disk = os.statvfs(wharf.sessions_path.parent)
        reading.gauges[series.ROOT_FREE,] = disk.f_bavail * disk.f_frsize
        reading.gauges[series.ROOT_SIZE,] = disk.f_blocks * disk.f_frsize

    return read


def of_sessions(sessions: Sessions, wharf: Wharf) -> Source:
    """How many browsers are logged in to each repository."""

    def read(reading: Reading) -> None:
        try:
            found = sessions.count()
        except BackendUnavailable as error:
            raise OSError("the sessions cannot be counted") from error
        with wharf.hold() as generation:
            for name in generation.repositories:
                reading.gauges[series.SESSIONS, name] = found.get(name, 0)

    return read


def of_page_cache(cache: PageCache) -> Source:
    """Rendered pages in memory."""

    def read(reading: Reading) -> None:
        reading.counts[series.PAGE_CACHE_HITS,] = cache.hits
        reading.counts[series.PAGE_CACHE_MISSES,] = cache.misses
        reading.gauges[series.PAGE_CACHE_BYTES,] = cache.weight
        reading.gauges[series.PAGE_CACHE_PAGES,] = len(cache)

    return read


def of_server(server: CountedServer) -> Source:
    """Threads and connections."""

    def read(reading: Reading) -> None:
        found = server.counts()
        reading.gauges[series.THREADS,] = found.threads
        reading.gauges[series.THREADS_BUSY,] = found.threads_busy
        reading.gauges[series.QUEUE_LENGTH,] = found.queued
        reading.gauges[series.CONNECTIONS, "parked"] = found.parked
        reading.gauges[series.CONNECTIONS, "active"] = found.active
        reading.counts[series.CONNECTIONS_ACCEPTED,] = found.accepted
        for status, number in found.refused.items():
            reading.counts[series.CONNECTIONS_REFUSED, status] = number

    return read
