"""Where releases are changed: what the command line has to say of it, and what a terminal and the environment may."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli.released import CONFIG, WRITER, Shop, server, shop
from cli.running import Run, environment

from pywharf import stored_config
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer

pytestmark = pytest.mark.any_python

__all__ = ["server", "shop"]  # fixtures


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ((), "either --url URL of a running server, or --root ROOT"),
        (("--url", "http://127.0.0.1:1/", "--root", "{root}", "--secret", "s3cret-needle"), "either --url URL"),
        (("--url", "http://127.0.0.1:1/"), "--url needs a secret of the repository: give --secret_env VARIABLE"),
        (("--url", "http://127.0.0.1:1/", "--secret", "s3cret-needle", "--secret_env", "NEEDLE"), "two ways to say one thing"),
        (("--url", "http://127.0.0.1:1/", "--secret", ""), "--secret is not set, or empty"),
        (("--url", "http://127.0.0.1:1/", "--secret_env", "UNSET"), "UNSET (--secret_env) is not set, or empty"),
        (("--url", "http://127.0.0.1:1/", "--secret_env", "BYTES"), "BYTES (--secret_env) is not UTF-8"),
        (("--root", "{root}", "--secret", "s3cret-needle"), "--secret is for --url; with --root give --secret_env"),
        (("--root", "{root}", "--ca_file", "{root}/config.toml"), "--ca_file is for --url"),
    ],
)
def test_where_it_is_to_be_done_has_to_be_clear(run: Run, server: LiveServer, where: tuple[str, ...], told: str) -> None:
    words = ("yank", "local", "demo", "1.0", *(word.format(root=server.root) for word in where))
    result = run(*words, env={"NEEDLE": "s3cret-needle", "BYTES": os.fsdecode(b"s3cret-needle\xff")})

    assert result.exit_code == 2
    assert told in result.stderr
    assert "s3cret-needle" not in result.output


def test_a_folder_that_no_server_had_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("status", "local", "demo", "--root", tmp_path)

    assert result.exit_code == 1
    assert "is it the ROOT of a server?" in result.stderr


def test_roots_on_one_storage_that_no_server_runs_on_tell_each_others_changes(run: Run, tmp_path: Path) -> None:
    wheel = make_wheel("demo", "1.0")
    (tmp_path / wheel.filename).write_bytes(wheel.data)
    roots = [tmp_path / "here", tmp_path / "there"]
    for root in roots:
        layout = Layout(root)
        layout.prepare()
        stored_config.replace(layout, StoredConfig(f'{CONFIG}path = "{tmp_path / "storage"}"\n', ""))
    here, there = (("local", "demo", "--root", str(root)) for root in roots)
    assert run("import", tmp_path, "local", "--root", roots[0]).exit_code == 0

    assert run("status", *there).stdout == "demo is active\n"
    assert run("status", *here, "--status", "quarantined").exit_code == 0
    assert run("status", *there).stdout == "demo is quarantined\n"
    assert run("yank", *there, "--version", "1.0").stdout.startswith(f"yanked   {wheel.filename}\n")
    assert run("yank", *here, "--version", "1.0").stdout.startswith(f"already  {wheel.filename}\n")


# --- in a process of their own ---------------------------------------------------------------------------------------


def test_the_environment_gives_the_command_line_and_the_secret(shop: Shop) -> None:
    words = {"NAME": "local", "PROJECT": shop.project, "VERSION": "1.0", "URL": shop.server.url, "SECRET": WRITER, "YES": "1"}
    variables = {f"PYWHARF_COMMAND_{flag}": word for flag, word in words.items()}

    told = subprocess.run(
        [sys.executable, "-m", "pywharf"],
        env=environment(PYWHARF_COMMAND="delete", no_proxy="127.0.0.1", **variables),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (told.returncode, told.stderr) == (0, "")
    assert "deleted: 2, already so: 0" in told.stdout
    assert WRITER not in told.stdout


# Takes the terminal with this descriptor as its own, as a shell's child has it.
_ON_TERMINAL = """
import fcntl, os, sys, termios
terminal = int(sys.argv.pop(1))
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for number in range(3):
    os.dup2(terminal, number)
from pywharf.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [("y\n", 0, "deleted: 2, already so: 0"), ("n\n", 1, "pywharf: error: nothing was deleted"), ("\n", 1, "nothing was deleted")],
)
def test_on_a_terminal_a_deletion_and_the_secret_are_asked_for(shop: Shop, answer: str, code: int, told: str) -> None:
    ours, theirs = os.openpty()
    words = ["delete", "local", shop.project, "1.0", "--url", shop.server.url]
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, str(theirs), *words],
        env=environment(no_proxy="127.0.0.1"),
        start_new_session=True,
        pass_fds=[theirs],
    )
    os.close(theirs)
    killer = threading.Timer(60, process.kill)  # rather a failure than a test that hangs
    killer.start()
    shown, answers = "", [("[y/N]: ", answer), ("Secret of repository local: ", f"{WRITER}\n")]
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux: nobody has the other end any more
            break
        if not piece:
            break
        shown += piece.decode()
        if answers and shown.endswith(answers[0][0]):
            os.write(ours, answers.pop(0)[1].encode())
    process.wait()
    killer.cancel()
    os.close(ours)

    assert (process.returncode, told in shown) == (code, True), shown
    assert f"every file of release 1.0 of project {shop.project} in repository local" in shown
    assert "stay taken for ever, also for the same bytes" in shown
    assert WRITER not in shown
    assert len(shop.yanked()) == (1 if code == 0 else 3)
