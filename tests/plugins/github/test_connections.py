"""The way to a git host: which proxy, which certificates, and whose connections."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pywharf_github.config import GitHubConfig
from pywharf_github.connections import connections
from pywharf_github.protocol import GitRemote
from pywharf_github.transport import unreachable
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError

from pywharf.errors import BackendUnavailable

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def config(**settings: Any) -> GitHubConfig:
    return GitHubConfig.model_validate({"owner": "acme", "repo": "wheels", "timeout": 2.0, **settings})


def proxy_of(url: str, **settings: Any) -> str:
    proxy = connections(config(**settings), url).proxy
    return proxy.url if proxy else ""


class Listener:
    """Takes one connection, reads a request's head, and answers with what it is given."""

    def __init__(self, answer: bytes) -> None:
        self.heard = b""
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while b"\r\n\r\n" not in self.heard and (data := connection.recv(4096)):
                self.heard += data
            connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def refusing_proxy() -> Iterator[Listener]:
    listener = Listener(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    yield listener
    listener.close()


def test_the_configured_proxy_goes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:3128")
    monkeypatch.setenv("NO_PROXY", "near.example")

    assert proxy_of("https://git.example/") == "http://environment:3128"
    assert proxy_of("https://git.example/", proxy="http://configured:3128") == "http://configured:3128"
    assert proxy_of("https://near.example/") == ""
    assert proxy_of("http://git.example/") == "", "the variable is for https alone"


@pytest.mark.parametrize("value", ["environment:3128", "http://environment:3128", "http://u:p%40@environment:3128/"])
def test_the_environment_may_write_a_proxy_in_any_usual_way(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("https_proxy", value)

    assert proxy_of("https://git.example/") == "http://environment:3128"


@pytest.mark.parametrize("value", ["socks5://needle@proxy:1080", "http://", "http://needle:x"])
def test_a_proxy_of_another_kind_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(BackendUnavailable, match="HOST:PORT") as refused:
        GitRemote(config(), "token").tip()

    assert "needle" not in str(refused.value)


def test_a_proxys_password_goes_to_the_proxy_and_the_token_does_not(
    monkeypatch: pytest.MonkeyPatch, refusing_proxy: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("https_proxy", f"http://anna:needle@{refusing_proxy.address}")
    with pytest.raises(BackendUnavailable, match="proxy") as unavailable:
        GitRemote(config(git_url="https://git.example/{owner}/{repo}.git"), "ghp_token").tip()

    assert refusing_proxy.heard.startswith(b"CONNECT git.example:443")
    assert b"\r\nproxy-authorization: basic " in refusing_proxy.heard.lower()
    assert b"\r\nauthorization" not in refusing_proxy.heard.lower()
    assert "needle" not in str(unavailable.value) + caplog.text


def test_a_certificate_that_nobody_vouches_for_is_not_taken(tmp_path: Path) -> None:
    listener = Listener(b"plain words")
    (tmp_path / "broken.pem").write_text("no certificate")
    url = f"https://{listener.address}/{{owner}}/{{repo}}.git"
    for ca_file in (None, tmp_path / "missing.pem", tmp_path / "broken.pem"):
        with pytest.raises(BackendUnavailable):
            GitRemote(config(git_url=url, ca_file=ca_file), "ghp_token").tip()
    listener.close()

    assert b"uthorization" not in listener.heard
    assert connections(config(), "https://git.example/").connection_pool_kw["cert_reqs"] == "CERT_REQUIRED"


def test_a_host_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        GitRemote(config(git_url="http://127.0.0.1:1/x"), "token").access()

    unknown = NameResolutionError("git.example", HTTPConnection("git.example"), socket.gaierror())
    assert "name is not known" in unreachable(unknown, 1).reason


def test_one_pool_serves_all_of_a_configuration_and_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = connections(config(), "https://git.example/a")

    assert connections(config(owner="other"), "https://git.example/b") is pool
    assert connections(config(timeout=3.0), "https://git.example/a") is not pool
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert connections(config(), "https://git.example/a") is not pool
