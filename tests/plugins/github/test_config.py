"""What a github repository may be told, and what it says to a person who told it wrongly."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError
from pywharf_github import plugin
from pywharf_github.config import GitHubConfig, GitHubSecret

ACME = {"owner": "acme", "repo": "wheels"}


def test_the_plugin_is_listed_without_importing_what_is_heavy() -> None:
    script = "import sys, pywharf_github; sys.exit(any(m in sys.modules for m in ('pydantic', 'dulwich', 'urllib3', 'click')))"

    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_owner_and_repo_are_enough() -> None:
    config = GitHubConfig.model_validate({"type": "github", **ACME})

    assert config.remote_url == "https://github.com/acme/wheels.git"
    assert config.ref == b"refs/heads/main"
    assert (config.index_filename, config.max_file_bytes, config.min_push_interval) == ("index.jsonl", 100 * 1024**2 - 1, 2)
    assert plugin.needs_admin_secret
    assert plugin.config_model is GitHubConfig


@pytest.mark.parametrize(
    ("git_url", "owner", "url"),
    [
        ("https://git.example/{owner}/{repo}.git", "group/sub-group", "https://git.example/group/sub-group/wheels.git"),
        ("https://git.example/~{owner}/{repo}/", "acme", "https://git.example/~acme/wheels"),
        ("http://127.0.0.1:3000/{owner}/{repo}.git", "acme", "http://127.0.0.1:3000/acme/wheels.git"),
        ("http://gitea:3000/{owner}/{repo}.git", "acme", "http://gitea:3000/acme/wheels.git"),
        ("http://[::1]:3000/{repo}", "acme", "http://[::1]:3000/wheels"),
        ("https://git.example/only-one.git", "acme", "https://git.example/only-one.git"),
    ],
)
def test_other_hosts_are_named_by_a_template(git_url: str, owner: str, url: str) -> None:
    assert GitHubConfig.model_validate({**ACME, "owner": owner, "git_url": git_url}).remote_url == url


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"owner": ""}, "owner"),
        ({"owner": "../etc"}, "is one name"),
        ({"owner": "a//b"}, "is one name"),
        ({"owner": "-x"}, "is one name"),
        ({"owner": "acme\n"}, "is one name"),
        ({"repo": "acme/wheels"}, "without the owner"),
        ({"repo": "wheels.git"}, 'without ".git"'),
        ({"repo": ".."}, "is a name of"),
        ({"branch": "refs/heads/main"}, "without refs/heads/"),
        ({"branch": "a..b"}, "not the name of a branch"),
        ({"branch": "a.lock"}, "not the name of a branch"),
        ({"branch": "-f"}, "not the name of a branch"),
        ({"branch": "main "}, "not the name of a branch"),
        ({"index_filename": "packages"}, "name of a file"),
        ({"index_filename": "a/b"}, "name of a file"),
        ({"index_filename": ".pywharf"}, "name of a file"),
        ({"git_url": "ssh://git@git.example/{owner}/{repo}.git"}, "begins with https://"),
        ({"git_url": "git.example/{owner}"}, "begins with https://"),
        ({"git_url": "https://git.example/{owner}/{repo}/{branch}"}, "only {owner} and {repo}"),
        ({"git_url": "https://git.example/{owner.__class__}/{repo}"}, "only {owner} and {repo}"),
        ({"git_url": "https://git.example/{owner}?x=1"}, "query"),
        ({"git_url": "https://git.example:99999/{owner}"}, "is not a URL"),
        ({"git_url": "http://git.example.com/{owner}/{repo}"}, "readable through the internet"),
        ({"git_url": "http://8.8.8.8/{owner}/{repo}"}, "readable through the internet"),
        ({"api_url": "http://api.example.com"}, "readable through the internet"),
        ({"proxy": "socks5://proxy:1080"}, "begins with https://"),
        ({"ca_file": "ca.pem"}, 'has to begin with "/"'),
        ({"timeout": 0}, "timeout"),
        ({"min_push_interval": -1}, "min_push_interval"),
        ({"cache_max_bytes": -1}, "cache_max_bytes"),
        ({"token": "x"}, "token"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GitHubConfig.model_validate({"type": "github", **ACME, **table})

    assert said in str(refused.value)


@pytest.mark.parametrize("key", ["git_url", "api_url", "proxy"])
@pytest.mark.parametrize(
    "url", ["https://x:needle@git.example/{owner}", "https://needle@git.example", "https://git.example:needle/", "needle"]
)
def test_a_url_holds_no_secret_and_the_refusal_does_not_repeat_it(key: str, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GitHubConfig.model_validate({**ACME, key: url})

    assert "needle" not in str(refused.value)
    assert "needle" not in repr(refused.value)


def test_a_proxy_for_plain_http_may_be_anywhere() -> None:
    assert GitHubConfig.model_validate({**ACME, "proxy": "http://proxy.example.com:3128"}).proxy


def test_a_secret_is_never_shown() -> None:
    secret = GitHubSecret.model_validate({"raw": "ghp_needle"})

    assert secret.reveal() == "ghp_needle"
    assert "needle" not in f"{secret!r} {secret} {secret.model_dump()}"
