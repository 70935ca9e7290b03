"""`github.init_pkg_repo` against a stand-in for the REST API and a real git host."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toml
from click.testing import CliRunner, Result
from plugins.github.github_hosts import ADA, TOKEN, Hosts, refused, run, succeeded
from pywharf_github import plugin

import pywharf
from pywharf import config as configuration
from pywharf.backend.interface import Access
from pywharf.cli.main import cli
from pywharf.testing.git_faults import Before, LoseAnswer, Respond
from pywharf.testing.git_server import GitServer
from pywharf.testing.github_rest import GitHubRest, Person

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: there is no git host to push to")

DOCUMENTED = Path(__file__).parents[3] / "docs" / "reference" / "github-repository.md"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with GitServer(tmp_path / "git") as git, GitHubRest({TOKEN: ADA}, organisations=["acme"]) as rest:
        hosts = Hosts(rest, git)
        rest.on_create = hosts.made
        yield hosts


# --- what it makes --------------------------------------------------------------------------------------------------


def test_a_repository_is_made_filled_and_ready(hosts: Hosts) -> None:
    result = succeeded(hosts.run())

    made = hosts.rest.repositories["acme", "wheels"]
    assert made.private
    assert hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "main").split() == [
        ".github/workflows/pywharf-index.yml",
        ".pywharf/serial",
        "README.md",
    ]
    assert f"pywharf=={pywharf.__version__}" in hosts.show(".github/workflows/pywharf-index.yml")
    assert hosts.git.git("acme/wheels", "log", "--format=%an <%ae> %s", "main").strip() == (
        "Ada Lovelace <42+ada@users.noreply.github.com> Make ready for packages of wheels"
    )
    assert hosts.git.git("acme/wheels", "fsck", "--strict") == ""
    assert "is ready" in result.stderr


def test_the_configuration_it_prints_is_one_that_a_server_takes_and_has_nothing_that_is_default(hosts: Hosts) -> None:
    out = succeeded(hosts.run("--sync_index_interval", "30")).stdout

    config, admin_secret = out.split("# admin_secret.toml")
    read = toml.loads(config)
    assert read == {
        "wheels": {
            "type": "github",
            "owner": "acme",
            "repo": "wheels",
            "sync_index_interval": 30.0,
            "api_url": hosts.rest.url,
            "git_url": hosts.git.url_template,
        }
    }
    assert f'git_url = "{hosts.git.url_template}"' in config  # braces and all, as a person wrote it
    admin_secret = admin_secret.partition("\n")[2]
    assert toml.loads(admin_secret) == {"wheels": {"type": "github", "env": "NEEDLE"}}
    assert configuration.parse(config, admin_secret, environ={"NEEDLE": "x"})["wheels"].config.owner == "acme"


def test_the_repository_it_makes_takes_uploads_and_serves_them(hosts: Hosts, tmp_path: Path) -> None:
    succeeded(hosts.run())
    config = plugin.config_model(owner="acme", repo="wheels", git_url=hosts.git.url_template, api_url=hosts.rest.url)
    secret = plugin.secret_model.model_validate({"type": "github", "raw": TOKEN})
    backend = plugin.open(config, secret, tmp_path)
    try:
        assert backend.access() is Access.WRITE
        changes = backend.read_changes(None)
        assert list(changes.entries) == []
    finally:
        backend.close()


def test_pages_are_a_branch_of_their_own_with_a_workflow_that_fills_it(hosts: Hosts) -> None:
    result = succeeded(hosts.run("--enable_gh_pages"))

    assert hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "gh-pages").split() == [".nojekyll", "index.html"]
    assert "gen_gh_pages" in hosts.show(".github/workflows/pywharf-pages.yml")
    assert hosts.rest.repositories["acme", "wheels"].pages == {"branch": "gh-pages", "path": "/"}
    assert "https://acme.pages.example/wheels/" in result.stderr
    assert "A Pages site is public" in result.stderr


def test_ones_own_repository_whatever_the_case_of_the_name(hosts: Hosts) -> None:
    hosts.git.create("ADA/wheels")
    hosts.git.grant("ADA/wheels", Access.WRITE, token=TOKEN)

    succeeded(hosts.run(owner="ADA"))

    assert ("POST", "/user/repos") in hosts.rest.calls


def test_a_public_repository_comes_with_a_warning(hosts: Hosts) -> None:
    result = succeeded(hosts.run("--public"))

    assert not hosts.rest.repositories["acme", "wheels"].private
    assert "every token that the git host accepts may install" in result.stderr


@pytest.mark.parametrize(("first", "patched"), [("main", False), ("master", True)])
def test_the_default_branch_is_set_only_where_it_is_another(hosts: Hosts, first: str, patched: bool) -> None:
    hosts.rest.default_branch = first

    succeeded(hosts.run())

    assert (("PATCH", "/repos/acme/wheels") in hosts.rest.calls) is patched
    assert hosts.rest.repositories["acme", "wheels"].default_branch == "main"


def test_another_branch_and_index_file_are_in_the_workflow_too(hosts: Hosts) -> None:
    succeeded(hosts.run("--branch", "packages", "--index_filename", "all.jsonl"))

    workflow = hosts.show(".github/workflows/pywharf-index.yml", "packages")
    assert "--branch packages" in workflow
    assert "--index_filename all.jsonl" in workflow
    assert 'branches: ["packages"]' in workflow


def test_the_workflow_can_be_left_out_by_those_whose_token_may_not_write_it(hosts: Hosts) -> None:
    hosts.rest.users[TOKEN] = Person("ada", scopes=("repo",))

    succeeded(hosts.run("--no_workflow"))

    assert ".github" not in hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "main")


def test_a_run_that_stopped_is_gone_on_with_and_nothing_is_made_twice(hosts: Hosts) -> None:
    hosts.rights = Access.READ
    told = refused(hosts.run())
    assert "Add this one to the token, with Contents: write, and run the same command again" in told

    hosts.git.grant("acme/wheels", Access.WRITE, token=TOKEN)
    again = succeeded(hosts.run())

    assert "is empty: going on with it" in again.stderr
    assert hosts.git.git("acme/wheels", "rev-list", "--count", "main").strip() == "1"


# --- done again -----------------------------------------------------------------------------------------------------


def commits(hosts: Hosts, branch: str = "main") -> list[str]:
    """The first lines of a branch's messages, the oldest first."""
    return hosts.git.git("acme/wheels", "log", "--reverse", "--format=%s", branch).splitlines()


