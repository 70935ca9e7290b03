"""The forms that yank, unyank and delete, and give a project a status: for sessions with a secret that may write.

A form leads to a page that shows exactly what would be done; its button does it, through the same `repository.releases` as the HTTP
API. Where the project has changed between the two, it is shown again. Whatever is refused comes back with what was typed.

Each form carries the session's token and comes from this origin. Basic authentication, which a browser sends by itself to whoever
makes it ask, is not enough here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from pywharf.api.releases import releases_of
from pywharf.backend.interface import Access
from pywharf.errors import ChangeRejected, WharfError
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.model.reasons import MAX_REASON
from pywharf.model.record import STATUS_MARKERS
from pywharf.repository.audit import Requester
from pywharf.web.callers import Caller, Callers
from pywharf.web.errors import FormNotOurs, LoginNeeded, NotAuthenticated
from pywharf.web.forms import check_origin, read_form
from pywharf.web.navigation import is_from_browser
from pywharf.web.pages.intended_change import Action, Intended, preview, read_intention
from pywharf.web.pages.lookup import Missing, find_project
from pywharf.web.request import Request
from pywharf.web.responses import Response, error_headers, redirect, see_other, status_of
from pywharf.web.simple import known_project_name
from pywharf.web.templating import page

ACTIONS: tuple[Action, ...] = ("yank", "unyank", "delete", "status")

_DONE = {
    "yank": "Yanked. Installers pass over it now, unless exactly this version is asked for.",
    "unyank": "The yank is taken back.",
    "delete": "Deleted. The names of these files stay taken.",
    "status": "The project has its new status.",
    "nothing": "Nothing had to be changed: it was so already.",
}
_STATUSES = {
    "active": "As usual.",
    "archived": "Offered as before; takes no new files.",
    "deprecated": "Offered as before; installers and this page say that there is something better.",
    "quarantined": "Nothing of it is listed or served, and it takes no files, while somebody looks into it.",
}


class Manage:
    """`/projects/<project>/manage/` and what its forms lead to. public_url: where people reach this server, "" where not configured."""

    def __init__(self, callers: Callers, missing: Missing, public_url: str) -> None:
        self._callers = callers
        self._missing = missing
        self._public_url = public_url

    def show(self, request: Request, project: str) -> Response:
        """`GET /projects/<project>/manage/`."""
        caller, name = self._enter(request, project)
        if request.raw_path != f"/projects/{name}/manage/":
            return redirect(request, f"projects/{name}/manage/")
        chosen = Intended("yank", f"version {request.query_value('version')}" if request.query_value("version") else "", "")
        return self._form(request, caller, name, chosen, done=_DONE.get(request.query_value("done") or "", ""))

    def confirm(self, action: Action) -> Callable[[Request, str], Response]:
        """`POST /projects/<project>/manage/<action>/confirm/`: shows what would be done."""

        def handler(request: Request, project: str) -> Response:
            return self._posted(request, project, action, self._confirm)

        return handler

    def carry_out(self, action: Action) -> Callable[[Request, str], Response]:
        """`POST /projects/<project>/manage/<action>/`: does it."""

        def handler(request: Request, project: str) -> Response:
            return self._posted(request, project, action, self._carry_out)

        return handler

    # --- who may ----------------------------------------------------------------------------------------------------

    def _enter(self, request: Request, project: str) -> tuple[Caller, ProjectName]:
        caller = self._callers.identify(request, Access.WRITE, by_form=True)
        if caller.session is None:
            raise LoginNeeded
        return caller, known_project_name(project)

    def _posted(
        self,
        request: Request,
        project: str,
        action: Action,
        then: Callable[[Request, Caller, ProjectDetail, Intended, Mapping[str, str]], Response],
    ) -> Response:
        try:
            caller, name = self._enter(request, project)
        except NotAuthenticated:
            if not is_from_browser(request):
                raise
            # The session is over. What was typed is lost, but not the way back.
            return see_other(request, f"/login/?next={quote(f'/projects/{quote(project)}/manage/')}")
        check_origin(request, self._public_url)
        form = read_form(request)
        if caller.session is None or not caller.session.made_form(form.get("form_token", "")):
            raise FormNotOurs
        typed = Intended(action, form.get("target", ""), form.get("reason", ""))
        detail = find_project(caller, name)
        if detail is None:
            return self._missing.project(request, caller, name)
        try:
            return then(request, caller, detail, read_intention(action, form), form)
        except WharfError as error:
            if status_of(error) in (403, 500):
                raise
            return self._form(request, caller, name, typed, problem=error)

    # --- pages ------------------------------------------------------------------------------------------------------

    def _form(
        self, request: Request, caller: Caller, name: ProjectName, typed: Intended, *, done: str = "", problem: WharfError | None = None
    ) -> Response:
        detail = find_project(caller, name)
        if detail is None:
            return self._missing.project(request, caller, name)
        return page(
            request,
            "manage.tpl",
            title=f"Manage {name}",
            caller=caller,
            status=200 if problem is None else status_of(problem),
            more=error_headers(problem) if problem else None,
            project=name,
            project_status=detail.status,
            releases=[(one.spelling, [file.filename for file in one.files]) for one in reversed(releases_of(detail.files))],
            statuses=[(marker, _STATUSES[marker]) for marker in STATUS_MARKERS],
            typed=typed,
            done=done,
            problem=_sentence(problem) if problem else "",
            fault=problem.field if isinstance(problem, ChangeRejected) else "",
            max_reason=MAX_REASON,
        )

    def _confirm(
        self,
        request: Request,
        caller: Caller,
        detail: ProjectDetail,
        intended: Intended,
        form: Mapping[str, str],
        *,
        problem: str = "",
        status: int = 200,
    ) -> Response:
        would = preview(detail, intended)
        return page(
            request,
            "confirm.tpl",
            title="Confirm",
            caller=caller,
            status=status,
            project=detail.name,
            intended=intended,
            would=would,
            status_words=_STATUSES.get(intended.target, ""),
            before=detail.status,
            problem=problem,
        )

    def _carry_out(self, request: Request, caller: Caller, detail: ProjectDetail, intended: Intended, form: Mapping[str, str]) -> Response:
        if form.get("state", "") != preview(detail, intended).state:
            said = "Something about this changed since you were shown it. Nothing was done: look again."
            return self._confirm(request, caller, detail, intended, form, problem=said, status=409)
        done = _do(caller, detail.name, intended, Requester(request.peer))
        return see_other(request, f"/projects/{detail.name}/manage/?done={intended.action if done else 'nothing'}")


def _do(caller: Caller, name: ProjectName, intended: Intended, requester: Requester) -> bool:
    """Whether anything is other than before."""
    releases = caller.repository.releases
    if intended.action == "status":
        return releases.set_status(caller.secret, name, intended.target, intended.reason, requester=requester).changed
    change = {"yank": releases.yank, "unyank": releases.unyank, "delete": releases.delete}[intended.action]
    done = change(caller.secret, name, version=intended.version, filename=intended.filename, reason=intended.reason, requester=requester)
    return bool(done.changed)


def _sentence(problem: WharfError) -> str:
    """For a person: without the name of the argument in front, since it stands beside the field."""
    if isinstance(problem, ChangeRejected):
        names = {"reason": "The reason", "target": "What", "status": "The status", "version": "The version"}
        return f"{names.get(problem.field, problem.field)}: {problem.reason}."
    return str(problem)
