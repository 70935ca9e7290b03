"""`/metrics` of a server with two workers: what they count is added up, whoever answers, and whoever of them dies."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.watched import PATIENCE, QUIET, READER, WRITER, Told, Watched, ask, wait_until
from web.metrics.documents import expressions, series_of

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.ports import hold_free_port
from pywharf.testing.uploads import basic_auth

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("watched")) as watched:
        yield watched


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server that has seen a bit of everything, and whose storage is gone now."""
    with Watched(tmp_path_factory.mktemp("troubled")) as watched:
        file = make_wheel("demo", "1.0")
        assert watched.upload(file) == 200
        assert watched.upload(make_wheel("demo", "1.0", files={"demo/x.py": b"other"})) == 409
        for target in (f"/simple/demo/{file.filename}", "/simple/demo/"):
            assert ask(watched.port, target, READER)[0] == 200
        assert ask(watched.port, "/simple/", basic_auth("team", "wrong"))[0] == 401
        watched.storage.rename(watched.storage.with_name("elsewhere"))
        yield watched


def requests(told: Told, route: str = "/simple") -> float:
    return sum(value for key, value in told.items() if key[0] == "pywharf_http_requests_total" and f"route={route}" in key)


def test_what_two_workers_count_is_one_number_whoever_answers(watched: Watched) -> None:
    before = requests(watched.told())
    for _ in range(60):
        assert ask(watched.port, "/simple/", READER)[0] == 200

    wait_until(lambda: requests(watched.told()) == before + 60, watched.server)
    told = watched.told()
    assert told["pywharf_workers",] == 2
    assert {key for key in told if key[0] == "pywharf_worker_cpu_seconds_total"} == {
        ("pywharf_worker_cpu_seconds_total", "worker=1"),
        ("pywharf_worker_cpu_seconds_total", "worker=2"),
    }
    for _ in range(4):
        assert requests(watched.told(READER)) == before + 60
    assert told["pywharf_http_request_duration_seconds_count", "method=GET", "route=/simple"] == before + 60
    assert not any("quiet" in part for key in watched.told(READER) for part in key)
    assert ("pywharf_repository_ready", "repository=quiet") in watched.told(QUIET)


