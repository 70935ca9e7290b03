"""The Simple API, version 1.4: a project's page and the list of projects.

`project_page` is the one shape; JSON is that shape written out, HTML says the same in attributes (PEP 833: nothing new is
added to HTML). The same project gives the same bytes on every server. Records are taken for hostile: all text is escaped,
whatever admission let in.

Sources: "Simple repository API" on packaging.python.org; PEP 503, 592, 629, 658, 691, 700, 714, 740, 792.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import escape
from typing import TypedDict
from urllib.parse import quote

from pywharf.api.negotiation import PageFormat
from pywharf.api.releases import in_order
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, ProjectStatus, time_text

API_VERSION = "1.4"

Meta = TypedDict("Meta", {"api-version": str, "_last-serial": int})
FileEntry = TypedDict(
    "FileEntry",
    {
        "filename": str,
        "url": str,
        "hashes": dict[str, str],
        "requires-python": str,
        "core-metadata": dict[str, str] | bool,
        "yanked": str | bool,
        "size": int,
        "upload-time": str,
        "provenance": str,
    },
    total=False,
)
ProjectPage = TypedDict(
    "ProjectPage",
    {"meta": Meta, "name": str, "project-status": dict[str, str], "versions": list[str], "files": list[FileEntry]},
)

# What needs no percent-encoding: every normalised name, most file names.
_PLAIN = re.compile(r"[A-Za-z0-9._-]*", re.ASCII)
# Characters that must not stand in an HTML document, not even escaped; lone surrogates are met again when the page is encoded.
_NOT_HTML = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def render_project(
    detail: ProjectDetail, format_: PageFormat, *, base_url: str | None = None, file_url: Callable[[str], str] | None = None
) -> bytes:
    """A project's page. base_url, file_url: see `project_page`."""
    page = project_page(detail, base_url=base_url, file_url=file_url)
    return _json(page) if format_ is PageFormat.JSON_V1 else _project_html(page)


def render_list(projects: ProjectList, format_: PageFormat) -> bytes:
    """The list of projects, in the order given."""
    if format_ is PageFormat.JSON_V1:
        return _json({"meta": _meta(projects.serial), "projects": [{"name": name} for name in projects.names]})
    links = [f'<a href="{_url(name)}/">{_text(name)}</a><br>\n' for name in projects.names]
    return _html("Simple index", "", links, projects.serial)


def project_page(detail: ProjectDetail, *, base_url: str | None = None, file_url: Callable[[str], str] | None = None) -> ProjectPage:
    """A project's page as the JSON form has it.

    Files are ordered by version, then name; a quarantined project offers none, but its versions stay listed (PEP 792).
    A file's URL is relative to the page: its name, percent-encoded.
    base_url: the server's root as its clients know it, an https URL that ends with "/". Provenance must be linked
    by a full and secure URL (PEP 740), so without one it is not. To be taken from the configuration, never from a request's Host.
    file_url: makes the URL of a file, percent-encoded, from its name, where the files do not lie beside the page.
    """
    by_version = in_order(detail.files)
    offered = [record for files in by_version.values() for record in files] if detail.status.offers_files else []
    return {
        "meta": _meta(detail.serial),
        "name": detail.name,
        "project-status": _status(detail.status),
        "versions": list(by_version),
        "files": [_file(record, detail, base_url, file_url or _url) for record in offered],
    }


def _meta(serial: int) -> Meta:
    return {"api-version": API_VERSION, "_last-serial": serial}


def _status(status: ProjectStatus) -> dict[str, str]:
    return {"status": status.status, "reason": status.reason} if status.reason else {"status": status.status}


def _file(record: DistributionRecord, detail: ProjectDetail, base_url: str | None, file_url: Callable[[str], str]) -> FileEntry:
    entry: FileEntry = {
        "filename": record.filename,
        "url": file_url(record.filename),
        "hashes": {"sha256": record.sha256},
        # Not also under its older name, "dist-info-metadata": some releases of pip since 22.3 fail on a dictionary there (PEP 714).
        "core-metadata": {"sha256": record.metadata.sha256} if record.metadata else False,
        "yanked": False if record.yanked is None else record.yanked or True,
        "size": record.size,
        "upload-time": time_text(record.upload_time),
    }
    if record.requires_python:
        entry["requires-python"] = record.requires_python
    if record.provenance and base_url and base_url.startswith("https://"):
        entry["provenance"] = f"{base_url}integrity/{_url(detail.name)}/{_url(record.version)}/{_url(record.filename)}/provenance"
    return entry


# --- HTML ---------------------------------------------------------------------------------------------------------


def _project_html(page: ProjectPage) -> bytes:
    status = page["project-status"]
    metas = f'<meta name="pypi:project-status" content="{_text(status["status"])}">\n'
    if "reason" in status:
        metas += f'<meta name="pypi:project-status-reason" content="{_text(status["reason"])}">\n'
    return _html(f"Links for {page['name']}", metas, [_link(entry) for entry in page["files"]], page["meta"]["_last-serial"])


def _link(entry: FileEntry) -> str:
    attributes = f'href="{_text(entry["url"])}#sha256={_text(entry["hashes"]["sha256"])}"'
    if "requires-python" in entry:
        attributes += f' data-requires-python="{_text(entry["requires-python"])}"'
    metadata = entry["core-metadata"]
    if isinstance(metadata, dict):
        digest = _text(metadata["sha256"])
        # The second is the older name, which is all that some clients know (PEP 714).
        attributes += f' data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
    yanked = entry["yanked"]
    if yanked is not False:
        attributes += f' data-yanked="{"" if yanked is True else _text(yanked)}"'
    if "provenance" in entry:
        attributes += f' data-provenance="{_text(entry["provenance"])}"'
    # In no standard; uv reads it for --exclude-newer.
    attributes += f' data-upload-time="{entry["upload-time"]}"'
    return f"<a {attributes}>{_text(entry['filename'])}</a><br>\n"


def _html(title: str, metas: str, links: list[str], serial: int) -> bytes:
    # The serial stands where mirrors look for it on the public index.
    head = f'<meta charset="utf-8">\n<meta name="pypi:repository-version" content="{API_VERSION}">\n{metas}<title>{_text(title)}</title>'
    return _encode(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n<h1>{_text(title)}</h1>\n'
        f"{''.join(links)}</body>\n</html>\n<!--SERIAL {serial}-->\n"
    )


def _text(text: str) -> str:
    """Text for an element or a quoted attribute."""
    return escape(text if text.isprintable() else _NOT_HTML.sub("\ufffd", text))


# --- shared -------------------------------------------------------------------------------------------------------


def _url(name: str) -> str:
    """A name as one step of a relative URL: nothing in it is a separator, a scheme, a query or a quotation mark."""
    return name if _PLAIN.fullmatch(name) else quote(name, safe="", errors="replace")


def _json(page: object) -> bytes:
    return _encode(json.dumps(page, ensure_ascii=False, separators=(",", ":")))


def _encode(page: str) -> bytes:
    return page.encode("utf-8", errors="replace")  # a lone surrogate, which no client could read, becomes "?"
