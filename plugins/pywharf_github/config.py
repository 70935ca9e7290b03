"""What a github repository is told: which git repository, on which host, over which way, within which limits."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from pywharf.backend.settings import BackendConfig, BackendSecret, absolute_path

MIB = 1024**2
GITHUB_API = "https://api.github.com"
GITHUB_GIT = "https://github.com/{owner}/{repo}.git"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_BRANCH_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_HOST_AND_REST = re.compile(r"[\x21-\x7e]+")


class GitHubConfig(BackendConfig):
    """A repository's table in the configuration."""

    type: Literal["github"] = "github"
    owner: str = Field(max_length=200, description="The user or organisation that owns the git repository.")
    repo: str = Field(max_length=100, description="The git repository's name.")
    branch: str = Field(default="main", max_length=200, description="The branch that holds the packages.")
    index_filename: str = Field(
        default="index.jsonl", max_length=100, description="The file on that branch in which `update_index` keeps the index."
    )
    max_file_bytes: int = Field(
        default=100 * MIB - 1, gt=0, description="Largest distribution file taken, in bytes. GitHub refuses files of 100 MiB."
    )
    sync_index_interval: float = Field(
        default=60.0, gt=0, le=86400, description="How often changes made elsewhere are looked for, in seconds."
    )
    api_url: str = Field(
        default=GITHUB_API,
        description="Where the host's REST API is, e.g. https://HOST/api/v3 for GitHub Enterprise. Used by init_pkg_repo.",
    )
    git_url: str = Field(
        default=GITHUB_GIT, description="Where the git repository is; {owner} and {repo} are filled in. For GitLab, Gitea and others."
    )
    cache_max_bytes: int = Field(default=5 * 1024 * MIB, ge=0, description="How much of the disk downloaded files may take, in bytes.")
    ca_file: Path | None = Field(
        default=None,
        description="A PEM file with the certificate authorities to trust instead of the system's, from the root of the file system.",
    )
    proxy: str | None = Field(
        default=None,
        description="The HTTP proxy to use, e.g. http://proxy:3128. Default: the environment's; one that wants a password belongs there.",
    )
    timeout: float = Field(
        default=60.0, gt=0, le=600, description="How long the git host may keep silent, or crawl, before it counts as down; in seconds."
    )
    min_push_interval: float = Field(
        default=2.0, ge=0, le=600, description="Pause between two pushes, in seconds, for all processes of a server together."
    )

    @field_validator("owner")
    @classmethod
    def _owner(cls, owner: str) -> str:
        # GitLab's groups hold groups: a/b/c.
        if not all(_NAME.fullmatch(part) and not part.endswith(".git") for part in owner.split("/")):
            raise ValueError('is one name, or several with "/" between them, of letters, digits, "-", "_" and "."')
        return owner

    @field_validator("repo")
    @classmethod
    def _repo(cls, repo: str) -> str:
        if not _NAME.fullmatch(repo):
            raise ValueError('is a name of letters, digits, "-", "_" and ".", without the owner')
        if repo.endswith(".git"):
            raise ValueError('is the name without ".git"')
        return repo

    @field_validator("branch")
    @classmethod
    def _branch(cls, branch: str) -> str:
        parts = branch.split("/")
        if not all(_BRANCH_PART.fullmatch(part) and ".." not in part and not part.endswith((".", ".lock")) for part in parts):
            raise ValueError('is not the name of a branch: letters, digits, "-", "_", "." and "/"')
        if parts[0] == "refs":
            raise ValueError('is the name of a branch, e.g. "main", without refs/heads/')
        return branch

    @field_validator("index_filename")
    @classmethod
    def _index_filename(cls, filename: str) -> str:
        if not _NAME.fullmatch(filename) or filename == "packages":
            raise ValueError('is the name of a file at the top of the branch, of letters, digits, "-", "_" and "."')
        return filename

    @field_validator("api_url", "git_url")
    @classmethod
    def _url(cls, url: str) -> str:
        return check_url(url)

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, proxy: str | None) -> str | None:
        return None if proxy is None else check_url(proxy, of_a_proxy=True)

    @field_validator("ca_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute_path(path)

    @model_validator(mode="after")
    def _one_url(self) -> GitHubConfig:
        if leftover := re.search(r"[{}]", self.remote_url):
            raise ValueError(f'git_url: only {{owner}} and {{repo}} can be filled in; there is another "{leftover[0]}"')
        return self

    @property
    def remote_url(self) -> str:
        """The git repository's URL, without a final slash. Never holds a secret."""
        owner, repo = quote(self.owner), quote(self.repo)
        return self.git_url.replace("{owner}", owner).replace("{repo}", repo).rstrip("/")

    @property
    def ref(self) -> bytes:
        """The branch as git names it, e.g. b"refs/heads/main"."""
        return b"refs/heads/" + self.branch.encode("ascii")


class GitHubSecret(BackendSecret):
    """What a caller shows: a token of the git host, e.g. a personal access token.

    It is sent as the password of the user `x-access-token`, which GitHub, GitLab and Gitea take for any token. For a host that
    knows users by name, it is `user:password` (no token of the three holds a colon).
    """

    type: Literal["github"] = "github"


def check_url(url: str, *, of_a_proxy: bool = False) -> str:
    """The URL as given, when tokens may be sent there. Raises ValueError saying what to write instead; never repeats the URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if parts.scheme not in ("https", "http") or not host or not _HOST_AND_REST.fullmatch(url):
        raise ValueError("is a URL that begins with https:// (or http://, on this machine or a private network)")
    if "@" in parts.netloc:
        where = "in the environment variable HTTPS_PROXY" if of_a_proxy else "in the admin secret, and in what users type as their password"
        raise ValueError(f"may not hold a user or a password: URLs get logged. They belong {where}")
    if parts.query or parts.fragment or "\\" in url:
        raise ValueError("may not hold a query, a fragment or a backslash")
    if parts.scheme == "http" and not of_a_proxy and not _is_near(host):
        raise ValueError("begins with http://, and would send tokens readable through the internet: use https://")
    return url


def _is_near(host: str) -> bool:
    """Whether it is this machine, a private address, or a name without a dot (another container)."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(".localhost")
