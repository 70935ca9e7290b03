"""The Simple API of a repository as a folder of files, for any host that serves files: no server of ours is needed to install.

    FOLDER/.pywharf-site                          whose folder this is
    FOLDER/simple/index.html, index.json          the list of projects
    FOLDER/simple/<project>/index.html, index.json    a project's page
    FOLDER/simple/<project>/<file>, <file>.metadata   the files themselves, unless the pages link to them elsewhere

The HTML pages are what installers are sent; a static host does not negotiate, so the JSON form of each lies beside it, for other
tools. Everything below `simple/` belongs to the site; what else lies in FOLDER is nobody's business here. At any moment of a run a
page names only files that are there. docs/reference/static-site.md tells it to people.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_list, render_project
from pywharf.backend.interface import BackendPlugin, FileRef
from pywharf.backend.settings import BackendConfig, BackendSecret
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.errors import FileMissing, WharfError
from pywharf.files import try_lock
from pywharf.layout import Layout
from pywharf.logs import remember_secret
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.model.record import DistributionRecord, SideFile
from pywharf.repository.repository import Repository
from pywharf.repository.site_folder import SiteFolder

PAGES = "simple"  # the folder below which everything is the site's
MARKER = ".pywharf-site"
LAYOUT = 1
FORMATS = {"index.html": PageFormat.HTML, "index.json": PageFormat.JSON_V1}
WORKERS = 4  # projects at a time: a remote storage is slow to answer and quick to send

FileUrl = Callable[[ProjectName, str], str]  # the URL of a file, percent-encoded, from its project and name

log = logging.getLogger(__name__)


class SiteUnusable(WharfError):
    """The folder for a static site cannot be used: it holds something else, or another run is writing to it."""


@dataclass(frozen=True)
class SiteReport:
    """What one run found and did."""

    projects: int  # with a page
    files: int  # distribution files on the pages
    size: int  # bytes of all that lies below simple/
    written: int  # files that were not there, or differed
    removed: int  # files that no longer belong to the site
    missing: tuple[str, ...]  # names of files that the storage does not hold as the index knows them; no page lists them


@contextlib.contextmanager
def opened(name: str, plugin: BackendPlugin, config: BackendConfig, secret: BackendSecret | None) -> Iterator[Repository]:
    """A repository opened for this run alone, in a temporary place, and in step with its storage.

    For a plugin's command, which knows no server. Raises AccessDenied, BackendUnavailable, IndexNotReady.
    """
    if secret is not None:
        remember_secret(secret.reveal())
    with tempfile.TemporaryDirectory(prefix="pywharf-") as root:
        layout = Layout(Path(root))
        layout.prepare()
        with contextlib.closing(Repository(RepositorySettings(name, plugin, config, secret), layout, ServerSettings())) as repository:
            repository.check_admin_access()
            repository.sync()
            yield repository


def write_site(
    repository: Repository,
    folder: Path,
    *,
    file_url: FileUrl | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> SiteReport:
    """Write the repository, as its local index has it, into the folder; what is there already is left untouched.

    file_url: where the files are, with core metadata under the same URL and ".metadata"; None copies them beside the pages.
    on_progress: called with the number of projects that are finished, and of all. Raises SiteUnusable, BackendUnavailable,
    IndexNotReady, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()  # the folder itself may be a symbolic link; nothing in it may
    with _alone(folder):
        _claim(folder, repository.name)
        pages = SiteFolder(folder / PAGES)
        projects = repository.projects()
        done: list[_Written] = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for written in pool.map(lambda project: _write_project(repository, pages.path, project, file_url), projects.names):
                done.append(written)
                on_progress(len(done), len(projects.names))
        for name, format_ in FORMATS.items():
            pages.keep_page(name, render_list(projects, format_))
        pages.remove_but({*FORMATS, *projects.names})
        pages.count(one.folder for one in done)
    missing = tuple(name for one in done for name in one.missing)
    files = sum(one.files for one in done)
    report = SiteReport(len(projects.names), files, pages.size, pages.written, pages.removed, missing)
    log.info("static site written: repository=%s projects=%d written=%d removed=%d missing=%d",
             repository.name, report.projects, report.written, report.removed, len(missing))  # fmt: skip
    return report


@dataclass(frozen=True)
class _Written:
    """One project's part of a run."""

    folder: SiteFolder
    files: int
    missing: tuple[str, ...]


def _write_project(repository: Repository, pages: Path, project: ProjectName, file_url: FileUrl | None) -> _Written:
    folder = SiteFolder(pages / project)
    detail = repository.project(project)
    if detail is None:  # removed since the list was read; the next run removes its folder
        return _Written(folder, 0, ())
    copied: set[str] = set()
    missing: list[str] = []
    if file_url is None:
        detail, copied, missing = _copy_files(repository, folder, detail)
    for name, format_ in FORMATS.items():
        url = None if file_url is None else (lambda filename: file_url(project, filename))
        folder.keep_page(name, render_project(detail, format_, file_url=url))
    folder.remove_but({*FORMATS, *copied})
    return _Written(folder, len(detail.offered_files), tuple(missing))


def _copy_files(repository: Repository, folder: SiteFolder, detail: ProjectDetail) -> tuple[ProjectDetail, set[str], list[str]]:
    """Copy what the project's page links to. Returns what the page can list, the names of the copies, and those that are missing."""
    listed: list[DistributionRecord] = []
    copied: set[str] = set()
    missing: list[str] = []
    for record in detail.offered_files:
        own = SideFile(record.filename, record.sha256, record.size)
        absent = [file.name for file in (own, record.metadata) if file is not None and not _copy(repository, folder, detail.name, file)]
        missing += absent
        if record.filename in absent:
            continue
        metadata = record.metadata if record.metadata and record.metadata.name not in absent else None
        listed.append(replace(record, metadata=metadata))
        copied |= {record.filename, *([metadata.name] if metadata else [])}
    return (replace(detail, files=tuple(listed)) if detail.status.offers_files else detail), copied, missing


def _copy(repository: Repository, folder: SiteFolder, project: ProjectName, file: SideFile) -> bool:
    """See to it that the folder holds the file. False where the storage does not hold it as the index knows it."""
    if folder.holds(file.name, file.sha256, file.size):
        return True
    try:
        with repository.open_file(FileRef(project, file.name, file.sha256, file.size)) as body:
            if folder.copy(file.name, file.sha256, body):
                return True
        reason = "its content differs from what the index knows"
    except FileMissing:
        reason = "the storage does not hold it"
    log.warning("file left out of the site: repository=%s file=%s reason=%s", repository.name, file.name, reason)
    return False


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against another run; by a lock on the folder itself, so that no file of ours is published with it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not try_lock(descriptor):
            raise SiteUnusable(f"{folder}: another run is writing to this folder; wait for its end")
        yield
    finally:
        os.close(descriptor)


def _claim(folder: Path, repository: str) -> None:
    """See to it that what lies below simple/ is this repository's site, and may be removed where it no longer belongs to it."""
    marker = folder / MARKER
    ours = json.dumps({"layout": LAYOUT, "repository": repository}) + "\n"
    try:
        found = marker.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if os.path.lexists(folder / PAGES):
            raise SiteUnusable(
                f"{folder / PAGES}: is there already and was not made by pywharf, which removes what does not belong to the site: "
                "remove it, or choose another folder"
            ) from None
        SiteFolder(folder).keep_page(MARKER, ours.encode())
        return
    if found != ours:
        raise SiteUnusable(
            f"{folder}: holds the site of another repository, or one arranged by another version of pywharf ({MARKER} says so): "
            "choose another folder"
        )
