"""What files are imported from: a folder of distribution files, or any index with the Simple Repository API."""

from __future__ import annotations

import contextlib
import email.utils
import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from pywharf.api.simple_reading import ACCEPT, OfferedFile, OfferedProject, read_list, read_project, shown
from pywharf.errors import InvalidName, SourceUnusable
from pywharf.model.names import ProjectName, normalize_project, parse_filename
from pywharf.repository.source_client import AccessRefused, NotThere, SourceClient

MAX_PAGE_BYTES = 64 * 1024**2
MAX_LIST_BYTES = 256 * 1024**2
PIECE = 1 << 18  # bytes

# Names that somebody may have meant to be imported; whatever else lies in a folder is passed over without a word.
_DISTRIBUTIONS = (".whl", ".tar.gz", ".zip", ".egg", ".exe", ".tgz", ".tar.bz2", ".tar.xz", ".tar.z", ".msi", ".rpm", ".dmg", ".deb")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Offered:
    """A project as a source has it."""

    project: ProjectName
    page: OfferedProject = field(default_factory=lambda: OfferedProject(()))
    problem: str = ""  # why it could not be read, one clause


class ImportSource(Protocol):
    """Somewhere files come from. `names` first; the rest by several threads."""

    needs_hashes: bool  # whether its files are believed only with a digest that it gives

    def names(self) -> Iterator[ProjectName]:
        """The projects that are wanted and there. Raises SourceUnusable."""

    def strays(self) -> Sequence[tuple[str, str]]:
        """What was met by names() and cannot belong to a project, each with the reason."""

    def read(self, project: ProjectName) -> Offered:
        """Raises SourceUnusable where going on is of no use."""

    def receive(self, file: OfferedFile, write: Callable[[bytes], object], max_bytes: int) -> datetime | None:
        """Hand a file's bytes to `write`. Returns when the source says that it was last written. Raises SourceUnusable, OSError."""

    def close(self) -> None: ...


class FolderSource:
    """Files in a folder and below it, as those who copied them there left them."""

    needs_hashes = False  # what lies on this disk is what was meant

    def __init__(self, folder: Path, patterns: Sequence[str]) -> None:
        self._folder = folder
        self._patterns = patterns
        self._files: dict[ProjectName, list[OfferedFile]] = {}
        self._strays: list[tuple[str, str]] = []

    def names(self) -> Iterator[ProjectName]:
        for folder, below, files in os.walk(self._folder, onerror=self._refuse):
            below[:] = sorted(one for one in below if not one.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and name.lower().endswith(_DISTRIBUTIONS):
                    self._sort_in(Path(folder) / name)
        yield from sorted(self._files)

    def strays(self) -> Sequence[tuple[str, str]]:
        return self._strays

    def read(self, project: ProjectName) -> Offered:
        return Offered(project, OfferedProject(tuple(self._files[project])))

    def receive(self, file: OfferedFile, write: Callable[[bytes], object], max_bytes: int) -> datetime | None:
        with open(os.open(file.url, _READ), "rb") as body:
            size = 0
            while piece := body.read(PIECE):
                size += len(piece)
                if size > max_bytes:
                    raise SourceUnusable(file.filename, f"is larger than the {max_bytes} bytes that are taken")
                write(piece)
        return None

    def close(self) -> None:
        pass

    def _sort_in(self, path: Path) -> None:
        try:
            name = parse_filename(path.name)
        except InvalidName as error:
            self._strays.append((path.name, error.reason))
            return
        if not wanted(name.project, self._patterns):
            return
        found = path.lstat()
        if not path.is_file() or path.is_symlink():
            self._strays.append((path.name, "it is a link, or no plain file"))
            return
        modified = None
        with contextlib.suppress(ValueError, OverflowError, OSError):  # some file systems keep years of five digits
            modified = datetime.fromtimestamp(found.st_mtime, timezone.utc)
        self._files.setdefault(name.project, []).append(OfferedFile(path.name, str(path), size=found.st_size, upload_time=modified))

    def _refuse(self, error: OSError) -> None:
        raise SourceUnusable(str(error.filename), f"cannot be read ({error.strerror})")


class IndexSource:
    """An index behind a URL."""

    def __init__(self, url: str, user: str, secret: str, patterns: Sequence[str], *, needs_hashes: bool, connections: int) -> None:
        """url: of the list of projects, e.g. https://index.example/simple/. Raises SourceUnusable."""
        self.needs_hashes = needs_hashes
        self._url = url if url.endswith("/") else f"{url}/"
        self._client = SourceClient(self._url, user, secret, connections=connections)
        self._patterns = patterns
        self._strays: list[tuple[str, str]] = []

    def names(self) -> Iterator[ProjectName]:
        if self._patterns and not any(set(pattern) & {"*", "?"} for pattern in self._patterns):
            yield from (ProjectName(pattern) for pattern in dict.fromkeys(self._patterns))  # no list is needed to ask for these
            return
        content_type, body, where = self._client.page(self._url, ACCEPT, MAX_LIST_BYTES)
        seen: set[ProjectName] = set()
        for spelled in read_list(content_type, body, where):
            try:
                name = normalize_project(spelled)
            except InvalidName as error:
                self._strays.append((f"project {spelled[:100]}", error.reason))
                continue
            if name not in seen and wanted(name, self._patterns):
                seen.add(name)
                yield name

    def strays(self) -> Sequence[tuple[str, str]]:
        return self._strays

    def read(self, project: ProjectName) -> Offered:
        try:
            content_type, body, where = self._client.page(f"{self._url}{project}/", ACCEPT, MAX_PAGE_BYTES)
            return Offered(project, read_project(content_type, body, where))
        except AccessRefused:
            raise
        except NotThere:
            return Offered(project, problem="the source has no such project")
        except SourceUnusable as error:
            return Offered(project, problem=str(error))

    def receive(self, file: OfferedFile, write: Callable[[bytes], object], max_bytes: int) -> datetime | None:
        modified = self._client.file(file.url, write, max_bytes)
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return email.utils.parsedate_to_datetime(modified or "").astimezone(timezone.utc)
        return None

    def close(self) -> None:
        self._client.close()

    def __str__(self) -> str:
        return shown(self._url)


def wanted(project: ProjectName, patterns: Sequence[str]) -> bool:
    """Whether a project is to be imported. patterns: normalised; none: all are."""
    return not patterns or any(fnmatch.fnmatchcase(project, pattern) for pattern in patterns)
