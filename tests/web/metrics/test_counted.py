"""What is counted, as whoever scrapes sees it."""

from __future__ import annotations

from typing import Any

import pytest

from pywharf.errors import BackendUnavailable, FileConflict, UploadRejected
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App
from pywharf.web.metrics.readings import of_server
from pywharf.web.metrics.reporting import Metrics
from pywharf.web.server.counts import ServerCounts

from ..browser import Browser
from ..client import Client, basic
from ..fakes import READ, WRITE, FakeRepository, FakeWharf
from ..test_upload import FILE, send
from .conftest import told

pytestmark = pytest.mark.any_python

WHEEL = "/simple/demo/demo-1.0-py3-none-any.whl"


def test_requests_are_counted_by_route_method_and_status(app: App, client: Client, stranger: Client) -> None:
    for target in ("/simple/demo/", "/simple/demo/", "/simple/other-project/", "/simple", "/simple/"):
        client.get(target)
    client.send("HEAD", "/simple/demo/")
    stranger.get("/simple/demo/")
    client.get("/health/")

    found = {key: value for key, value in told(client.get("/metrics")).items() if key[0] == "pywharf_http_requests_total"}

    assert found == {
        ("pywharf_http_requests_total", "method=GET", "route=/simple/<project>", "status=200"): 2,
        ("pywharf_http_requests_total", "method=GET", "route=/simple/<project>", "status=302"): 1,
        ("pywharf_http_requests_total", "method=HEAD", "route=/simple/<project>", "status=200"): 1,
        ("pywharf_http_requests_total", "method=GET", "route=/simple/<project>", "status=401"): 1,
        ("pywharf_http_requests_total", "method=GET", "route=/simple", "status=200"): 1,
        ("pywharf_http_requests_total", "method=GET", "route=/simple", "status=301"): 1,
        ("pywharf_http_requests_total", "method=GET", "route=/health", "status=200"): 1,
    }


def test_durations_fall_into_buckets_that_add_up(client: Client) -> None:
    for _ in range(3):
        client.get("/simple/demo/")

    found = told(client.get("/metrics"))

    buckets = [value for name, value in found.items() if name[0].endswith("_bucket") and "route=/simple/<project>" in name]
    assert sorted(buckets) == buckets
    assert found["pywharf_http_request_duration_seconds_bucket", "le=+Inf", "method=GET", "route=/simple/<project>"] == 3
    assert found["pywharf_http_request_duration_seconds_count", "method=GET", "route=/simple/<project>"] == 3
    assert 0 < found["pywharf_http_request_duration_seconds_sum", "method=GET", "route=/simple/<project>"] < 60


def test_bytes_that_were_read_and_sent_are_counted(client: Client, writer: Client) -> None:
    length = len(client.get("/simple/demo/").body)
    body, _ = upload_form(FILE)
    send(writer, "/simple/")

    found = told(client.get("/metrics"))

    assert found["pywharf_http_response_body_bytes_total", "method=GET", "route=/simple/<project>"] == length
    assert found["pywharf_http_request_body_bytes_total", "method=POST", "route=/simple"] == len(body)


def test_downloads_are_counted_and_questions_about_files_are_not(app: App, client: Client) -> None:
    client.get(WHEEL)
    client.get(WHEEL, {"Range": "bytes=0-3"})
    client.get(f"{WHEEL}.metadata")
    client.send("HEAD", WHEEL)
    client.get(WHEEL, {"If-None-Match": client.send("HEAD", WHEEL).headers["etag"]})
    client.get("/simple/demo/missing-1.0.tar.gz")

    found = {key: value for key, value in told(client.get("/metrics")).items() if key[0] == "pywharf_downloads_total"}

    assert found == {
        ("pywharf_downloads_total", "kind=file", "repository=local"): 2,
        ("pywharf_downloads_total", "kind=metadata", "repository=local"): 1,
    }


def rejected(rule: str) -> UploadRejected:
    error = UploadRejected("content", "it is wrong")
    error.rule = rule
    return error


@pytest.mark.parametrize(
    ("result", "series", "labels"),
    [
        (True, "pywharf_uploads_total", ("outcome=created",)),
        (False, "pywharf_uploads_total", ("outcome=present",)),
        (FileConflict("demo-1.0.tar.gz", "taken"), "pywharf_uploads_refused_total", ("reason=FileConflict",)),
        (rejected("zip_is_no_bomb"), "pywharf_uploads_refused_total", ("reason=zip_is_no_bomb",)),
        (rejected(""), "pywharf_uploads_refused_total", ("reason=UploadRejected",)),
        (BackendUnavailable("gone"), "pywharf_uploads_refused_total", ("reason=BackendUnavailable",)),
    ],
)
def test_uploads_are_counted_by_what_came_of_them(
    client: Client, writer: Client, repository: FakeRepository, result: Any, series: str, labels: tuple[str, ...]
) -> None:
    repository.upload_result = result
    send(writer)

    found = {key: value for key, value in told(client.get("/metrics")).items() if key[0].startswith("pywharf_uploads")}

    assert found == {(series, *sorted((*labels, "repository=local"))): 1}


