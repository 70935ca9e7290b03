"""The pages of a project and of one release: what it is, how to install it, what files there are.

A project's page is that of its newest release, the one that installers would choose.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from pywharf.api.client_lines import SECRET, PageLines
from pywharf.api.core_metadata import CoreMetadata, CoreMetadataInvalid, parse_core_metadata
from pywharf.api.metadata_facts import MOST_DEPENDENCIES, Dependency, dependencies_of, facts_of, keywords_of, links_of
from pywharf.api.releases import Release, choose_release, releases_of
from pywharf.backend.interface import Access, FileRef
from pywharf.errors import BackendUnavailable, FileMissing, IndexNotReady
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.web.callers import Caller
from pywharf.web.files import read_whole
from pywharf.web.own_address import own_address
from pywharf.web.pages.lookup import Missing, find_project
from pywharf.web.pages.readme_headings import below_the_page
from pywharf.web.pages.release_view import MOST_ROWS, file_rows, release_rows, yank_reasons
from pywharf.web.pages.wording import count_words
from pywharf.web.readme import Readmes
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect
from pywharf.web.simple import known_project_name
from pywharf.web.templating import page, path_of

MOST_METADATA = 4 * 1024 * 1024  # bytes that a page reads; a longer one is not shown
MOST_REQUIRED_BY = 50
MOST_CLASSIFIERS = 200


@dataclass(frozen=True)
class Described:
    """A release's core metadata, as far as they can be had."""

    metadata: CoreMetadata | None
    problem: str = ""  # why not, in a sentence


class ReleasePages:
    """`GET /projects/<project>/` and `GET /projects/<project>/<version>/`."""

    def __init__(self, readmes: Readmes, missing: Missing, public_url: str) -> None:
        """public_url: where people reach this server; "" where that is not configured."""
        self._readmes = readmes
        self._missing = missing
        self._public_url = public_url

    def project(self, request: Request, caller: Caller, project: str) -> Response:
        """A project, shown by its newest release."""
        name = known_project_name(project)
        if request.raw_path != f"/projects/{name}/":
            return redirect(request, f"projects/{name}/")
        detail = find_project(caller, name)
        if detail is None:
            return self._missing.project(request, caller, name)
        releases = releases_of(detail.files)
        return self._show(request, caller, detail, releases, choose_release(releases, None), is_release=False)

    def release(self, request: Request, caller: Caller, project: str, version: str) -> Response:
        """One release."""
        name = known_project_name(project)
        detail = find_project(caller, name)
        if detail is None:
            return self._missing.project(request, caller, name)
        releases = releases_of(detail.files)
        release = choose_release(releases, version)
        if release is None:
            return self._missing.release(request, caller, name, version)
        target = f"projects/{name}/{release.spelling}/"
        if request.path != f"/{target}":
            return redirect(request, path_of(target))
        return self._show(request, caller, detail, releases, release, is_release=True)

    def _show(
        self, request: Request, caller: Caller, detail: ProjectDetail, releases: list[Release], release: Release | None, *, is_release: bool
    ) -> Response:
        everything = request.query_value("all") == "1"
        most = len(detail.files) if everything else MOST_ROWS
        offered = release if release is not None and detail.status.offers_files else None
        described = _describe(caller, detail.name, offered)
        record = release.described_file if release else None
        spelled = record.name if record else detail.name
        rows = file_rows(detail.name, offered.files) if offered else []
        history = release_rows(releases)
        dependencies = self._dependencies(caller, described.metadata)
        required_by = _required_by(caller, detail.name)
        newest = choose_release(releases, None)
        return page(
            request,
            "release.tpl",
            title=f"{spelled} {release.spelling}" if release and is_release else spelled,
            caller=caller,
            feed=None if detail.name == "latest" else (f"feeds/{detail.name}.atom", f"Releases of {spelled}"),
            project=detail.name,
            spelled=spelled,
            release=release,
            summary=record.summary if record and offered else "",
            is_release=is_release,
            project_status=detail.status,
            newer=_newer(release, newest),
            reasons=yank_reasons(release) if release else "",
            lines=self._install_lines(request, caller, detail.name, release, newest) if offered else [],
            secret=SECRET,
            readme=self._readme(described.metadata),
            problem=described.problem,
            facts=facts_of(described.metadata) if described.metadata else (),
            requires_python=record.requires_python or "" if record and offered else "",
            keywords=keywords_of(record.keywords) if record and offered else (),
            links=links_of(described.metadata) if described.metadata else (),
            classifiers=described.metadata.classifiers[:MOST_CLASSIFIERS] if described.metadata else (),
            dependencies=dependencies,
            required_by=required_by[:MOST_REQUIRED_BY],
            more_require_it=len(required_by) > MOST_REQUIRED_BY,
            files=rows[:most],
            file_count=count_words(len(rows), "file"),
            more_files=len(rows) > most,
            history=history[:most],
            release_count=count_words(len(history), "release"),
            more_history=len(history) > most,
            may_manage=caller.session is not None and caller.access >= Access.WRITE,
        )

    def _install_lines(
        self, request: Request, caller: Caller, name: ProjectName, release: Release | None, newest: Release | None
    ) -> list[tuple[str, str]]:
        """For the release that installers choose by themselves its version is not said."""
        if release is None or release.version is None:
            return []
        plain = release is newest and release.final and not release.yanked
        lines = PageLines(own_address(request, self._public_url), caller.repository.name)
        return lines.install(name if plain else f"{name}=={release.spelling}")

    def _readme(self, metadata: CoreMetadata | None) -> str:
        if metadata is None:
            return ""
        return below_the_page(self._readmes.html(metadata.description, metadata.description_content_type))

    def _dependencies(self, caller: Caller, metadata: CoreMetadata | None) -> list[tuple[Dependency, bool]]:
        """Each with whether it lives here."""
        if metadata is None:
            return []
        found = dependencies_of(metadata.requires_dist[:MOST_DEPENDENCIES])
        known: frozenset[str] = frozenset()
        with contextlib.suppress(IndexNotReady):  # the page is whole without these links
            known = caller.repository.catalogue.known(tuple({one.project for one in found if one.project}))
        return [(one, one.project in known) for one in found]


def _describe(caller: Caller, name: ProjectName, release: Release | None) -> Described:
    """What the core metadata of a release's file say."""
    side = release.described_file.metadata if release else None
    if side is None:
        return Described(None, "This release has no core metadata here, so there is no description." if release else "")
    try:
        raw = read_whole(caller, FileRef(name, side.name, side.sha256, side.size), MOST_METADATA)
        if raw is None:
            return Described(None, "The core metadata of this release are too long to be shown.")
        return Described(parse_core_metadata(raw))
    except FileMissing:
        return Described(None, "The core metadata of this release are missing from the storage.")
    except BackendUnavailable:
        return Described(None, "The storage cannot be asked for the description now; try again in a while.")
    except CoreMetadataInvalid:  # taken by an older version
        return Described(None, "The core metadata of this release cannot be read.")


def _required_by(caller: Caller, name: ProjectName) -> tuple[ProjectName, ...]:
    with contextlib.suppress(IndexNotReady):
        return caller.repository.catalogue.required_by(name, MOST_REQUIRED_BY + 1)
    return ()


def _newer(release: Release | None, newest: Release | None) -> str:
    """The version that installers would rather choose, "" where there is none."""
    if release is None or newest is None or release.version is None or newest.version is None:
        return ""
    return newest.spelling if newest.version > release.version else ""
