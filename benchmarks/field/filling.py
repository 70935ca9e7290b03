"""A corpus as each server wants it. Filled once and kept; a run works on a copy, whose bodies are hard links."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from benchmarks.field.corpora import LARGE, REQUIRES_PYTHON, SUMMARY, Corpus, File
from benchmarks.field.tools import PASSWORD, READER, WRITER, Tools
from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_list, render_project
from pywharf.backend.interface import Change, Cursor, FileRef, StagedFile
from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, to_json
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig, replace

CONFIG = f'[local]\ntype = "file_system"\nread_secret = "{READER}"\nwrite_secret = "{WRITER}"\n'
BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)  # the first upload; one a minute since
INDEX = "root/field"  # devpi's


def filled(name: str, folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder of that name, filled unless it is there already."""
    target, unfinished = folder / name, folder / f"{name}.unfinished"
    if not target.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        fill(unfinished)
        unfinished.rename(target)
    return target


def work_copy(source: Path, target: Path) -> Path:
    """A copy to be written to: what servers never change after it is written is linked. The target may be there."""
    shutil.copytree(source, target, copy_function=_linked_or_copied, symlinks=True, dirs_exist_ok=True)
    return target


def _linked_or_copied(source: str, target: str) -> None:
    if source.endswith((".whl", ".metadata", "index.html")) or "/objects/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


# --- pywharf, and the static site -------------------------------------------------------------------------------------


def fill_pywharf(corpus: Corpus, root: Path) -> None:
    """Commit a project at a time through the backend, and let the local index follow, as a server does at its first start."""
    with _opened(root) as repository, without_fsync():
        cursor: Cursor | None = None
        minutes = itertools.count()
        for project, files in itertools.groupby(corpus.files(), lambda file: file.project):
            changes = repository.backend.read_changes(cursor)
            for _ in changes.entries:
                pass
            cursor = changes.cursor
            documents: dict[str, bytes] = {}
            staged: list[StagedFile] = []
            for file in files:
                key, record = _record(file, next(minutes))
                documents[key] = to_json(record)
                side = record.metadata
                assert side is not None
                staged.append(StagedFile(FileRef(file.project, file.filename, record.sha256, file.size), corpus.path(file)))
                staged.append(StagedFile(FileRef(file.project, side.name, side.sha256, side.size), corpus.metadata_path(file)))
            repository.backend.commit(Change(project, documents, staged, message=f"Publish {project}"), cursor)
        repository.sync()


def bring_up_catalogue(root: Path) -> None:
    """Have the catalogue of a filled ROOT show all of it, as where people have searched before. The second time there is nothing to do."""
    with _opened(root) as repository:
        repository.sync()
        while repository.catalogue.is_behind():
            time.sleep(0.1)


def fill_site(corpus: Corpus, root: Path, site: Path) -> None:
    """The pages that pywharf serves from the filled ROOT, as files, with the wheels beside them."""
    with _opened(root) as repository:
        repository.sync()
        projects = repository.projects()
        (site / "simple").mkdir()
        (site / "simple" / "index.html").write_bytes(render_list(projects, PageFormat.HTML))
        for name in projects.names:
            detail = repository.project(name)
            assert detail is not None
            (site / "simple" / name).mkdir()
            (site / "simple" / name / "index.html").write_bytes(render_project(detail, PageFormat.HTML))
    for file in corpus.files():
        for path in (corpus.path(file), corpus.metadata_path(file)):
            os.link(path, site / "simple" / file.project / path.name)


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[Repository]:
    layout = Layout(root)
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    with contextlib.closing(Repository(parse(CONFIG, "")["local"], layout, ServerSettings())) as repository:
        yield repository


@contextlib.contextmanager
def without_fsync() -> Iterator[None]:
    """Nothing needs to survive a power cut while a corpus is made: it would be made again."""
    fsync = os.fsync
    os.fsync = lambda fd: None
    try:
        yield
    finally:
        os.fsync = fsync


def _record(file: File, minute: int) -> tuple[str, DistributionRecord]:
    name = parse_filename(file.filename)
    record = DistributionRecord(
        file.filename, name.kind, name.project, str(name.version), Sha256(file.sha256), file.size, BEGAN + timedelta(minutes=minute),
        requires_python=REQUIRES_PYTHON, summary=SUMMARY,
        metadata=SideFile(f"{file.filename}.metadata", Sha256(file.metadata_sha256), file.metadata_size),
    )  # fmt: skip
    return name.key, record


# --- the others -------------------------------------------------------------------------------------------------------


def fill_flat(corpus: Corpus, folder: Path) -> None:
    """All wheels in one folder, for pypiserver."""
    for file in corpus.files():
        os.link(corpus.path(file), folder / file.filename)


def fill_folders(corpus: Corpus, folder: Path) -> None:
    """A folder for each project, for simple-repository-server."""
    for file in corpus.files():
        (folder / file.project).mkdir(exist_ok=True)
        os.link(corpus.path(file), folder / file.project / file.filename)


def fill_devpi(corpus: Corpus, tools: Tools, folder: Path) -> None:
    """Through devpi-import, from what devpi-export would have written of such an index."""
    projects: dict[str, dict[str, dict[str, str]]] = {}
    files = []
    for file in corpus.files():
        described = {"name": file.project, "version": file.version, "summary": SUMMARY, "requires_python": REQUIRES_PYTHON}
        projects.setdefault(file.project, {})[file.version] = {**described, "metadata_version": "2.1"}
        mapping = {"hashes": {"sha256": file.sha256}, "last_modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        path = f"files/{file.project}/{file.filename}"
        files.append(
            {
                "type": "releasefile",
                "projectname": file.project,
                "version": file.version,
                "relpath": path,
                "entrymapping": mapping,
                "log": [],
            }
        )
    config = {"type": "stage", "bases": [], "volatile": True, "acl_upload": ["root"]}
    export = {"dumpversion": "2", "users": {}, "indexes": {INDEX: {"indexconfig": config, "projects": projects, "files": files}}}
    exported = folder.parent / "devpi-export"
    shutil.rmtree(exported, ignore_errors=True)
    exported.mkdir()
    (exported / "files").symlink_to(corpus.folder.absolute() / "files")
    (exported / "dataindex.json").write_text(json.dumps(export))
    words = ["--serverdir", str(folder), "--no-root-pypi", "--root-passwd", PASSWORD]
    with (folder.parent / "devpi-import.log").open("wb") as log:
        subprocess.run([tools.peer("devpi-server", "devpi-import"), *words, str(exported)], check=True, stdout=log, stderr=log)
    shutil.rmtree(exported)


def examples(corpus: Corpus, count: int) -> list[File]:
    """The first file of so many ordinary projects, spread over all of them."""
    names = [project.name for project in corpus.ordinary]
    chosen = set(names[:: max(1, len(names) // count)][:count])
    firsts = (next(files) for name, files in itertools.groupby(corpus.files(), lambda file: file.project) if name in chosen)
    return list(firsts)


def large_file(corpus: Corpus) -> File | None:
    """The large wheel, where the corpus has it."""
    last: File | None = None
    for last in corpus.files():  # noqa: B007 - the last one is meant
        pass
    return last if last is not None and last.project == LARGE else None