def test_done_twice_it_makes_nothing_twice_and_prints_the_configuration_again(hosts: Hosts) -> None:
    first = succeeded(hosts.run("--enable_gh_pages"))
    before = hosts.git.git("acme/wheels", "for-each-ref")

    again = succeeded(hosts.run("--enable_gh_pages"))

    assert again.stdout == first.stdout
    assert hosts.git.git("acme/wheels", "for-each-ref") == before
    assert "holds only what this command makes: going on with it" in again.stderr
    assert "main has everything already" in again.stderr
    assert "is ready" in again.stderr


def test_what_a_plan_refused_is_done_by_the_next_run(hosts: Hosts) -> None:
    hosts.rest.private_pages = False
    refused(hosts.run("--enable_gh_pages"))
    hosts.rest.private_pages = True

    succeeded(hosts.run("--enable_gh_pages"))

    assert hosts.rest.repositories["acme", "wheels"].pages == {"branch": "gh-pages", "path": "/"}
    assert (len(commits(hosts)), len(commits(hosts, "gh-pages"))) == (1, 1)


def test_pages_that_were_refused_can_be_left_out_by_the_next_run(hosts: Hosts) -> None:
    hosts.rest.private_pages = False
    refused(hosts.run("--enable_gh_pages"))

    result = succeeded(hosts.run())

    assert "is ready" in result.stderr
    assert len(commits(hosts)) == 1


def test_a_default_branch_that_could_not_be_set_is_set_by_the_next_run(hosts: Hosts) -> None:
    hosts.rest.default_branch = "master"
    hosts.rest.users[TOKEN] = Person("ada", may_administrate=False)
    assert "cannot be made the default branch" in refused(hosts.run())
    hosts.rest.users[TOKEN] = ADA

    succeeded(hosts.run())

    assert hosts.rest.repositories["acme", "wheels"].default_branch == "main"
    assert len(commits(hosts)) == 1


