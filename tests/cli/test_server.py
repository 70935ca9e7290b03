"""`pywharf server`: its words are checked before anything starts; and once through in a process of its own."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli.running import Run, environment

from pywharf.cli import start as start_module
from pywharf.cli.start import GivenConfig
from pywharf.config import ServerSettings
from pywharf.web.server.options import OPTIONS, Serving


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command would start, call by call."""
    calls: list[dict[str, Any]] = []

    def start(root: Path, given: GivenConfig, settings: ServerSettings, serving: Serving, **more: Any) -> None:
        calls.append({"root": root, "given": given, "settings": settings, "serving": serving, **more})

    monkeypatch.setattr(start_module, "start", start)
    return calls


# --- words -----------------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_settings(run: Run, started: list[dict[str, Any]]) -> None:
    assert run("server", "/srv").exit_code == 0

    assert started == [
        {
            "root": Path("/srv"),
            "given": GivenConfig(None, None, False),
            "settings": ServerSettings(),
            "serving": Serving(),
            "debug": False,
        }
    ]


@pytest.mark.parametrize("spelling", [lambda flag: flag, lambda flag: flag.replace("_", "-")])
def test_every_flag_is_taken_in_both_spellings(run: Run, started: list[dict[str, Any]], spelling: Any) -> None:
    words = [
        "--root=/srv", "--config=c_x", "--admin_secret=a_x", "--config_or_admin_secret_can_be_text", "--auth_read_expires=1",
        "--auth_write_expires=2", "--extra_index_url=https://index.example/simple/", "--redirect_max_staleness=3", "--debug",
        "--host=::1", "--port=0", "--unix_socket=wharf.sock", "--workers=3", "--request_queue_size=9",
    ]  # fmt: skip

    assert run("server", *[spelling(word.partition("=")[0]) + "".join(word.partition("=")[1:]) for word in words]).exit_code == 0

    assert started == [
        {
            "root": Path("/srv"),
            "given": GivenConfig("c_x", "a_x", True),
            "settings": ServerSettings(1, 2, "https://index.example/simple/", 3),
            "serving": Serving("::1", 0, {"request_queue_size": 9}, 3, "wharf.sock"),
            "debug": True,
        }
    ]


@pytest.mark.parametrize(
    "url", ["https://wharf.example", "https://wharf.example:8443/packages/", "https://[::1]/", "https://w.example/a%20b"]
)
def test_the_address_that_clients_know_is_taken(run: Run, started: list[dict[str, Any]], url: str) -> None:
    assert run("server", "/srv", "--public_url", url).exit_code == 0

    assert started[0]["settings"] == ServerSettings(public_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://wharf.example/",
        "wharf.example",
        "//wharf.example/",
        "https://",
        "https://user:secret@wharf.example/",
        "https://user@wharf.example/",
        "https://wharf.example/?x",
        "https://wharf.example/?",
        "https://wharf.example/#x",
        "https://wharf.example/a b",
        'https://wharf.example/"><script>',
        "https://wharf.example:x/",
        "https://wharf.example:0/",
        "https://größe.example/",
        "https://[::1/",
    ],
)
def test_an_address_that_no_page_may_link_to_is_refused(run: Run, started: list[dict[str, Any]], url: str) -> None:
    result = run("server", "/srv", "--public_url", url)

    assert result.exit_code == 2
    assert "--public_url" in result.output
    assert "secret" not in result.output.replace("no secret", "")
    assert not started


def test_proxies_are_trusted_and_send_files_where_they_are_named(run: Run, started: list[dict[str, Any]]) -> None:
    assert run("server", "/srv", "--trusted_proxies", "10.0.0.0/8,unix", "--sendfile", "x-accel-redirect=/inside/").exit_code == 0

    assert started[0]["settings"] == ServerSettings(trusted_proxies="10.0.0.0/8,unix", sendfile="x-accel-redirect=/inside/")