def test_a_form_that_ends_too_early_is_a_refused_upload(client: Client, writer: Client) -> None:
    body, content_type = upload_form(FILE)
    send(writer, headers={"Content-Type": content_type}, body=body[:-30], length=len(body))

    assert told(client.get("/metrics"))["pywharf_uploads_refused_total", "reason=BodyCutShort", "repository=local"] == 1


def test_errors_are_counted_by_repository_and_type(client: Client, repository: FakeRepository) -> None:
    client.get("/nothing")
    repository.trouble = BackendUnavailable("gone")
    client.get("/simple/demo/")
    repository.trouble = RuntimeError("a bug")
    client.get("/simple/demo/")
    repository.trouble = None

    found = {key[1]: value for key, value in told(client.get("/metrics")).items() if key[0] == "pywharf_http_refusals_total"}

    assert found == {"error=NotFound": 1, "error=BackendUnavailable": 1, "error=fault": 1}


def test_secrets_are_counted_by_what_came_of_them(app: App, client: Client, repository: FakeRepository) -> None:
    client.get("/simple/")
    client.get("/simple/")
    Client(app, basic("local", "wrong")).get("/simple/")
    for number in range(61):
        Client(app, basic("nobody", f"wrong {number}"), peer="192.0.2.7").get("/simple/")
    repository.access_trouble = BackendUnavailable("gone")
    Client(app, basic("local", WRITE)).get("/simple/")

    found = {key[1:]: value for key, value in told(client.get("/metrics")).items() if key[0] == "pywharf_secret_checks_total"}

    assert found == {
        ("outcome=granted", "repository=local"): 1,
        ("outcome=remembered", "repository=local"): 2,  # with the question itself
        ("outcome=denied", "repository=local"): 1,
        ("outcome=denied", "repository="): 60,
        ("outcome=throttled", "repository="): 1,
        ("outcome=unavailable", "repository=local"): 1,
    }


def test_pages_that_are_kept_are_counted(client: Client) -> None:
    for _ in range(3):
        client.get("/simple/demo/")

    found = told(client.get("/metrics"))

    assert (found["pywharf_page_cache_hits_total",], found["pywharf_page_cache_misses_total",]) == (2, 1)
    assert found["pywharf_page_cache_pages",] == 1
    assert found["pywharf_page_cache_bytes",] > 100


def test_how_repositories_are_doing_is_found_out_when_somebody_asks(client: Client, browser: Browser, repository: FakeRepository) -> None:
    browser.log_in("local", READ)
    repository.is_ready = False

    found = told(client.get("/metrics"))

    assert found["pywharf_repository_ready", "repository=local"] == 0
    assert 1 <= found["pywharf_sync_age_seconds", "repository=local"] < 60
    assert found["pywharf_sessions", "repository=local"] == 1
    assert found["pywharf_storage_left_alone", "repository=local"] == 0
    repository.is_ready = True
    assert told(client.get("/metrics"))["pywharf_repository_ready", "repository=local"] == 1


def test_a_process_tells_of_itself(client: Client) -> None:
    found = told(client.get("/metrics"))

    assert found["pywharf_worker_cpu_seconds_total", "worker=1"] > 0
    assert found["pywharf_worker_open_fds", "worker=1"] > 2
    assert any(key[0] == "pywharf_build_info" for key in found)
    assert found["pywharf_root_free_bytes",] <= found["pywharf_root_size_bytes",]


class Busy:
    """A server in which things happen."""

    def counts(self) -> ServerCounts:
        return ServerCounts(threads=32, threads_busy=3, queued=1, parked=7, active=4, accepted=99, refused={"503": 5, "408": 0})


def test_the_server_tells_of_its_connections_and_threads(client: Client, metrics: Metrics) -> None:
    metrics.watch(of_server(Busy()))

    found = told(client.get("/metrics"))

    assert [found[f"pywharf_{name}",] for name in ("threads", "threads_busy", "queue_length")] == [32, 3, 1]
    assert found["pywharf_connections", "state=parked"] == 7
    assert found["pywharf_connections", "state=active"] == 4
    assert found["pywharf_connections_accepted_total",] == 99
    assert found["pywharf_connections_refused_total", "status=503"] == 5
    assert found["pywharf_connections_refused_total", "status=408"] == 0


def test_what_cannot_be_told_keeps_nothing_else_from_being_told(client: Client, wharf: FakeWharf, metrics: Metrics) -> None:
    def broken(_: object) -> None:
        raise OSError("the disk is gone")

    metrics.watch(broken)
    client.get("/simple/")

    assert told(client.get("/metrics"))["pywharf_http_requests_total", "method=GET", "route=/simple", "status=200"] == 1
