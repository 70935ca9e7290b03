"""GitHub as the tests of the commands see it: a stand-in for the REST API, a real git host, and ways to run and to publish."""

from __future__ import annotations

import contextlib
from pathlib import Path

from click.testing import CliRunner, Result
from pywharf_github import plugin
from pywharf_github.config import GitHubConfig

from pywharf.backend.interface import Access
from pywharf.cli.main import cli
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.layout import Layout
from pywharf.model.record import now
from pywharf.repository.admission import admit_file
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import Distribution
from pywharf.testing.git_server import GitServer
from pywharf.testing.github_rest import GitHubRest, Person

TOKEN = "ghp_needle0123456789abcdef"
ADA = Person("ada", 42, "Ada Lovelace")


class Hosts:
    """GitHub as these tests see it: the two servers, and the command run against both."""

    def __init__(self, rest: GitHubRest, git: GitServer) -> None:
        self.rest = rest
        self.git = git
        self.rights = Access.WRITE  # of the token in repositories that are made from now on

    def made(self, owner: str, name: str) -> None:
        self.git.create(f"{owner}/{name}", branch="master")  # whatever it is called there at first
        self.git.grant(f"{owner}/{name}", self.rights, token=TOKEN)

    def run(self, *words: str, token: str = TOKEN, owner: str = "acme", **environ: str) -> Result:
        where = ["--owner", owner, "--repo", "wheels", "--api_url", self.rest.url, "--git_url", self.git.url_template]
        given = [] if any(word.startswith("--token") for word in words) else ["--token_env", "NEEDLE"]
        return run("--name", "wheels", *where, *given, *words, NEEDLE=token, **environ)

    def show(self, path: str, branch: str = "main") -> str:
        return self.git.git("acme/wheels", "show", f"{branch}:{path}")


def run(*words: str, **environ: str) -> Result:
    result = CliRunner().invoke(cli, ["github.init_pkg_repo", *words], env=environ, prog_name="pywharf")
    assert TOKEN not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def succeeded(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def refused(result: Result, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    assert result.stderr.count("error:") == 1
    return result.stderr


def publish(config: GitHubConfig, token: str, root: Path, *distributions: Distribution) -> None:
    """Upload into a repository as a server with its ROOT there does."""
    layout = Layout(root)
    layout.prepare()
    secret = plugin.secret_model.model_validate({"type": "github", "raw": token})
    with contextlib.closing(Repository(RepositorySettings("wheels", plugin, config, secret), layout, ServerSettings())) as repository:
        repository.sync()
        for distribution in distributions:
            with repository.receiving() as incoming:
                incoming.write(distribution.data)
                incoming.finish()
                repository.adopt(admit_file(incoming.path, distribution.filename, now()), incoming)
