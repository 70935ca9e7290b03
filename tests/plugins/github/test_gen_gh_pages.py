"""`github.gen_gh_pages` from a real git host into a folder."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result
from plugins.github.github_hosts import publish
from pywharf_github import commands
from pywharf_github.config import GitHubConfig

from pywharf.backend.interface import Access
from pywharf.cli.main import cli
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.git_server import GitServer

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: there is no git host to read from")

WHEEL = make_wheel("Demo.Pkg", "1.0+acme.1", requires_python=">=3.9")
SDIST = make_sdist("demo-pkg", "1.0", metadata_version="2.2")
OTHER = make_wheel("other", "2.0")


class Stocked:
    """A git host with packages in a repository, and the command run against it."""

    def __init__(self, git: GitServer, root: Path) -> None:
        self.git = git
        git.create("acme/wheels")
        self.reader = git.grant("acme/wheels", Access.READ)
        self.writer = git.grant("acme/wheels", Access.WRITE)
        self.config = GitHubConfig(owner="acme", repo="wheels", git_url=git.url_template, min_push_interval=0)
        self._root = root

    def publish(self, *distributions: Distribution) -> None:
        publish(self.config, self.writer, self._root, *distributions)

    def generate(self, folder: Path, *words: str, token: str = "") -> Result:
        result = CliRunner().invoke(
            cli,
            ["github.gen_gh_pages", "--name", "wheels", "--owner", "acme", "--repo", "wheels", "--git_url", self.git.url_template,
             "--token_env", "READER", "--output_folder", str(folder), *words],
            env={"READER": token or self.reader},
            prog_name="pywharf",
        )  # fmt: skip
        assert (token or self.reader) not in result.output
        return result


@pytest.fixture
def stocked(tmp_path: Path) -> Iterator[Stocked]:
    with GitServer(tmp_path / "git") as git:
        made = Stocked(git, tmp_path / "root")
        made.publish(WHEEL, SDIST, OTHER)
        yield made


def test_a_repository_becomes_a_folder_with_a_token_that_may_only_read(stocked: Stocked, tmp_path: Path) -> None:
    result = stocked.generate(tmp_path / "site")

    assert result.exit_code == 0, result.output
    pages = tmp_path / "site" / "simple"
    assert (pages / "demo-pkg" / WHEEL.filename).read_bytes() == WHEEL.data
    assert (pages / "demo-pkg" / f"{SDIST.filename}.metadata").read_bytes() == SDIST.metadata
    assert [one["name"] for one in json.loads((pages / "index.json").read_bytes())["projects"]] == ["demo-pkg", "other"]
    assert result.stdout.startswith("projects: 2, files: 3, ")
    assert result.stdout.endswith("removed: 0, missing: 0\n")


def test_a_second_run_writes_nothing_and_asks_the_host_for_no_file(stocked: Stocked, tmp_path: Path) -> None:
    stocked.generate(tmp_path / "site")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*")}

    result = stocked.generate(tmp_path / "site")

    assert "written: 0, removed: 0" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*")} == before


def test_what_was_published_since_is_added(stocked: Stocked, tmp_path: Path) -> None:
    stocked.generate(tmp_path / "site")
    stocked.publish(make_wheel("third", "1.0"))

    result = stocked.generate(tmp_path / "site")

    assert "projects: 3, files: 4" in result.stdout
    assert (tmp_path / "site" / "simple" / "third" / "index.html").exists()


def test_links_lead_to_where_the_branch_has_the_files_and_their_metadata(stocked: Stocked, tmp_path: Path) -> None:
    result = stocked.generate(tmp_path / "site", "--link_to", "https://raw.example/acme/wheels/main/")

    assert result.exit_code == 0, result.output
    assert not list((tmp_path / "site").rglob("*.whl"))
    page = (tmp_path / "site" / "simple" / "demo-pkg" / "index.html").read_text()
    links = re.findall(r'href="https://raw\.example/acme/wheels/main/([^"#]+)#', page)
    assert len(links) == 2
    in_tree = stocked.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "main").split()
    for link in links:
        assert "+" not in link  # as it stands some hosts would take it for a space
        assert {unquote(link), f"{unquote(link)}.metadata"} <= set(in_tree)


def test_a_token_that_may_not_read_is_refused(stocked: Stocked, tmp_path: Path) -> None:
    result = stocked.generate(tmp_path / "site", token="token_of_a_stranger")

    assert result.exit_code == 1
    assert "does not allow to read" in result.stderr
    assert not (tmp_path / "site").exists()


def test_a_host_that_is_down_leaves_the_site_as_it_is(stocked: Stocked, tmp_path: Path) -> None:
    stocked.generate(tmp_path / "site")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*")}
    stocked.git.stop()

    result = stocked.generate(tmp_path / "site")

    assert result.exit_code == 1
    assert "unavailable" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*")} == before


def test_a_folder_that_holds_something_else_is_refused(stocked: Stocked, tmp_path: Path) -> None:
    (tmp_path / "site" / "simple").mkdir(parents=True)

    result = stocked.generate(tmp_path / "site")

    assert result.exit_code == 1
    assert "not made by pywharf" in result.stderr


@pytest.mark.parametrize("link", ["https://user:pa55@raw.example/", "ftp://raw.example", "raw.example", "https://raw.example/?x=1"])
def test_a_place_to_link_to_is_a_plain_address(link: str) -> None:
    words = ["github.gen_gh_pages", "--name", "w", "--owner", "a", "--repo", "b", "--token", "t", "--output_folder", "x", "--link_to", link]

    result = CliRunner().invoke(cli, words, prog_name="pywharf")

    assert result.exit_code == 2
    assert "--link_to: " in result.stderr
    assert "pa55" not in result.stderr


def test_a_bar_is_drawn_for_a_person_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for is_terminal, drawn in ((False, False), (True, True)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=is_terminal: answer, raising=False)
        with commands._progress("wheels: projects") as tell:
            for done in range(1, 4):
                tell(done, 3)
        told = capsys.readouterr()
        assert told.out == ""
        assert bool(told.err) is drawn
        assert ("100%" in told.err) is drawn
