"""Why each file of a release is, or is not, offered to installers."""

from __future__ import annotations

from pywharf.api.offering import Explained, explain_absence, explain_file, explain_project
from pywharf.api.releases import choose_release, parse_version, releases_of
from pywharf.errors import InvalidName
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Tombstone
from pywharf.repository.pictures import ProjectPicture
from pywharf.web.callers import Caller
from pywharf.web.pages.lookup import Missing
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect
from pywharf.web.simple import known_project_name
from pywharf.web.templating import page, path_of


class WhyPage:
    """`GET /projects/<project>/<version>/why/`."""

    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def __call__(self, request: Request, caller: Caller, project: str, version: str) -> Response:
        """A release whose files were all deleted has this page too."""
        name = known_project_name(project)
        picture = caller.repository.catalogue.picture(name) if caller.repository.project_revision(name) is not None else None
        if picture is None:
            return self._missing.project(request, caller, name)
        parsed = parse_version(version)
        spelling = version if parsed is None else str(parsed)
        releases = releases_of(document for document in picture.documents.values() if isinstance(document, DistributionRecord))
        release, newest = choose_release(releases, version), choose_release(releases, None)
        files = [explain_file(record, release, newest, picture.status) for record in release.files] if release else []
        files += _absences(picture, spelling)
        if not files:
            return self._missing.release(request, caller, name, version)
        target = f"projects/{name}/{release.spelling if release else spelling}/why/"
        if request.path != f"/{target}":
            return redirect(request, path_of(target))
        return page(
            request,
            "why.tpl",
            title=f"Why {name} {spelling} is offered, or not",
            caller=caller,
            project=name,
            version=release.spelling if release else spelling,
            has_page=release is not None,
            general=explain_project(picture.status, has_files=bool(releases)),
            files=sorted(files, key=lambda one: one.filename),
        )


def _absences(picture: ProjectPicture, spelling: str) -> list[Explained]:
    """The files of a release that are no more."""
    wanted = parse_version(spelling)
    found = []
    for key, document in picture.documents.items():
        if document is not None and not isinstance(document, Tombstone):
            continue
        filename = document.filename if document else str(key)  # a key is a file's name in its one spelling
        try:
            name = parse_filename(filename)
        except InvalidName:
            continue
        if name.version == wanted:
            found.append(explain_absence(filename, document))
    return found