def test_the_extra_index_can_be_turned_off(run: Run, started: list[dict[str, Any]]) -> None:
    assert run("server", "/srv", "--extra_index_url", "").exit_code == 0

    assert started[0]["settings"].extra_index_url == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "ROOT is missing"),
        (("/a", "--root", "/b"), "ROOT is given twice"),
        (("/a", "/b"), "one argument too many: '/b'"),
        (("/a", "--port", "x"), "'--port'"),
        (("/a", "--port", "65536"), "'--port'"),
        (("/a", "--auth_read_expires", "-1"), "'--auth_read_expires'"),
        (("/a", "--trusted_proxies", "10.0.0.1,proxy.example"), "'proxy.example' is no address"),
        (("/a", "--trusted_proxies", "unix", "--sendfile", "nginx"), "begins with x-accel-redirect"),
        (("/a", "--sendfile", "x-sendfile"), "--trusted_proxies"),
        (("/a", "--extra_index_url", "ftp://index.example/"), "has to be an http or https address"),
        (("/a", "--extra_index_url", "index.example"), "has to be an http or https address"),
        (("/a", "--extra_index_url", "https://"), "has to be an http or https address"),
        (("/a", "--extra_index_url", "https://me:hunter22@index.example/"), "must not hold a user name or a secret"),
        (("/a", "--extra_index_url", "https://index.example/\r\nX-Evil: 1"), "has characters that no address has"),
        (("/a", "--workers", "0"), "'--workers'"),
        (("/a", "--workers", "many"), "'--workers'"),
        (("/a", "--numthread", "3"), "No such option '--numthread'. (Did you mean"),
        (("/a", "--numthreads", "many"), "'--numthreads'"),
        (("/a", "--timeout", "-1"), "'--timeout'"),
        (("/a", "--nodelay", "perhaps"), "'--nodelay'"),
        (("/a", "--zzz", "3"), "No such option '--zzz'"),
    ],
)
def test_a_wrong_word_is_told_before_anything_starts(run: Run, started: list[dict[str, Any]], words: tuple[str, ...], told: str) -> None:
    result = run("server", *words)

    assert result.exit_code == 2
    assert started == []
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert "hunter22" not in result.stderr


def test_a_near_miss_of_a_limit_is_named(run: Run, started: list[dict[str, Any]]) -> None:
    assert "--numthreads" in run("server", "/a", "--numthread", "3").stderr


def test_the_help_shows_every_limit_with_its_unit_and_default(run: Run) -> None:
    shown = " ".join(run("server", "--help").stdout.split())

    for name, option in OPTIONS.items():
        assert f"--{name} {(option.unit or 'true|false').upper()} {option.meaning.split()[0]}" in shown
    assert "[default: 32768]" in shown


def test_the_help_of_secrets_names_their_twin_in_the_environment(run: Run) -> None:
    assert "PYWHARF_COMMAND_ADMIN_SECRET" in run("server", "--help").stdout


# --- in a process of its own -----------------------------------------------------------------------------------------


@contextmanager
def server_process(folder: Path, *words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """`pywharf words...` once it serves, and the files in `folder` that its stdout and stderr go to."""
    out, error = folder / "stdout", folder / "stderr"
    with out.open("wb") as out_file, error.open("wb") as error_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pywharf", *words], stdout=out_file, stderr=error_file, env=environment(None, **variables), umask=0
        )
    try:
        end = time.monotonic() + 30
        while " serving: " not in error.read_text() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        yield process, out, error
    finally:
        process.kill()
        process.wait()


def get(out: Path, path: str, authorization: str = "") -> int:
    address = out.read_text().partition("http://")[2].partition("/")[0]
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
    return connection.getresponse().status


