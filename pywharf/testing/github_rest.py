"""A stand-in for the few calls of GitHub's REST API that make a repository; tests need no network and no account.

    with GitHubRest(users={"token": Person("ada")}, organisations=["acme"], on_create=...) as rest:
        rest.url            # for `api_url`
        rest.repositories   # what was made, by (owner, name)
        rest.calls          # what was asked, as ("POST", "/user/repos")

It answers as GitHub does: the same statuses, the same `message` and `errors`, `X-OAuth-Scopes` for classic tokens, and 403 where a request
comes without a User-Agent. Who asks without the other headers that GitHub's documentation wants fails a test (400 with the reason).
Switches are attributes, and may be turned at any time. What is a repository in it is a dictionary; git is somebody else's: `on_create`
is called with owner and name, e.g. to make the repository on a `git_server`.

Sources: GitHub's REST API documentation, version 2022-11-28, and error bodies quoted in public issues.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import bottle
from cheroot import wsgi

ANSWER = "application/vnd.github+json"
API_VERSION = "2022-11-28"
INSUFFICIENT = "Resource not accessible by personal access token"


@dataclass(frozen=True)
class Person:
    """Whose token it is, and what the token may do."""

    login: str
    id: int = 1
    name: str | None = None
    scopes: tuple[str, ...] | None = ("repo", "workflow")  # of a classic token; None: a fine-grained one
    may_create: bool = True
    may_administrate: bool = True  # default branch, Pages


@dataclass
class Made:
    """A repository that was made."""

    private: bool
    default_branch: str
    pages: dict[str, str] | None = None  # the source that Pages serve: "branch", "path"
    asked: dict[str, Any] = field(default_factory=dict)  # the body of the request that made it


class GitHubRest:
    """The API on a free port of this machine, used in a `with`."""

    def __init__(
        self,
        users: Mapping[str, Person],  # by token
        organisations: Iterable[str] = (),
        on_create: Callable[[str, str], object] = lambda owner, name: None,
    ) -> None:
        self.users = dict(users)
        self.organisations = {one.lower(): one for one in organisations}
        self.repositories: dict[tuple[str, str], Made] = {}
        self.calls: list[tuple[str, str]] = []
        # Switches.
        self.default_branch = "main"  # of repositories that are made from now on
        self.private_allowed = True  # False: a plan without private repositories
        self.private_pages = True  # False: a plan without Pages for private repositories
        self.refuse_with: tuple[int, dict[str, str], Any] | None = None  # every call gets this status, these headers, this body
        self.raw_answer: bytes | None = None  # every call gets this page, with 200
        self.on_create = on_create
        self._server = wsgi.Server(("127.0.0.1", 0), self._app(), numthreads=2)
        self._server.expiration_interval = 0.05  # seconds; how soon it sees that it is to stop
        self._thread = threading.Thread(target=self._server.serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.bind_addr[1]}"

    def __enter__(self) -> GitHubRest:
        self._server.prepare()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop()
        self._thread.join()

    # --- routes -----------------------------------------------------------------------------------------------------

    def _app(self) -> bottle.Bottle:
        app = bottle.Bottle()
        for method, rule, answer in (
            ("GET", "/user", self._user),
            ("POST", "/user/repos", self._create_own),
            ("POST", "/orgs/<org>/repos", self._create_of_organisation),
            ("GET", "/repos/<owner>/<name>", self._look),
            ("PATCH", "/repos/<owner>/<name>", self._change),
            ("POST", "/repos/<owner>/<name>/pages", self._enable_pages),
            ("GET", "/repos/<owner>/<name>/pages", self._look_at_pages),
        ):
            app.route(rule, method, self._asked(answer))
        app.default_error_handler = lambda error: _body(404, "Not Found")
        return app

    def _asked(self, answer: Callable[..., str]) -> Callable[..., str]:
        """What every call goes through."""

        def asked(**where: str) -> str:
            request = bottle.request
            self.calls.append((request.method, request.path))
            bottle.response.content_type = "application/json; charset=utf-8"
            if self.raw_answer is not None:
                return self.raw_answer.decode()
            if not request.get_header("User-Agent"):
                return _body(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
            wanted = {"Accept": ANSWER, "X-GitHub-Api-Version": API_VERSION}
            if any(request.get_header(name) != value for name, value in wanted.items()):
                return _body(400, f"a test's own rule: these headers are wanted: {wanted}")
            if self.refuse_with is not None:
                status, headers, body = self.refuse_with
                bottle.response.headers.update(headers)
                return _body(status, body) if isinstance(body, str) else _answered(status, body)
            person = self.users.get((request.get_header("Authorization") or "").removeprefix("Bearer "))
            if person is None:
                return _body(401, "Bad credentials")
            if person.scopes is not None:
                bottle.response.set_header("X-OAuth-Scopes", ", ".join(person.scopes))
            return answer(person, **where)

        return asked

    def _user(self, person: Person) -> str:
        return _answered(200, {"login": person.login, "id": person.id, "name": person.name, "type": "User"})

    def _create_own(self, person: Person) -> str:
        return self._create(person, person.login)

    def _create_of_organisation(self, person: Person, org: str) -> str:
        if org.lower() not in self.organisations:
            return _body(404, "Not Found")
        return self._create(person, self.organisations[org.lower()])

    def _create(self, person: Person, owner: str) -> str:
        asked = bottle.request.json or {}
        name, private = str(asked.get("name", "")), bool(asked.get("private"))
        if person.scopes is not None and not {"repo", *(() if private else ("public_repo",))} & set(person.scopes):
            return _body(404, "Not Found")  # what a classic token without the scope is told
        if not person.may_create:
            return _body(403, INSUFFICIENT)
        if self._find(owner, name):
            return _body(422, "Repository creation failed.", [_mistake("name", "name already exists on this account")])
        if private and not self.private_allowed:
            return _body(422, "Visibility can't be private. Please upgrade your subscription to create a new private repository.")
        self.repositories[owner, name] = Made(private, self.default_branch, asked=asked)
        self.on_create(owner, name)
        return self._described(201, owner, name)

    def _look(self, person: Person, owner: str, name: str) -> str:
        return self._described(200, owner, name) if self._find(owner, name) else _body(404, "Not Found")

    def _change(self, person: Person, owner: str, name: str) -> str:
        made = self._find(owner, name)
        if made is None:
            return _body(404, "Not Found")
        if not person.may_administrate:
            return _body(403, INSUFFICIENT)
        made.default_branch = str((bottle.request.json or {}).get("default_branch", made.default_branch))
        return self._described(200, owner, name)

    def _enable_pages(self, person: Person, owner: str, name: str) -> str:
        made = self._find(owner, name)
        if made is None:
            return _body(404, "Not Found")
        if not person.may_administrate:
            return _body(403, INSUFFICIENT)
        if made.private and not self.private_pages:
            return _body(422, "Your current plan does not support GitHub Pages for this repository.")
        if made.pages is not None:
            return _body(409, "GitHub Pages is already enabled.")
        made.pages = dict((bottle.request.json or {}).get("source", {}))
        return _answered(201, {"html_url": f"https://{owner}.pages.example/{name}/", "source": made.pages})

    def _look_at_pages(self, person: Person, owner: str, name: str) -> str:
        made = self._find(owner, name)
        if made is None or made.pages is None:
            return _body(404, "Not Found")
        return _answered(200, {"html_url": f"https://{owner}.pages.example/{name}/", "source": made.pages})

    # --- inside -----------------------------------------------------------------------------------------------------

    def _find(self, owner: str, name: str) -> Made | None:
        """Neither owner nor name is case-sensitive there."""
        found = [made for (a, b), made in self.repositories.items() if (a.lower(), b.lower()) == (owner.lower(), name.lower())]
        return found[0] if found else None

    def _described(self, status: int, owner: str, name: str) -> str:
        made = self._find(owner, name)
        private, branch = (made.private, made.default_branch) if made else (True, "")
        described = {"name": name, "full_name": f"{owner}/{name}", "private": private, "default_branch": branch}
        return _answered(status, {**described, "html_url": f"https://host.example/{owner}/{name}"})


def _mistake(at: str, message: str) -> dict[str, str]:
    return {"resource": "Repository", "code": "custom", "field": at, "message": message}


def _body(status: int, message: str, errors: list[dict[str, str]] | None = None) -> str:
    return _answered(status, {"message": message, **({"errors": errors} if errors else {}), "status": str(status)})


def _answered(status: int, body: Any) -> str:
    bottle.response.status = status
    bottle.response.set_header("X-RateLimit-Limit", "5000")
    bottle.response.headers.setdefault("X-RateLimit-Remaining", "4999")
    return json.dumps(body)
