"""The Simple API's pages: the list of projects, and one project's files.

A project that is not known here is looked for at the extra index: the client is redirected there, and nothing is ever asked of
it by this server. Only a name that is surely not ours may leave.

Sources: PEP 503 (redirects), PEP 691 (negotiation), RFC 9110 (conditions, Vary).
"""

from __future__ import annotations

from pywharf.api.negotiation import PageFormat, negotiate
from pywharf.api.simple import render_list, render_project
from pywharf.errors import InvalidName
from pywharf.model.names import ProjectName, normalize_project
from pywharf.web.callers import Caller
from pywharf.web.errors import NotFound
from pywharf.web.headers import none_match, takes_gzip
from pywharf.web.page_cache import Page, PageCache, PageKey, make_page
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_modified, redirect, redirect_away

VARY = ("Vary", "Accept, Accept-Encoding, Authorization, Cookie")
# A page is data with links: whatever slips into it, nothing of it runs, is framed, or tells others where it was.
_INERT = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("Referrer-Policy", "no-referrer"),
]


class SimplePages:
    """The pages of every repository.

    extra_index_url: ends with a slash; "" where there is none. public_url: where clients reach the server, an https URL that ends with a
    slash, as the operator says it and never as a request does, since one page goes to many; None: provenance is not linked.
    """

    def __init__(self, cache: PageCache, extra_index_url: str, public_url: str | None = None) -> None:
        self._cache = cache
        self._public_url = public_url
        self._extra_index_url = extra_index_url

    def project_list(self, request: Request, caller: Caller) -> Response:
        """`GET /simple/`."""
        if not request.raw_path.endswith("/"):
            return redirect(request, "simple/")
        format_ = negotiate(request.header("Accept"), request.query_value("format"))

        def render() -> Page:
            projects = caller.repository.projects()
            content = render_list(projects, format_)
            return make_page(content, format_.content_type, revision=projects.revision, serial=projects.serial)

        key = PageKey(request.generation.number, caller.repository.name, "", format_.content_type)
        return send_page(request, self._cache.get(key, caller.repository.projects_revision(), render))

    def project_page(self, request: Request, caller: Caller, project: str) -> Response:
        """`GET /simple/<project>/`."""
        name = known_project_name(project)
        if request.raw_path != f"/simple/{name}/":
            return redirect(request, f"simple/{name}/")
        revision = caller.repository.project_revision(name)
        page = None if revision is None else self._project_page(request, caller, name, revision)
        return self._elsewhere(request, caller, name) if page is None else send_page(request, page)

    def _project_page(self, request: Request, caller: Caller, name: ProjectName, revision: int) -> Page | None:
        """None where the project has gone since it was found."""
        format_: PageFormat = negotiate(request.header("Accept"), request.query_value("format"))

        def render() -> Page | None:
            detail = caller.repository.project(name)
            if detail is None:
                return None
            content = render_project(detail, format_, base_url=self._public_url)
            return make_page(content, format_.content_type, revision=detail.revision, serial=detail.serial)

        key = PageKey(request.generation.number, caller.repository.name, name, format_.content_type)
        return self._cache.get(key, revision, render)

    def _elsewhere(self, request: Request, caller: Caller, name: ProjectName) -> Response:
        if self._extra_index_url and caller.repository.may_leave(name):
            return redirect_away(request, f"{self._extra_index_url}{name}/")
        raise NotFound(f"there is no project {name} in repository {caller.repository.name}")


def known_project_name(project: str) -> ProjectName:
    """The normalised name. Raises NotFound where no project can be called so: such a name is never sent anywhere."""
    try:
        return normalize_project(project)
    except InvalidName as error:
        raise NotFound(str(error)) from error


def send_page(request: Request, page: Page) -> Response:
    """A page in the encoding the client likes, or 304 where it has it."""
    compressed = page.compressed if takes_gzip(request.header("Accept-Encoding")) else None
    etag = page.plain_etag if compressed is None else page.compressed_etag
    fields = [("Cache-Control", "private, no-cache"), VARY, ("X-PyPI-Last-Serial", str(page.serial))]
    if not none_match(request.header("If-None-Match"), etag):
        return not_modified(etag, fields)
    fields += [("Content-Type", page.content_type), ("ETag", etag), *_INERT]
    if compressed is not None:
        fields.append(("Content-Encoding", "gzip"))
    return Response(200, page.plain if compressed is None else compressed, fields)