def test_a_pages_branch_that_could_not_be_pushed_is_pushed_by_the_next_run(hosts: Hosts) -> None:
    hosts.git.fail(Respond(503), service="git-receive-pack", method="POST", times=None, spared=1)
    assert "status 503" in refused(hosts.run("--enable_gh_pages"))
    hosts.git.mend()

    succeeded(hosts.run("--enable_gh_pages"))

    assert (len(commits(hosts)), commits(hosts, "gh-pages")) == (1, ["Begin the site"])


def test_a_workflow_that_was_left_out_is_added_by_a_later_run(hosts: Hosts) -> None:
    succeeded(hosts.run("--no_workflow"))

    result = succeeded(hosts.run("--enable_gh_pages"))

    assert "added to main: .github/workflows/pywharf-index.yml, .github/workflows/pywharf-pages.yml, README.md" in result.stderr
    assert "the workflow `.github/workflows/pywharf-index.yml`" in hosts.show("README.md")
    assert hosts.show(".pywharf/serial")
    assert len(commits(hosts)) == 2
    assert hosts.git.git("acme/wheels", "fsck", "--strict") == ""


def test_a_site_that_was_written_meanwhile_is_left_alone(hosts: Hosts) -> None:
    succeeded(hosts.run("--enable_gh_pages"))
    site = hosts.git.commit("acme/wheels", {"simple/index.html": b"projects", "index.html": b"another"}, branch="gh-pages")

    succeeded(hosts.run("--enable_gh_pages"))

    assert hosts.git.git("acme/wheels", "rev-parse", "gh-pages").strip() == site


@pytest.mark.parametrize(
    ("branch", "files", "told"),
    [
        ("main", {"setup.py": b"import os"}, "holds setup.py, not as this command makes it: choose another --repo"),
        ("main", {"README.md": b"Mine"}, "holds README.md, not as this command makes it"),
        ("main", {"packages/2a/demo/demo-1.0.tar.gz": b"sdist"}, "holds packages, and needs nothing: --dry_run shows its configuration"),
        ("work", {"a": b"b"}, "has the branch work, which this command did not make"),
        ("gh-pages", {"index.html": b"Mine"}, "its branch gh-pages is none that this command made: delete that branch"),
    ],
)
def test_what_somebody_else_put_there_is_named_and_left_alone(hosts: Hosts, branch: str, files: dict[str, bytes], told: str) -> None:
    succeeded(hosts.run())
    hosts.git.commit("acme/wheels", files, branch=branch)
    before = hosts.git.git("acme/wheels", "for-each-ref")

    assert told in refused(hosts.run("--enable_gh_pages"))

    assert hosts.git.git("acme/wheels", "for-each-ref") == before
    assert hosts.rest.repositories["acme", "wheels"].pages is None


def test_another_visibility_is_told_whatever_the_repository_holds(hosts: Hosts) -> None:
    succeeded(hosts.run("--public"))

    assert "is public: delete it, change that in its settings, or run this with --public" in refused(hosts.run())


def test_a_push_of_somebody_else_at_the_same_moment_is_told(hosts: Hosts) -> None:
    succeeded(hosts.run("--no_workflow"))
    hosts.git.fail(Before(lambda: hosts.git.commit("acme/wheels", {"a": b"b"})), service="git-receive-pack", method="POST")

    assert "somebody else pushed to the branch main just now: run the same command again" in refused(hosts.run())


# --- dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_everything_asks_nobody_and_needs_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any, **more: Any) -> None:
        raise AssertionError("a dry run opens a connection")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)

    result = succeeded(run("--name", "wheels", "--owner", "acme", "--repo", "wheels", "--enable_gh_pages", "--dry_run"))

    assert "permissions: {}" in result.stdout
    assert "POST https://api.github.com/user/repos" in result.stdout
    assert '[wheels]\ntype = "github"' in result.stdout


