"""The few calls of GitHub's REST API that make a repository: who am I, create, look, default branch, Pages.

Everything else goes through git itself, which other hosts speak too. The token travels in one header and is in no message: what the
host says is cleaned of it. Every refusal is told with what to change; one that nobody foresaw, in the host's own words.

Source: GitHub's REST API documentation, version 2022-11-28 (which GitHub Enterprise Server knows too).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from urllib3.exceptions import HTTPError

from pywharf import __version__
from pywharf.errors import WharfError
from pywharf_github.config import GitHubConfig
from pywharf_github.connections import connections
from pywharf_github.transport import unreachable

API_VERSION = "2022-11-28"
MAX_ANSWER = 4 * 1024 * 1024  # bytes
CHUNK = 64 * 1024  # bytes

OK, CREATED = 200, 201
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, INVALID, TOO_MANY, SERVER_ERROR = 401, 403, 404, 409, 422, 429, 500

_NOT_IN_A_NAME = re.compile(r"[<>\x00-\x1f\x7f\ud800-\udfff]")
_LOGIN = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")
_MAY_CREATE = (
    "a classic token with the scope {scope}, or a fine-grained one of that owner, for all its repositories, with Administration: write"
)


class HostRefused(WharfError):
    """The host does not do what was asked; the message says what to change."""


class NameTaken(HostRefused):
    """There is a repository of that name already."""


@dataclass(frozen=True)
class TokenUser:
    """Whose token it is."""

    login: str
    id: int
    name: str  # as the user wants to be called; the login where there is none
    scopes: frozenset[str] | None  # of a classic token; None: a fine-grained one, which does not tell

    @property
    def signature(self) -> str:
        """As git has it: the name, and the address under which GitHub knows this user's commits, and that no mail reaches."""
        name = _NOT_IN_A_NAME.sub("", self.name).strip() or self.login
        return f"{name} <{self.id}+{self.login}@users.noreply.github.com>"


@dataclass(frozen=True)
class HostedRepository:
    """A repository as the host describes it."""

    private: bool
    default_branch: str
    html_url: str


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any  # parsed JSON; None where it is none

    @property
    def told(self) -> str:
        """What the host says about it, in one line; "" where it says nothing."""
        if not isinstance(self.body, dict):
            return ""
        errors = self.body.get("errors")
        details = [one.get("message") if isinstance(one, dict) else one for one in errors] if isinstance(errors, list) else []
        return ": ".join(str(part) for part in (self.body.get("message"), *details) if part)


