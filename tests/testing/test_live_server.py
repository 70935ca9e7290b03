"""The live server of the kit: a real process that is up when it says so, and gone when it was told."""

from __future__ import annotations

import os
import signal
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from pywharf.testing.live_server import LiveServer, LiveServerFailed, live_server

pytestmark = pytest.mark.any_python

__all__ = ["live_server"]  # a fixture


@pytest.fixture
def live_server_options() -> Sequence[str]:
    """What a test module does to configure its `live_server`."""
    return ["--numthreads", "3"]


def status_of(url: str, user: str = "", secret: str = "") -> int:
    headers = {"Authorization": f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}"} if user else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_it_answers_from_the_moment_it_has_started_and_tells_its_generated_repository(live_server: LiveServer) -> None:
    ours = live_server.generated

    assert status_of(live_server.index_url(), ours.name, ours.read_secret) == 200
    assert status_of(live_server.index_url()) == 401
    assert live_server.index_url("a b", "c/d").endswith(f"//a%20b:c%2Fd@{live_server.url.split('/')[2]}/simple/")


def test_its_access_log_is_complete_once_it_has_stopped(live_server: LiveServer) -> None:
    ours = live_server.generated
    status_of(f"{live_server.url}simple/none-such/?format=json", ours.name, ours.read_secret)
    status_of(f"{live_server.url}health/")

    assert live_server.stop() == 0

    # A line is written when a response is done with, by when the client may have asked the next: their order says nothing.
    assert {(request.method, request.path, request.status, request.repository) for request in live_server.requests()} == {
        ("GET", "/simple/none-such/", 404, ours.name),
        ("GET", "/health/", 200, "-"),
    }


def test_it_comes_back_at_the_same_address_after_a_stop_and_after_a_kill(live_server: LiveServer) -> None:
    url, ours = live_server.url, live_server.generated

    live_server.restart()
    after_restart = status_of(live_server.index_url(), ours.name, ours.read_secret)
    assert live_server.kill() < 0
    live_server.start()

    assert after_restart == 200
    assert live_server.url == url
    assert status_of(live_server.index_url(), ours.name, ours.read_secret) == 200
    assert live_server.generated == ours


def test_a_server_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "root", options=["--config", str(tmp_path / "none.toml")])

    with pytest.raises(LiveServerFailed, match=r"(?s)exit code 1.*none\.toml"):
        server.start()

    assert not server.running


def test_options_and_environment_are_the_servers(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[a]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = {env = "OF_A"}\n')
    options = ["--config", str(tmp_path / "config.toml")]

    with LiveServer(tmp_path / "root", options=options, environ={**os.environ, "OF_A": "w"}) as server:
        assert status_of(server.index_url(), "A", "w") == 200
        with pytest.raises(LiveServerFailed, match="did not print"):
            _ = server.generated


def test_a_server_that_does_not_stop_is_killed_and_told(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGTERM", signal.SIGWINCH)  # which nobody listens to

    with pytest.raises(LiveServerFailed, match=r"did not stop within 0\.2 s"):
        live_server.stop(timeout=0.2)

    assert not live_server.running


def test_what_is_asked_before_it_was_started_is_an_error(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "root")

    with pytest.raises(LiveServerFailed, match="was not started"):
        server.stop()