def test_a_dry_run_shows_the_very_files_that_a_run_pushes(hosts: Hosts) -> None:
    shown = succeeded(hosts.run("--enable_gh_pages", "--dry_run")).stdout
    assert hosts.rest.calls == []
    assert hosts.git.requests == []

    succeeded(hosts.run("--enable_gh_pages"))

    for branch in ("main", "gh-pages"):
        for path in hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", branch).split():
            label = path if branch == "main" else f"gh-pages: {path}"
            assert f"\n----- {label}\n{hosts.show(path, branch)}" in shown


def test_the_dry_run_in_the_documentation_is_what_it_shows() -> None:
    page = DOCUMENTED.read_text(encoding="utf-8")
    words, documented = re.findall(r"```sh\npywharf (github\.init_pkg_repo .*)\n```\n\nshows:\n\n```text\n(.*?)^```$", page, re.M | re.S)[0]

    shown = succeeded(CliRunner().invoke(cli, words.split(), prog_name="pywharf")).stdout

    assert without_version(shown) == without_version(documented)


def without_version(text: str) -> str:
    return re.sub(r"(pywharf(?:==| ))\d[\w.]*", r"\1VERSION", text)


# --- what to change -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scopes", "missing"), [(("workflow",), "repo"), (("repo",), "workflow"), ((), "repo and workflow")])
def test_a_missing_scope_is_named_before_anything_is_made(hosts: Hosts, scopes: tuple[str, ...], missing: str) -> None:
    hosts.rest.users[TOKEN] = Person("ada", scopes=scopes)

    told = refused(hosts.run())

    assert f"lacks the scope {missing}:" in told
    assert ("--no_workflow" in told) is (missing == "workflow")
    assert hosts.rest.repositories == {}


def test_a_repository_that_holds_something_is_left_alone(hosts: Hosts) -> None:
    succeeded(hosts.run())
    before = hosts.git.git("acme/wheels", "rev-parse", "main")

    told = refused(hosts.run("--branch", "other"))

    assert "choose another --repo" in told
    assert hosts.git.git("acme/wheels", "rev-parse", "main") == before
    assert "other" not in hosts.git.git("acme/wheels", "branch", "--list")


def test_an_empty_repository_that_everybody_can_see_is_not_taken_for_a_private_one(hosts: Hosts) -> None:
    hosts.rights = Access.READ
    refused(hosts.run("--public"))
    hosts.git.grant("acme/wheels", Access.WRITE, token=TOKEN)

    told = refused(hosts.run())

    assert "is public" in told
    assert "--public" in told


def test_a_workflow_that_the_token_may_not_write_is_told_with_the_scope(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    # GitHub names the ref's problem so; a git of one's own cannot be made to.
    hosts.rest.users[TOKEN] = Person("ada", scopes=None)
    made = hosts.made

    def made_with_rule(owner: str, name: str) -> None:
        made(owner, name)
        hook = hosts.git.folder / owner / f"{name}.git" / "hooks" / "pre-receive"
        words = "refusing to allow a Personal Access Token to create or update workflow \\`.github/workflows/x.yml\\` without \\`workflow\\` scope"
        hook.write_text(f'#!/bin/sh\necho "{words}"\nexit 1\n')
        hook.chmod(0o755)

    hosts.rest.on_create = made_with_rule

    told = refused(hosts.run())

    assert "Workflows: write" in told
    assert "--no_workflow" in told


def test_a_rule_that_refuses_the_push_is_told_in_its_words(hosts: Hosts) -> None:
    made = hosts.made

    def made_with_rule(owner: str, name: str) -> None:
        made(owner, name)
        hook = hosts.git.folder / owner / f"{name}.git" / "hooks" / "pre-receive"
        hook.write_text('#!/bin/sh\necho "Changes must be made through a pull request."\nexit 1\n')
        hook.chmod(0o755)

    hosts.rest.on_create = made_with_rule

    told = refused(hosts.run())

    assert "through a pull request" in told
    assert "rules for branches" in told


def test_a_plan_without_private_pages_says_so_and_leaves_the_repository_ready(hosts: Hosts) -> None:
    hosts.rest.private_pages = False

    told = refused(hosts.run("--enable_gh_pages"))

    assert "no Pages for private repositories" in told
    assert hosts.show(".pywharf/serial")


def test_a_push_whose_answer_got_lost_is_looked_for_before_anything_is_said(hosts: Hosts) -> None:
    hosts.git.fail(LoseAnswer(), service="git-receive-pack", method="POST", times=1)

    succeeded(hosts.run())

    assert hosts.git.git("acme/wheels", "rev-list", "--count", "main").strip() == "1"


def test_a_git_host_that_is_down_is_told_and_the_next_run_goes_on(hosts: Hosts) -> None:
    hosts.git.fail(Respond(503), times=None)
    assert "status 503" in refused(hosts.run())

    hosts.git.mend()
    succeeded(hosts.run())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--owner", "ac me"], "--owner: "),
        (["--branch", "a..b"], "--branch: "),
        (["--api_url", "https://u:pa55@host.example/"], "--api_url: may not hold a user or a password"),
        (["--git_url", "https://git.example/{owner}/{repo}.git"], "--api_url and --git_url belong together"),
        (["--name", "no/name"], "--name: "),
        (["--pywharf_source", "x ${{ y }}"], "--pywharf_source "),
        (["--enable_gh_pages", "--branch", "gh-pages"], "gh-pages is the branch of the Pages site"),
        (["--timeout", "0"], "--timeout: "),
    ],
)
def test_a_word_that_is_wrong_is_named(words: list[str], told: str) -> None:
    message = refused(run("--name", "wheels", "--owner", "acme", "--repo", "wheels", "--dry_run", *words), code=2)

    assert told in message
    assert "pa55" not in message