class RestApi:
    """GitHub's REST API, spoken to with one token. Used by one command at a time."""

    def __init__(self, config: GitHubConfig, token: str) -> None:
        self._config = config
        self._token = token
        self._base = config.api_url.rstrip("/")
        self._host = urlsplit(self._base).hostname or self._base

    def user(self) -> TokenUser:
        """Whose token it is. Raises HostRefused."""
        answer = self._ask("GET", "/user")
        if answer.status == FORBIDDEN:
            raise self._refusal(
                answer, "the token belongs to no user (it is an app's, or a workflow's own): make it with a personal access token"
            )
        body = answer.body if isinstance(answer.body, dict) else {}
        login, number = body.get("login"), body.get("id")
        if answer.status != OK or not isinstance(login, str) or not _LOGIN.fullmatch(login):
            raise self._refusal(answer, "this is no answer of GitHub's REST API: look at --api_url")
        scopes = answer.headers.get("x-oauth-scopes")
        return TokenUser(
            login=login,
            id=number if isinstance(number, int) else 0,
            name=str(body.get("name") or login),
            scopes=None if scopes is None else frozenset(one.strip() for one in scopes.split(",") if one.strip()),
        )

    def create(self, *, of_organisation: bool, private: bool, description: str) -> HostedRepository:
        """Create the configured repository, empty. Raises NameTaken, HostRefused."""
        owner, scope = self._config.owner, "repo" if private else "public_repo"
        wanted = {
            "name": self._config.repo,
            "description": description,
            "private": private,
            "auto_init": False,
            "has_issues": False,
            "has_projects": False,
            "has_wiki": False,
        }
        answer = self._ask("POST", f"/orgs/{quote(owner, safe='')}/repos" if of_organisation else "/user/repos", wanted)
        if answer.status == CREATED:
            return self._repository(answer)
        what = f"{owner}/{self._config.repo} cannot be created"
        if answer.status == NOT_FOUND and of_organisation:
            raise self._refusal(
                answer,
                f"{what}: there is no organisation {owner!r} that this token sees, and it is not the token's own user. Look at --owner; "
                "a token may have to be authorised for the organisation's single sign-on, and a fine-grained one made with it as owner",
            )
        if answer.status in (FORBIDDEN, NOT_FOUND):
            whose = f"{owner!r} lets its members create repositories, and the token is " if of_organisation else "the token is "
            raise self._refusal(answer, f"{what}: see that {whose}{_MAY_CREATE.format(scope=scope)}")
        if answer.status == INVALID and "already exists" in answer.told:
            raise NameTaken(
                f"{owner}/{self._config.repo} exists already, and is not an empty repository that this token may push to: choose another "
                "--repo, or delete or rename the one that is there"
            )
        if answer.status == INVALID and "isibility" in answer.told:
            raise self._refusal(answer, f"{what} {'private' if private else 'public'}: the plan or the rules of {owner!r} do not allow it")
        raise self._refusal(answer, what)

    def repository(self) -> HostedRepository:
        """The configured repository. Raises HostRefused."""
        answer = self._ask("GET", self._path())
        if answer.status != OK:
            raise self._refusal(
                answer, f"{self._config.owner}/{self._config.repo} cannot be seen with this token: add it to what the token may see"
            )
        return self._repository(answer)

    def set_default_branch(self, branch: str) -> None:
        """Raises HostRefused."""
        answer = self._ask("PATCH", self._path(), {"default_branch": branch})
        if answer.status != OK:
            raise self._refusal(
                answer,
                f"{branch} cannot be made the default branch: give the token Administration: write (classic: repo), or set it in the "
                "repository's settings; everything else is done",
            )

    def enable_pages(self, branch: str) -> str:
        """Serve a branch as GitHub Pages, from its top. Returns the site's address. Raises HostRefused; served already is no error."""
        answer = self._ask("POST", f"{self._path()}/pages", {"source": {"branch": branch, "path": "/"}})
        if answer.status == CONFLICT:
            answer = self._ask("GET", f"{self._path()}/pages")
        if answer.status in (OK, CREATED):
            return str(answer.body.get("html_url") or "") if isinstance(answer.body, dict) else ""
        what = "GitHub Pages cannot be turned on"
        if answer.status == INVALID and "plan" in answer.told:
            raise self._refusal(
                answer,
                f"{what}: the plan of {self._config.owner!r} has no Pages for private repositories. Take a plan that has, make the repository "
                "public (--public), or leave out --enable_gh_pages and serve the output of gen_gh_pages elsewhere. The repository is ready",
            )
        if answer.status in (FORBIDDEN, NOT_FOUND):
            raise self._refusal(
                answer,
                f"{what}: give the token Pages: write and Administration: write (classic: repo), or turn it on in the repository's "
                f"settings, from the branch {branch}. The repository is ready",
            )
        raise self._refusal(answer, what)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _path(self) -> str:
        return f"/repos/{quote(self._config.owner, safe='')}/{quote(self._config.repo, safe='')}"

    def _repository(self, answer: _Answer) -> HostedRepository:
        body = answer.body if isinstance(answer.body, dict) else {}
        return HostedRepository(bool(body.get("private")), str(body.get("default_branch") or ""), str(body.get("html_url") or ""))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> _Answer:
        """One call. Raises HostRefused for what no call can do anything about: no connection, a bad token, the rate limit."""
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "User-Agent": f"pywharf/{__version__}",
            "X-GitHub-Api-Version": API_VERSION,
        }
        raw = b""
        try:
            pool = connections(self._config, self._base)
            got = pool.request(method, self._base + path, headers=headers, json=body, preload_content=False, redirect=False)
            with contextlib.closing(got):
                while (piece := got.read(CHUNK, decode_content=True)) and len(raw) < MAX_ANSWER:
                    raw += piece
        except (HTTPError, OSError, ValueError) as error:
            reason = unreachable(error, self._config.timeout).reason.replace("git host", "API's host")
            raise HostRefused(f"{self._host}: {reason}: look at the network, and at --api_url, --proxy and --ca_file") from None
        answer = _Answer(got.status, {name.lower(): value for name, value in got.headers.items()}, _parsed(raw))
        self._check_limits(answer)
        return answer

    def _check_limits(self, answer: _Answer) -> None:
        if answer.status == UNAUTHORIZED:
            raise self._refusal(answer, "the host does not know the token: it may be misspelled, expired or revoked")
        limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
        if answer.status == TOO_MANY or (answer.status == FORBIDDEN and limited):
            raise self._refusal(answer, "too many requests with this token: wait a few minutes, and run the same command again")
        if answer.status >= SERVER_ERROR:
            raise self._refusal(answer, "the host has trouble of its own: run the same command again later")

    def _refusal(self, answer: _Answer, reason: str) -> HostRefused:
        told = " ".join(answer.told.replace(self._token, "***").split())[:500]
        return HostRefused(f"{self._host}: {reason} ({answer.status}{f': {told}' if told else ''})")


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
