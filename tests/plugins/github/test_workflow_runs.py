"""The scripts of the generated workflows, run by a shell as GitHub Actions run them, against a real git host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from plugins.github.github_hosts import ADA, TOKEN, Hosts, publish, succeeded
from pywharf_github.config import GitHubConfig
from pywharf_github.workflow import INDEX_WORKFLOW, PAGES_WORKFLOW

from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_server import GitServer
from pywharf.testing.github_rest import GitHubRest

PYWHARF = Path(sys.executable).with_name("pywharf")
pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None or shutil.which("bash") is None, reason="git and bash are needed, as on a runner"),
    pytest.mark.skipif(not PYWHARF.exists(), reason="pywharf is not installed as a command beside this Python"),
]

WHEEL = make_wheel("demo", "1.0")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """With a repository that was made, Pages and all, and has a package."""
    with GitServer(tmp_path / "git") as git, GitHubRest({TOKEN: ADA}, organisations=["acme"]) as rest:
        hosts = Hosts(rest, git)
        rest.on_create = hosts.made
        succeeded(hosts.run("--enable_gh_pages"))
        publish(GitHubConfig(owner="acme", repo="wheels", git_url=git.url_template, min_push_interval=0), TOKEN, tmp_path / "root", WHEEL)
        yield hosts


def run_step(hosts: Hosts, workflow: str, name: str, folder: Path) -> str:
    """Run the step of this name as a runner does; what it prints."""
    steps: list[dict[str, Any]] = [step for job in yaml.safe_load(hosts.show(workflow))["jobs"].values() for step in job["steps"]]
    (step,) = [step for step in steps if step.get("name") == name]
    environ = {
        "PATH": os.pathsep.join([str(PYWHARF.parent), os.environ["PATH"]]),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GITHUB_REPOSITORY": "acme/wheels",
        "GITHUB_REPOSITORY_OWNER": "acme",
        "GITHUB_SHA": hosts.git.git("acme/wheels", "rev-parse", "main").strip(),
        **{variable: value.replace("${{ github.token }}", TOKEN) for variable, value in step.get("env", {}).items()},
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def commits(hosts: Hosts, branch: str) -> int:
    return int(hosts.git.git("acme/wheels", "rev-list", "--count", branch))


def test_the_index_workflow_writes_the_index_file_once(hosts: Hosts, tmp_path: Path) -> None:
    before = commits(hosts, "main")

    printed = run_step(hosts, INDEX_WORKFLOW, "Update the index", tmp_path)
    run_step(hosts, INDEX_WORKFLOW, "Update the index", tmp_path)

    assert "known before: 1, " in printed
    assert TOKEN not in printed
    assert WHEEL.filename in hosts.show("index.jsonl")
    assert commits(hosts, "main") == before + 1


def test_the_pages_workflow_publishes_the_site_once(hosts: Hosts, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    address = hosts.git.url("acme/wheels").replace("://", f"://x-access-token:{TOKEN}@")
    subprocess.run(["git", "clone", "--quiet", "--branch", "gh-pages", address, str(clone)], check=True)
    before = commits(hosts, "gh-pages")

    for _ in range(2):
        run_step(hosts, PAGES_WORKFLOW, "Write the site", clone)
        run_step(hosts, PAGES_WORKFLOW, "Publish it", clone)

    assert commits(hosts, "gh-pages") == before + 1
    listed = hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "gh-pages").split()
    assert {".nojekyll", "index.html", "simple/index.html", f"simple/demo/{WHEEL.filename}"} <= set(listed)
    (path,) = [one for one in hosts.git.git("acme/wheels", "ls-tree", "-r", "--name-only", "main").split() if one.endswith(WHEEL.filename)]
    blobs = [hosts.git.git("acme/wheels", "rev-parse", where) for where in (f"main:{path}", f"gh-pages:simple/demo/{WHEEL.filename}")]
    assert blobs[0] == blobs[1]  # so its content is kept once for both branches
