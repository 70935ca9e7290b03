"""Every series that `/metrics` has: name, type, labels, meaning, and how the values of several workers become one.

docs/reference/metrics.md tells the same and is compared with this table; so is every query of the dashboard. Labels take few values,
each known in advance or configured: a route's rule and not a path, an error's type and not its text. Never a project, a file, an
address or a secret.

Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pywharf import counting

Kind = Literal["counter", "gauge", "histogram"]
# How gauges of several workers become one. "age": each worker tells a Unix time, the latest counts, told is how long ago that is.
Combine = Literal["sum", "min", "max", "age"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


@dataclass(frozen=True)
class Series:
    """One series. labels: "worker" is put in by whoever adds up, with the number of the worker's place."""

    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    combine: Combine = "sum"

    @property
    def counted_labels(self) -> tuple[str, ...]:
        """The labels that a worker gives values for."""
        return tuple(label for label in self.labels if label != "worker")


REQUESTS = "pywharf_http_requests_total"
DURATIONS = "pywharf_http_request_duration_seconds"
RECEIVED = "pywharf_http_request_body_bytes_total"
SENT = "pywharf_http_response_body_bytes_total"
REFUSALS = "pywharf_http_refusals_total"
UPLOADS = "pywharf_uploads_total"
UPLOADS_REFUSED = "pywharf_uploads_refused_total"
DOWNLOADS = "pywharf_downloads_total"
SECRET_CHECKS = "pywharf_secret_checks_total"  # noqa: S105 - the name of a series
READY = "pywharf_repository_ready"
SYNC_AGE = "pywharf_sync_age_seconds"
LEFT_ALONE = "pywharf_storage_left_alone"
NOTICES = "pywharf_repository_notices"
SESSIONS = "pywharf_sessions"
PAGE_CACHE_HITS = "pywharf_page_cache_hits_total"
PAGE_CACHE_MISSES = "pywharf_page_cache_misses_total"
PAGE_CACHE_BYTES = "pywharf_page_cache_bytes"
PAGE_CACHE_PAGES = "pywharf_page_cache_pages"
THREADS = "pywharf_threads"
THREADS_BUSY = "pywharf_threads_busy"
QUEUE_LENGTH = "pywharf_queue_length"
CONNECTIONS = "pywharf_connections"
CONNECTIONS_ACCEPTED = "pywharf_connections_accepted_total"
CONNECTIONS_REFUSED = "pywharf_connections_refused_total"
WORKERS = "pywharf_workers"
WORKER_STARTS = "pywharf_worker_starts_total"
WORKER_DEATHS = "pywharf_worker_deaths_total"
RESIDENT = "pywharf_worker_resident_memory_bytes"
CPU = "pywharf_worker_cpu_seconds_total"
FDS = "pywharf_worker_open_fds"
MAX_FDS = "pywharf_worker_max_fds"
STARTED = "pywharf_worker_start_time_seconds"
ROOT_FREE = "pywharf_root_free_bytes"
ROOT_SIZE = "pywharf_root_size_bytes"
BUILD = "pywharf_build_info"

_BY_ROUTE = ("route", "method")

SERIES: Mapping[str, Series] = {
    # what is asked and answered
    REQUESTS: Series("counter", ("route", "method", "status"), "Requests that were answered, by the rule of the route and the status"),
    DURATIONS: Series("histogram", _BY_ROUTE, "From the head of a request read to the last byte of its answer handed over"),
    RECEIVED: Series("counter", _BY_ROUTE, "Bytes of request bodies that were read"),
    SENT: Series("counter", _BY_ROUTE, "Bytes of answers' bodies, without what a proxy sends by itself"),
    REFUSALS: Series("counter", ("repository", "error"), "Requests answered by an error, by its type; fault: a fault of the program"),
    UPLOADS: Series(
        "counter", ("repository", "outcome"), "Uploads that succeeded: created, or present where the same bytes were here already"
    ),
    UPLOADS_REFUSED: Series(
        "counter", ("repository", "reason"), "Uploads of known writers that were refused, by the check or the error's type"
    ),
    DOWNLOADS: Series("counter", ("repository", "kind"), "Files (file) and core metadata (metadata) asked for with GET, whole or in part"),
    SECRET_CHECKS: Series(
        "counter",
        ("repository", "outcome"),
        "Secrets that were shown: remembered, granted, denied, throttled, or unavailable where the storage could not say; "
        "the repository is empty where the name is none of ours",
    ),
    # repositories
    READY: Series("gauge", ("repository",), "1 where the repository answers readers in every worker, else 0", "min"),
    SYNC_AGE: Series("gauge", ("repository",), "Seconds since the local index was last in step with the storage", "age"),
    counting.SYNCS: Series("counter", ("repository", "outcome"), "Attempts to bring the local index in step: done, failed"),
    counting.STORAGE_ERRORS: Series(
        "counter",
        ("repository", "work", "error"),
        "Questions and changes that the storage did not answer, by what was asked and the error's type",
    ),
    LEFT_ALONE: Series("gauge", ("repository",), "Workers in which the circuit breaker is open: the storage kept failing and is not asked"),
    NOTICES: Series("gauge", ("repository",), "Notices for the operator that nobody has acknowledged", "max"),
    SESSIONS: Series("gauge", ("repository",), "Sessions of browsers that are not over", "max"),
    # rendered pages
    PAGE_CACHE_HITS: Series("counter", (), "Pages that were sent from memory"),
    PAGE_CACHE_MISSES: Series("counter", (), "Pages that had to be rendered"),
    PAGE_CACHE_BYTES: Series("gauge", (), "Memory that rendered pages take, in all workers together"),
    PAGE_CACHE_PAGES: Series("gauge", (), "Rendered pages kept, in all workers together"),
    # connections and threads
    THREADS: Series("gauge", (), "Threads that work on requests, in all workers together"),
    THREADS_BUSY: Series(
        "gauge", (), "Those of them that work on one now, and one more for each worker whose thread for connections does so itself"
    ),
    QUEUE_LENGTH: Series("gauge", (), "Requests that have arrived and wait for a thread"),
    CONNECTIONS: Series(
        "gauge", ("state",), "Open connections: parked where no request has arrived whole, active where one is worked on or waits"
    ),
    CONNECTIONS_ACCEPTED: Series("counter", (), "Connections that were accepted"),
    CONNECTIONS_REFUSED: Series(
        "counter",
        ("status",),
        "Connections and requests that the HTTP server refused by itself: 503 where it was full, 408 too late, 400 malformed",
    ),
    # processes
    WORKERS: Series("gauge", (), "Worker processes that run"),
    WORKER_STARTS: Series("counter", (), "Worker processes that were started, the first ones included"),
    WORKER_DEATHS: Series("counter", (), "Worker processes that did not end in order"),
    RESIDENT: Series("gauge", ("worker",), "Resident memory of a worker"),
    CPU: Series("counter", ("worker",), "Processor time of a worker, user and system"),
    FDS: Series("gauge", ("worker",), "Open descriptors of a worker"),
    MAX_FDS: Series("gauge", ("worker",), "How many descriptors a worker may have"),
    STARTED: Series("gauge", ("worker",), "Unix time when a worker began"),
    ROOT_FREE: Series("gauge", (), "Bytes free, for this user, on the disk that ROOT lies on", "min"),
    ROOT_SIZE: Series("gauge", (), "Size of that disk", "max"),
    BUILD: Series("gauge", ("version", "python"), "1; the labels say what runs", "max"),
}
