"""A server whose metrics are watched."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from pywharf.testing.distributions import Distribution
from pywharf.testing.live_server import LiveServer
from pywharf.testing.ports import hold_free_port
from pywharf.testing.uploads import basic_auth, send_upload

CONFIG = """
[team]
type = "file_system"
read_secret = "it-may-read"
write_secret = "it-may-write"
path = "{path}"

[quiet]
type = "file_system"
read_secret = "quietly"
"""
READER, WRITER, QUIET = basic_auth("team", "it-may-read"), basic_auth("team", "it-may-write"), basic_auth("quiet", "quietly")
PATIENCE = 30.0  # seconds

Told = dict[tuple[str, ...], float]


def ask(port: int, target: str, authorization: str = "", method: str = "GET", timeout: float = PATIENCE) -> tuple[int, str]:
    """One request on a connection of its own, so that any worker may take it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def parsed(text: str) -> Told:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Watched:
    """A server with an address for its metrics."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.storage = folder / "packages"
        (folder / "config.toml").write_text(CONFIG.format(path=self.storage))
        self.metrics_port, self._held = hold_free_port()
        options = (
            "--workers",
            str(workers),
            "--config",
            str(folder / "config.toml"),
            "--metrics_address",
            f"127.0.0.1:{self.metrics_port}",
        )
        self.server = LiveServer(folder / "root", options=options)
        self.port = urlsplit(self.server.url).port or 0

    def __enter__(self) -> Watched:
        self.server.__enter__()
        wait_until(lambda: len(self.server.worker_pids()) == self._workers(), self.server)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(None, None, None)
        self._held.close()

    def _workers(self) -> int:
        return int(self.told()["pywharf_workers",])

    def told(self, authorization: str = "") -> Told:
        """Everything; or what a caller is told."""
        try:
            status, text = ask(self.port if authorization else self.metrics_port, "/metrics", authorization)
        except OSError:  # that process is on its way
            return {("pywharf_workers",): -1}
        assert status == 200, text
        return parsed(text)

    def upload(self, distribution: Distribution) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            return send_upload(connection, WRITER, distribution)[0]
        finally:
            connection.close()


def wait_until(is_so: Callable[[], bool], server: LiveServer) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, server.output
        time.sleep(0.05)
