"""What happens to releases after their upload, over HTTP: JSON in, JSON out. docs/reference/http-api.md tells it to people.

The body has to call itself JSON: no form of a web page can send that to another origin without asking first, so that a browser which
remembers a secret is nobody's tool.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from pywharf.errors import ChangeRejected
from pywharf.repository.audit import Requester
from pywharf.repository.release_changes import Changed
from pywharf.repository.releases import Releases
from pywharf.web.callers import Caller
from pywharf.web.errors import BodyTooLarge, MediaTypeNotTaken, NotFound, RequestInvalid
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect, text
from pywharf.web.simple import known_project_name

MAX_BODY = 64 * 1024  # bytes
JSON = "application/json"


class _FileChange(Protocol):
    def __call__(
        self, secret: str, project: str, /, *, version: str | None, filename: str | None, reason: str, requester: Requester
    ) -> Changed: ...


def yank(request: Request, caller: Caller, project: str) -> Response:
    """`POST /manage/<project>/yank`."""
    return _change_files(request, caller, project, caller.repository.releases.yank)


def unyank(request: Request, caller: Caller, project: str) -> Response:
    """`POST /manage/<project>/unyank`."""
    return _change_files(request, caller, project, caller.repository.releases.unyank)


def delete(request: Request, caller: Caller, project: str) -> Response:
    """`POST /manage/<project>/delete`."""
    return _change_files(request, caller, project, caller.repository.releases.delete)


def set_status(request: Request, caller: Caller, project: str) -> Response:
    """`POST /manage/<project>/status`."""
    said = _read_body(request, "status", "reason")
    if "status" not in said:
        raise ChangeRejected("status", "is missing")
    releases: Releases = caller.repository.releases
    done = releases.set_status(caller.secret, project, said["status"], said.get("reason", ""), requester=Requester(request.peer))
    return _answer(
        {
            "project": done.project,
            "status": done.status.status,
            "reason": done.status.reason,
            "was": {"status": done.before.status, "reason": done.before.reason},
            "changed": done.changed,
        }
    )


def status(request: Request, caller: Caller, project: str) -> Response:
    """`GET /manage/<project>/status`."""
    name = known_project_name(project)
    if request.raw_path != f"/manage/{name}/status":
        return redirect(request, f"manage/{name}/status")
    found = caller.repository.project_status(name)
    if found is None:
        raise NotFound(f"there is no project {name} in repository {caller.repository.name}")
    return _answer({"project": name, "status": found.status, "reason": found.reason})


# --- inside ---------------------------------------------------------------------------------------------------------


def _change_files(request: Request, caller: Caller, project: str, change: _FileChange) -> Response:
    said = _read_body(request, "version", "filename", "reason")
    done = change(
        caller.secret,
        project,
        version=said.get("version"),
        filename=said.get("filename"),
        reason=said.get("reason", ""),
        requester=Requester(request.peer),
    )
    return _answer({"project": done.project, "changed": done.changed, "unchanged": done.unchanged})


def _read_body(request: Request, *keys: str) -> Mapping[str, str]:
    """The JSON object that was sent: these keys and no others, each at most once, all of them text.

    Raises MediaTypeNotTaken, BodyTooLarge, LengthRequired, BodyCutShort, RequestInvalid, ChangeRejected (naming the key).
    """
    media_type = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise MediaTypeNotTaken(JSON)
    if request.content_length() > MAX_BODY:
        raise BodyTooLarge(MAX_BODY)

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        said: dict[str, object] = {}
        for key, value in pairs:
            if key in said:
                raise ChangeRejected(key[:50], "is there twice")
            said[key] = value
        return said

    try:
        said = json.loads(request.read_all().decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid("The body is not JSON in UTF-8") from error
    if not isinstance(said, dict):
        raise RequestInvalid("The body is not a JSON object")
    for key, value in said.items():
        if key not in keys:
            raise ChangeRejected(key[:50], f"there is no such key here; there are {', '.join(keys)}")
        if not isinstance(value, str):
            raise ChangeRejected(key, "has to be text")
    return said


def _answer(content: Mapping[str, object]) -> Response:
    response = text(200, json.dumps(content), reason="OK")
    response.headers[0] = ("Content-Type", JSON)
    return response
