"""What the server is started with: configuration checked and kept, secrets shown once, everything closed again."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cli.running import Run

from pywharf.backend.interface import Access
from pywharf.cli import start as start_module
from pywharf.layout import Layout
from pywharf.testing.git_server import GitServer

CONFIG = '[Team]\ntype = "file_system"\nread_secret = "read-it-all"\nwrite_secret = "write-it-all"\n'


@dataclass
class Served:
    """What stands in for the HTTP server: says it is ready, remembers what it was given, and ends."""

    options: list[Mapping[str, object]] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)  # of the throttle
    repositories: list[list[str]] = field(default_factory=list)
    ends_with: BaseException | None = None
    ready: bool = True

    def __call__(self, app: Any, listener: Listener, *, options: Mapping[str, object], on_ready: Callable[[str], None], **_: Any) -> None:
        self.options.append(options)
        self.limits.append(app._callers._throttle._limit)
        with app._wharf.hold() as generation:
            self.repositories.append(sorted(generation.repositories))
        if self.ready:
            on_ready("")
        if self.ends_with is not None:
            raise self.ends_with


@dataclass
class Listener:
    """What stands in for a listening socket."""

    host: str
    port: int
    backlog: int

    def getsockname(self) -> tuple[str, int]:
        return self.host, self.port

    def close(self) -> None:
        pass


class ThisProcess:
    """What stands in for the supervising process and a worker: both in one, step by step, and no process is started."""

    channel = seat = None

    def __init__(self, job: Any) -> None:
        self._job = job

    def ready(self, **told: Any) -> None:
        self._job.serving(told)

    @classmethod
    def supervise(cls, job: Any, **_: Any) -> None:
        job.prepare(False)
        job.open()
        job.work(cls(job))


@pytest.fixture
def unsupervised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_module, "supervise", ThisProcess.supervise)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, unsupervised: None) -> Served:
    served = Served()
    monkeypatch.setattr(start_module, "serve", served)
    monkeypatch.setattr(start_module, "listen", Listener)
    return served


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path / "config.toml"


def log_of(root: Path) -> str:
    return (root / "log" / "pywharf.log").read_text()


# --- the first start -------------------------------------------------------------------------------------------------


def test_the_first_start_prints_the_lines_with_both_secrets_and_the_token(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", "--host", "127.0.0.1", "--port", "8123")

    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    for begin in ("UV_PUBLISH_PASSWORD=", "TWINE_PASSWORD=", "PIP_INDEX_URL=http://local:", "UV_DEFAULT_INDEX=http://local:", "curl -H "):
        assert sum(line.startswith(begin) for line in lines) == 1
    assert lines[0].startswith("pywharf ")
    assert "serves local at http://127.0.0.1:8123/simple/" in lines[0]
    assert (tmp_path / "root" / "initialize_token").read_text().strip() in result.stdout


def test_the_secrets_are_nowhere_in_the_log_nor_on_stderr(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", "--debug")

    for begin in ("UV_PUBLISH_PASSWORD=", "PIP_INDEX_URL=http://local:", "curl -H 'Authorization: Bearer "):
        secret = result.stdout.partition(begin)[2].split()[0].partition("@")[0].strip("'")
        assert len(secret) >= 32
        assert secret not in result.stderr + log_of(tmp_path / "root")


def test_started_again_it_says_what_it_serves_and_no_secret(run: Run, served: Served, tmp_path: Path) -> None:
    run("server", tmp_path / "root")
    kept = (tmp_path / "root" / "config.toml").read_text()

    result = run("server", tmp_path / "root")

    assert result.stdout.count("\n") == 1
    assert "serves local at http://127.0.0.1:8888/simple/" in result.stdout
    assert (tmp_path / "root" / "config.toml").read_text() == kept


def test_secrets_that_a_failed_start_did_not_show_are_shown_by_the_next(run: Run, served: Served, tmp_path: Path) -> None:
    served.ready, served.ends_with = False, OSError(98, "Address already in use")
    failed = run("server", tmp_path / "root")
    served.ready, served.ends_with = True, None

    result = run("server", tmp_path / "root")

    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "TWINE_PASSWORD=" in result.stdout


def test_every_file_and_folder_in_root_is_private_whatever_the_umask(run: Run, served: Served, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run("server", tmp_path / "root")
    finally:
        os.umask(before)

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "root", *(tmp_path / "root").rglob("*")]}
    assert {path: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_the_token_of_the_environment_is_shown_and_not_kept(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", env={"PYWHARF_INITIALIZE_TOKEN": "my-own-token"})

    assert "Bearer my-own-token" in result.stdout
    assert not (tmp_path / "root" / "initialize_token").exists()


@pytest.mark.parametrize(("host", "loud"), [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("localhost", False), ("::1", False)])
def test_an_address_that_others_reach_without_tls_is_told_loudly_once(
    run: Run, served: Served, tmp_path: Path, host: str, loud: bool
) -> None:
    for start in range(2):
        result = run("server", tmp_path / "root", "--host", host)
        assert result.stderr.count("OPEN TO THE NETWORK WITHOUT TLS") == loud, f"start {start}"


# --- with a configuration --------------------------------------------------------------------------------------------


def test_what_is_given_is_kept_in_root_as_given_and_served(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    (tmp_path / "secret.toml").write_text('[team]\ntype = "file_system"\nraw = "write-it-all"\n')

    result = run("server", tmp_path / "root", "--config", config, "--admin-secret", tmp_path / "secret.toml")

    assert result.exit_code == 0
    assert served.repositories == [["team"]]
    layout = Layout(tmp_path / "root")
    assert layout.config.read_text() == CONFIG
    assert layout.admin_secret.read_text() == (tmp_path / "secret.toml").read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (layout.config, layout.admin_secret)} == {0o600}
    assert not layout.unclaimed.exists()
    assert "read-it-all" not in result.output + log_of(layout.root)


def test_a_configuration_takes_the_place_of_the_generated_one_and_claims_the_server(
    run: Run, served: Served, tmp_path: Path, config: Path
) -> None:
    run("server", tmp_path / "root")

    result = run("server", tmp_path / "root", "--config", config)

    assert result.exit_code == 0
    assert served.repositories[-1] == ["team"]
    assert not Layout(tmp_path / "root").unclaimed.exists()
    assert "PASSWORD" not in result.stdout


def test_the_one_that_is_not_given_is_the_one_in_root(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    run("server", tmp_path / "root", "--config", config)
    (tmp_path / "secret.toml").write_text('[team]\ntype = "file_system"\nraw = "write-it-all"\n')

    assert run("server", tmp_path / "root", "--admin_secret", tmp_path / "secret.toml").exit_code == 0
    assert run("server", tmp_path / "root", "--config", config).exit_code == 0

    assert "write-it-all" in Layout(tmp_path / "root").admin_secret.read_text()


def test_a_text_is_taken_where_it_is_allowed(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", "--config", CONFIG, "--config_or_admin_secret_can_be_text")

    assert result.exit_code == 0
    assert served.repositories == [["team"]]


def test_from_the_environment_a_text_is_taken_as_well(run: Run, served: Served, tmp_path: Path) -> None:
    result = run(
        env={
            "PYWHARF_COMMAND": "server",
            "PYWHARF_COMMAND_ROOT": str(tmp_path / "root"),
            "PYWHARF_COMMAND_CONFIG": CONFIG,
            "PYWHARF_COMMAND_ADMIN_SECRET": '[team]\ntype = "file_system"\nraw = "write-it-all"\n',
            "PYWHARF_COMMAND_CONFIG_OR_ADMIN_SECRET_CAN_BE_TEXT": "true",
            "PYWHARF_COMMAND_NUMTHREADS": "3",
        }
    )

    assert result.exit_code == 0
    assert served.repositories == [["team"]]
    assert served.options == [{"numthreads": 3}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--config", "nowhere.toml"),
            "--config: there is no such file nowhere.toml; the TOML itself is taken with --config_or_admin_secret",
        ),
        (("--config", CONFIG), "--config: there is no such file; the TOML itself"),
        (("--config", "."), "--config: there is no such file .;"),
        (("--config", "binary.toml"), "binary.toml: is not UTF-8 text"),
        (("--config", "wrong.toml"), "wrong.toml, [team], colour: is not a key that this type knows"),
        (("--config", "config.toml", "--admin_secret", "hunter22"), "--admin_secret: there is no such file; "),
        (("--config", "config.toml", "--admin_secret", "wrong.toml"), "wrong.toml, [team], read_secret: is not a key"),
        (("--admin_secret", "config.toml"), "--admin_secret: is of no use without --config"),
        (("--config", "[team", "--config_or_admin_secret_can_be_text"), "--config: "),
    ],
)
def test_what_cannot_be_used_is_told_and_changes_nothing(
    run: Run, served: Served, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.toml").write_text('[team]\ntype = "file_system"\nread_secret = "read-it-all"\ncolour = "hunter22"\n')
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")

    result = run("server", tmp_path / "root", *words)

    assert result.exit_code == 1
    assert f"pywharf: error: {told}" in result.stderr
    assert "hunter22" not in result.output
    assert "read-it-all" not in result.output
    assert not (tmp_path / "root" / "config.toml").exists()
    assert served.repositories == []


def test_a_wrong_configuration_leaves_the_one_in_root(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    run("server", tmp_path / "root", "--config", config)
    (tmp_path / "wrong.toml").write_text("[team]\n")

    assert run("server", tmp_path / "root", "--config", tmp_path / "wrong.toml").exit_code == 1

    assert Layout(tmp_path / "root").config.read_text() == CONFIG


def test_an_admin_secret_that_the_storage_denies_leaves_the_one_in_root(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    right, wrong = tmp_path / "right.toml", tmp_path / "wrong.toml"
    right.write_text('[team]\ntype = "file_system"\nraw = "read-it-all"\n')
    wrong.write_text('[team]\ntype = "file_system"\nraw = "hunter22"\n')
    run("server", tmp_path / "root", "--config", config, "--admin_secret", right)

    result = run("server", tmp_path / "root", "--admin_secret", wrong)

    assert result.exit_code == 1
    assert f"pywharf: error: {wrong}, [team]: the storage says that this secret may not read it" in result.stderr
    assert "hunter22" not in result.output
    assert Layout(tmp_path / "root").admin_secret.read_text() == right.read_text()
    assert served.repositories == [["team"]]
    assert run("server", tmp_path / "root").exit_code == 0


def test_a_first_admin_secret_that_the_storage_denies_configures_nothing(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[team]\ntype = "file_system"\nraw = "hunter22"\n')

    result = run("server", tmp_path / "root", "--config", config, "--admin_secret", tmp_path / "wrong.toml")

    assert result.exit_code == 1
    assert not Layout(tmp_path / "root").config.exists()
    assert served.repositories == []


def github(tmp_path: Path, url: str, token: str) -> tuple[Path, Path]:
    """A configuration and an admin secret of a repository on a git host."""
    config, secret = tmp_path / "github.toml", tmp_path / f"{token}.toml"
    config.write_text(f'[wheels]\ntype = "github"\nowner = "acme"\nrepo = "wheels"\ngit_url = "{url}"\ntimeout = 20\n')
    secret.write_text(f'[wheels]\ntype = "github"\nraw = "{token}"\n')
    return config, secret


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: there is no git host to ask")
def test_a_git_host_is_asked_about_the_token_before_it_replaces_one(run: Run, served: Served, tmp_path: Path) -> None:
    with GitServer(tmp_path / "host") as host:
        host.create("acme/wheels")
        config, right = github(tmp_path, host.url_template, host.grant("acme/wheels", Access.READ))
        _, wrong = github(tmp_path, host.url_template, "ghp_hunter22")
        assert run("server", tmp_path / "root", "--config", config, "--admin_secret", right).exit_code == 0

        assert run("server", tmp_path / "root", "--config", config, "--admin_secret", wrong).exit_code == 1

        layout = Layout(tmp_path / "root")
        assert layout.admin_secret.read_text() == right.read_text()
        host.revoke(right.stem)  # what was right, and is as ROOT has it, starts: other repositories have to be served
        assert run("server", tmp_path / "root", "--config", config, "--admin_secret", right).exit_code == 0


def test_a_storage_that_cannot_be_asked_is_told_and_the_server_starts(run: Run, served: Served, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        config, secret = github(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/{{owner}}/{{repo}}.git", "ghp_hunter22")

        result = run("server", tmp_path / "root", "--config", config, "--admin_secret", secret)

    assert result.exit_code == 0
    assert "configured without having asked the storage: repository=wheels" in result.stderr
    assert "hunter22" not in result.output
    assert served.repositories == [["wheels"]]
    assert Layout(tmp_path / "root").admin_secret.read_text() == secret.read_text()


def test_a_configuration_that_others_can_read_is_made_private_and_told(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    run("server", tmp_path / "root", "--config", config)
    Layout(tmp_path / "root").config.chmod(0o644)

    result = run("server", tmp_path / "root")

    assert "others could read a file with secrets, until now: file=config.toml" in result.stderr
    assert stat.S_IMODE(Layout(tmp_path / "root").config.stat().st_mode) == 0o600


def test_a_configuration_that_is_as_root_has_it_is_not_written_again(run: Run, served: Served, tmp_path: Path, config: Path) -> None:
    """Or other processes on this ROOT would open everything anew."""
    run("server", tmp_path / "root", "--config", config)
    before = Layout(tmp_path / "root").config.stat()

    assert run("server", tmp_path / "root", "--config", config).exit_code == 0

    after = Layout(tmp_path / "root").config.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(("workers", "limit"), [("1", 60), ("2", 30), ("4", 15), ("64", 10)])
def test_each_worker_allows_its_share_of_wrong_secrets(run: Run, served: Served, tmp_path: Path, workers: str, limit: int) -> None:
    assert run("server", tmp_path / "root", "--workers", workers).exit_code == 0

    assert served.limits == [limit]


# --- the rest of the way ---------------------------------------------------------------------------------------------


def test_limits_are_passed_on_with_their_types(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", "--numthreads", "4", "--timeout=2.5", "--request-queue-size=7", "--nodelay", "false")

    assert result.exit_code == 0
    assert served.options == [{"numthreads": 4, "timeout": 2.5, "request_queue_size": 7, "nodelay": False}]


def test_a_root_that_is_a_file_is_told(run: Run, served: Served, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")

    result = run("server", tmp_path / "root")

    assert result.exit_code == 1
    assert "cannot be used as ROOT" in result.stderr


def test_what_the_http_server_does_not_take_is_a_mistake_on_the_command_line(run: Run, served: Served, tmp_path: Path) -> None:
    result = run("server", tmp_path / "root", "--numthreads", "0")

    assert result.exit_code == 2
    assert "numthreads: at least 1 is needed" in result.stderr


def test_debug_tells_where_a_failure_came_from_in_the_log(run: Run, served: Served, tmp_path: Path) -> None:
    served.ends_with = OSError(98, "Address already in use")

    assert run("server", tmp_path / "root", "--debug").exit_code == 1

    assert "Traceback" in log_of(tmp_path / "root")


def test_a_port_that_is_taken_is_told_in_one_line(run: Run, unsupervised: None, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("server", tmp_path / "root", "--host", "127.0.0.1", "--port", str(taken.getsockname()[1]))

    assert result.exit_code == 1
    assert "in use" in result.stderr
    assert "Traceback" not in result.stderr
