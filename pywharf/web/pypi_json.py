"""The JSON API of PyPI, for tools that have not moved to the Simple API: `/pypi/<name>/json` and `/pypi/<name>/<version>/json`."""

from __future__ import annotations

from urllib.parse import quote

from pywharf.api.pypi_json import choose_described_file, render_pypi_json
from pywharf.errors import FileMissing
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.web.callers import Caller
from pywharf.web.errors import NotFound
from pywharf.web.files import read_whole
from pywharf.web.headers import HOST
from pywharf.web.page_cache import Page, PageCache, PageKey, make_page
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect
from pywharf.web.simple import known_project_name, send_page

MAX_METADATA = 16 * 1024 * 1024  # bytes, as admission takes


class PypiJson:
    """The answers of every repository; kept like pages."""

    def __init__(self, cache: PageCache) -> None:
        self._cache = cache

    def project(self, request: Request, caller: Caller, project: str) -> Response:
        """`GET /pypi/<name>/json`: the newest release, and all releases."""
        return self._answer(request, caller, project, None)

    def release(self, request: Request, caller: Caller, project: str, version: str) -> Response:
        """`GET /pypi/<name>/<version>/json`: one release."""
        return self._answer(request, caller, project, version)

    def _answer(self, request: Request, caller: Caller, project: str, version: str | None) -> Response:
        name = known_project_name(project)
        if project != name or request.raw_path.endswith("/"):
            return redirect(request, f"pypi/{name}/json" if version is None else f"pypi/{name}/{quote(version, safe='+!')}/json")
        base = _base_url(request)

        def render() -> Page | None:
            detail = caller.repository.project(name)
            if detail is None:
                return None
            content = render_pypi_json(
                detail,
                version,
                _described_metadata(caller, name, detail, version),
                file_url=lambda filename: f"{base}simple/{name}/{quote(filename)}",
                page_url=f"{base}simple/{name}/",
            )
            if content is None:
                return None
            return make_page(content, "application/json", revision=detail.revision, serial=detail.serial)

        revision = caller.repository.project_revision(name)
        key = PageKey(request.generation.number, caller.repository.name, name, f"json {version or ''} {base}")
        page = None if revision is None else self._cache.get(key, revision, render)
        if page is None:
            raise NotFound(f"repository {caller.repository.name} has no such project or release")
        return send_page(request, page)


def _described_metadata(caller: Caller, name: ProjectName, detail: ProjectDetail, version: str | None) -> bytes | None:
    """The core metadata of the file that speaks for the release, where it is kept."""
    record = choose_described_file(detail, version)
    if record is None or record.metadata is None:
        return None
    file = caller.repository.find_file(name, record.metadata.name)
    try:
        return None if file is None else read_whole(caller, file, MAX_METADATA)
    except FileMissing:  # the project is there all the same, and its record says the most of it
        return None


def _base_url(request: Request) -> str:
    """Where the application is mounted, as the client sees it, with a final slash; without a host where none can be believed.

    Tools put these URLs to use as they are, so they are absolute. The host is what this very client sent, and goes back to it alone.
    Behind a proxy only the proxy knows whether the client spoke https: where no trusted one says so they are paths, so that no secret
    follows an http URL.
    """
    prefix = quote(request.script_name, encoding="latin-1").rstrip("/") + "/"
    host = request.header("Host") or ""
    return f"{request.scheme}://{host}{prefix}" if HOST.fullmatch(host) and request.scheme_is_known else prefix
