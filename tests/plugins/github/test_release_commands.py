"""`pywharf yank`, `delete`, `status` on a git host: through a running server, and on its ROOT while it runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from live.git.served import NAME, Served, expect

from pywharf.cli.main import cli
from pywharf.testing.distributions import make_sdist, make_wheel
from pywharf.testing.git_server import GitServer

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: there is no git host to write to")

WHEEL, SDIST = make_wheel("demo", "1.0"), make_sdist("demo", "1.0", metadata_version="2.2")


def test_each_change_is_a_commit_with_its_reason_made_with_the_right_of_who_asked(
    git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Served(git_server, tmp_path)

    def run(*words: str, secret: str = "", code: int = 0) -> str:
        result = CliRunner().invoke(cli, list(words), env={"NEEDLE": secret})
        assert result.exit_code == code, result.output
        assert not [token for token in (served.writer, served.reader) if token in result.output]
        return result.output

    with served.server() as server:
        client = served.client(server)
        for distribution in (WHEEL, SDIST):
            expect(200, client.upload(distribution))
        url = ["--url", server.url, "--secret_env", "NEEDLE"]
        root = ["--root", str(server.root)]

        assert "yanked: 2, already so: 0" in run("yank", NAME, "demo", "1.0", "--reason", "broken, größer", *url, secret=served.writer)
        assert "unyanked: 1" in run("unyank", NAME, "demo", "--file", WHEEL.filename, *root, "--secret_env", "NEEDLE", secret=served.writer)
        assert run("status", NAME, "demo", *url, secret=served.reader) == "demo is active\n"
        for where in (url, root):  # the server's own token may read, and no more
            told = run("delete", NAME, "demo", "1.0", "--yes", *where, secret=served.reader, code=1)
            assert "The secret does not allow to write" in told
        run("status", NAME, "demo", "deprecated", "--reason", "use other", *root, "--secret_env", "NEEDLE", secret=served.writer)
        assert run("status", NAME, "demo", *root) == "demo is deprecated: use other\n"
        run("delete", NAME, "demo", "--file", SDIST.filename, "--yes", *root, "--secret_env", "NEEDLE", secret=served.writer)

        assert list(client.files()) == [WHEEL.filename], "the server that ran meanwhile shows it"
        client.close()
    assert served.check_history()[-4:] == [
        "Yank demo 1.0: broken, größer",
        f"Unyank demo 1.0 ({WHEEL.filename})",
        "Mark demo as deprecated: use other",
        f"Delete demo 1.0 ({SDIST.filename})",
    ]
    assert not [line for path in tmp_path.glob("root/log/*") for line in path.read_text().splitlines() if served.writer in line]