# --- the token ------------------------------------------------------------------------------------------------------


def test_the_token_can_be_given_in_three_ways(hosts: Hosts) -> None:
    succeeded(hosts.run("--token", TOKEN))
    hosts.rest.repositories.clear()
    shutil.rmtree(hosts.git.folder / "acme")

    settings = {
        "PYWHARF_COMMAND": "github.init_pkg_repo",
        "PYWHARF_COMMAND_NAME": "wheels",
        "PYWHARF_COMMAND_OWNER": "acme",
        "PYWHARF_COMMAND_REPO": "wheels",
        "PYWHARF_COMMAND_API_URL": hosts.rest.url,
        "PYWHARF_COMMAND_GIT_URL": hosts.git.url_template,
        "PYWHARF_COMMAND_TOKEN": TOKEN,
    }
    succeeded(CliRunner().invoke(cli, [], env=settings, prog_name="pywharf"))
    assert ("acme", "wheels") in hosts.rest.repositories


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a token is needed: give --token_env"),
        (["--token", "x", "--token_env", "NEEDLE"], "give one of them"),
        (["--token_env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
        (["--token", " "], "--token: is empty"),
        (["--token", "gh p\nX-Header: 1"], "does not hold a token"),
    ],
)
def test_a_token_that_is_none_is_told_without_showing_it(words: list[str], told: str) -> None:
    message = refused(run("--name", "wheels", "--owner", "acme", "--repo", "wheels", *words, NEEDLE=TOKEN), code=2)

    assert told in message
    assert "X-Header" not in message


def test_a_line_feed_after_the_token_does_no_harm(hosts: Hosts) -> None:
    succeeded(hosts.run(token=f"{TOKEN}\n"))


def test_the_token_is_in_no_file_of_the_repository_and_in_no_url(hosts: Hosts) -> None:
    succeeded(hosts.run("--enable_gh_pages"))

    for path in (hosts.git.folder / "acme" / "wheels.git").rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()
    everything = hosts.git.git("acme/wheels", "grep", "-c", "", "main", "gh-pages")
    assert everything
    assert TOKEN not in hosts.git.git("acme/wheels", "log", "--all", "-p", "--format=raw")
    assert all(TOKEN not in str(request) for request in hosts.git.requests)


@pytest.mark.parametrize("call", [lambda hosts: hosts.run("--token", TOKEN, token="x")])
def test_a_host_that_repeats_the_token_does_not_get_it_shown(hosts: Hosts, call: Callable[[Hosts], Result]) -> None:
    hosts.rest.refuse_with = (422, {}, {"message": f"No token {TOKEN} here"})

    assert "No token *** here" in refused(call(hosts))