def test_no_count_goes_back_while_workers_are_killed_and_replaced(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        kill_and_replace(watched)


def kill_and_replace(watched: Watched) -> None:
    stop = threading.Event()
    seen: list[float] = []

    def scrape() -> None:
        while not stop.is_set():
            told = watched.told()
            if told["pywharf_workers",] >= 0:
                seen.append(requests(told))

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        killed = 0
        for turn in range(4):
            for _ in range(20):
                try:
                    ask(watched.port, "/simple/", READER)
                except (OSError, http.client.HTTPException):
                    continue  # the worker that took it is dead
            if turn == 2:
                os.kill(watched.server.pid, signal.SIGHUP)
            else:
                killed += 1
                os.kill(watched.server.worker_pids()[0], signal.SIGKILL)
            wait_until(lambda deaths=killed: watched.told().get(("pywharf_worker_deaths_total",)) == deaths, watched.server)
        wait_until(lambda: len(watched.server.worker_pids()) == 2, watched.server)
        last = seen[-1]
        assert ask(watched.port, "/simple/", READER)[0] == 200
        wait_until(lambda: seen[-1] > last, watched.server)
    finally:
        stop.set()
        scraper.join()

    assert len(seen) > 3
    assert seen == sorted(seen)
    told = watched.told()
    assert told["pywharf_worker_deaths_total",] == 3, watched.server.output
    assert told["pywharf_worker_starts_total",] >= 6


def test_a_worker_that_stands_still_holds_up_no_scrape_and_is_told_of_as_it_was(watched: Watched) -> None:
    before = requests(watched.told())
    for _ in range(20):
        ask(watched.port, "/simple/", READER)
    wait_until(lambda: requests(watched.told()) == before + 20, watched.server)
    still = watched.server.worker_pids()[0]
    os.kill(still, signal.SIGSTOP)
    try:
        told = watched.told()
    finally:
        os.kill(still, signal.SIGCONT)

    assert requests(told) == before + 20
    assert told["pywharf_workers",] == 2


def test_metrics_are_told_while_every_thread_is_busy(tmp_path: Path) -> None:
    with Watched(tmp_path, workers=1) as watched:
        form = b"POST /simple/ HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
        uploads = [socket.create_connection(("127.0.0.1", watched.port)) for _ in range(32)]
        try:
            for upload in uploads:
                upload.sendall(form % WRITER.encode())
            wait_until(lambda: watched.told().get(("pywharf_threads_busy",)) == 32, watched.server)
        finally:
            for upload in uploads:
                upload.close()
        wait_until(lambda: watched.told().get(("pywharf_threads_busy",)) == 0, watched.server)
        assert watched.told()["pywharf_uploads_refused_total", "reason=BodyCutShort", "repository=team"] == 32


def test_the_process_for_metrics_is_started_again(watched: Watched) -> None:
    (pid,) = re.findall(r"the process for metrics serves: pid=(\d+)", watched.server.output)

    os.kill(int(pid), signal.SIGKILL)

    wait_until(lambda: watched.server.output.count("the process for metrics serves") == 2, watched.server)
    assert watched.told()["pywharf_workers",] == 2


def test_metrics_on_a_unix_socket_are_for_this_user_alone_and_gone_with_the_server(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        path = Path(short, "metrics")
        with LiveServer(tmp_path / "root", options=("--metrics_address", str(path))) as server:
            wait_until(lambda: "the process for metrics serves" in server.output, server)
            assert path.stat().st_mode & 0o777 == 0o600
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(path))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b'pywharf_repository_ready{repository="local"} 1.0' in answer
        assert not path.exists()


def test_everything_that_dashboard_and_alerts_ask_for_is_told(troubled: Watched) -> None:
    asked_for = set().union(*(series_of(expression) for _, expression in expressions()))

    def missing() -> set[str]:
        return asked_for - set().union(*(series_of(key[0]) for key in troubled.told()))

    wait_until(lambda: not missing(), troubled.server)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
def test_prometheus_scrapes_both_ways_and_answers_every_query_of_the_dashboard(troubled: Watched, tmp_path: Path) -> None:
    port, held = hold_free_port()
    (tmp_path / "secret").write_text("it-may-read")
    (tmp_path / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {"job_name": "all", "static_configs": [{"targets": [f"127.0.0.1:{troubled.metrics_port}"]}]},
                    {
                        "job_name": "pywharf",
                        "static_configs": [{"targets": [f"127.0.0.1:{troubled.port}"]}],
                        "basic_auth": {"username": "team", "password_file": str(tmp_path / "secret")},
                    },
                ],
            }
        )
    )
    options = ("--config.file", tmp_path / "prometheus.yml", "--storage.tsdb.path", tmp_path / "data", "--web.listen-address")
    held.close()
    with (tmp_path / "told").open("wb") as told:
        prometheus = subprocess.Popen(["prometheus", *map(str, options), f"127.0.0.1:{port}"], stdout=told, stderr=told)
    try:

        def query(expression: str) -> list[object]:
            expression = expression.replace("$__rate_interval", "30s").replace("$job", "pywharf").replace("$repository", "team")
            try:
                status, text = ask(port, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
            except OSError:
                return []
            if status == 503:  # it is starting
                return []
            answer = json.loads(text)
            assert answer["status"] == "success", text
            result: list[object] = answer["data"]["result"]
            return result

        wait_until(lambda: len(query("up == 1")) == 2, troubled.server)
        for name, expression in expressions():
            if expression.startswith("label_values"):
                continue
            end = time.monotonic() + PATIENCE
            while query(expression) == [] and not name.startswith("Pywharf"):  # an alert has no answer while all is well
                assert time.monotonic() < end, f"{name}: {expression}"
                time.sleep(0.2)
    finally:
        prometheus.kill()
        prometheus.wait()