def basic(user: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_ends_in_order(tmp_path: Path, stop: signal.Signals) -> None:
    with server_process(tmp_path, "server", str(tmp_path / "root"), "--port", "0", "--host", "127.0.0.1") as (process, out, error):
        assert get(out, "/health/") == 200
        assert get(out, "/simple/") == 401
        process.send_signal(stop)
        assert process.wait(timeout=30) == 0

    assert "TWINE_PASSWORD=" in out.read_text()
    assert "Traceback" not in error.read_text()
    assert f"stopping: signal={stop.name}" in error.read_text()
    open_to_others = [path for path in (tmp_path / "root").rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


@pytest.mark.any_python
def test_sighup_reads_the_configuration_again_and_keeps_what_runs_where_it_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[old]\ntype = "file_system"\nread_secret = "read-it-all"\n')
    words = ["server", str(tmp_path / "root"), "--port", "0", "--host", "127.0.0.1", "--workers", "1", "--config", str(config)]
    with server_process(tmp_path, *words) as (process, out, error):

        def sighup_and_wait_for(told: str) -> None:
            process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 30
            while told not in error.read_text():
                assert time.monotonic() < end, error.read_text()
                time.sleep(0.02)

        config.write_text('[new]\ntype = "file_system"\nread_secret = "read-it-all"\ncolour = "hunter22"\n')
        sighup_and_wait_for(f"the workers are not replaced, the old configuration goes on: {config}, [new], colour: is not a key")
        assert get(out, "/simple/", basic("old", "read-it-all")) == 200
        assert "[old]" in (tmp_path / "root" / "config.toml").read_text()

        config.write_text('[new]\ntype = "file_system"\nread_secret = "read-it-all"\n')
        sighup_and_wait_for("the workers are replaced")
        end = time.monotonic() + 30
        while get(out, "/simple/", basic("new", "read-it-all")) != 200:  # the old worker is on its leave
            assert time.monotonic() < end
        assert "[new]" in (tmp_path / "root" / "config.toml").read_text()
        process.terminate()
        assert process.wait(timeout=30) == 0

    assert error.read_text().count(" serving: ") == 1
    assert "hunter22" not in error.read_text()


@pytest.mark.any_python
def test_a_unix_socket_is_served_in_place_of_a_port_and_is_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "wharf.sock"
    with server_process(tmp_path, "server", str(tmp_path / "root"), "--unix_socket", str(path), "--workers", "1") as (process, out, error):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            client.sendall(b"GET /simple/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 401 ")
        process.terminate()
        assert process.wait(timeout=30) == 0

    assert not path.exists()
    assert f"serves local on the unix socket {path} " in out.read_text()
    assert out.read_text().count("The secret that may") == 2
    assert f"address={path}" in error.read_text()
    assert "status=401 " in error.read_text()
    assert " peer=unix" in error.read_text()
    assert "WITHOUT TLS" not in error.read_text()


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="looks at /proc")
@pytest.mark.any_python
def test_a_secret_given_in_the_environment_is_in_no_argv_and_in_no_output(tmp_path: Path) -> None:
    config = '[team]\ntype = "file_system"\nread_secret = "needle-in-hay"\n'
    variables = {
        "PYWHARF_COMMAND": "server",
        "PYWHARF_COMMAND_ROOT": str(tmp_path / "root"),
        "PYWHARF_COMMAND_HOST": "127.0.0.1",
        "PYWHARF_COMMAND_PORT": "0",
        "PYWHARF_COMMAND_DEBUG": "1",
        "PYWHARF_COMMAND_CONFIG": config,
        "PYWHARF_COMMAND_CONFIG_OR_ADMIN_SECRET_CAN_BE_TEXT": "1",
    }
    with server_process(tmp_path, **variables) as (process, out, error):
        assert get(out, "/simple/", "Basic dGVhbTpuZWVkbGUtaW4taGF5") == 200
        assert get(out, "/simple/?secret=needle-in-hay") == 401
        argv = Path(f"/proc/{process.pid}/cmdline").read_text()
        process.terminate()
        assert process.wait(timeout=30) == 0

    written = "".join(path.read_text() for path in (out, error, *(tmp_path / "root" / "log").iterdir()))
    assert "GET /simple/" in written
    for needle in ("needle-in-hay", "dGVhbTpuZWVkbGUtaW4taGF5"):
        assert needle not in argv + written
