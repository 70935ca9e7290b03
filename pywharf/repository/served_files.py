"""Which body a file's name leads to: looked up once for each revision of its project.

An installer asks for a wheel's `.metadata` and then for the wheel, many of them for the same ones, and each look takes several questions
to the index and a record taken apart. A project's revision moves whenever anything of it may have changed, so it alone is asked for each time.
"""

from __future__ import annotations

from pywharf.backend.interface import FileRef
from pywharf.model.names import DistributionName, ProjectName
from pywharf.model.record import DistributionRecord
from pywharf.repository.local_index import LocalIndex

MOST = 4096  # files remembered; about 1 kB each


class ServedFiles:
    """One repository's. Shared between threads."""

    def __init__(self, index: LocalIndex) -> None:
        self._index = index
        self._found: dict[tuple[str, bool], tuple[int, FileRef]] = {}  # by file name, and whether its metadata is meant; with the revision

    def find(self, project: ProjectName, name: DistributionName, *, metadata: bool) -> FileRef | None:
        """The body of a file, or of the core metadata beside it; None where there is none that may be served.

        name: of this project. Raises what the index does.
        """
        revision = self._index.project_revision(project)
        if revision is None:
            return None
        key = (name.filename, metadata)
        kept = self._found.get(key)
        if kept is not None and kept[0] == revision:
            return kept[1]
        found = self._look(project, name, metadata)  # as of that revision or a later one, which is asked for again then
        if found is None:
            return None  # anybody can make up any number of such names
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[key] = (revision, found)
        return found

    def _look(self, project: ProjectName, name: DistributionName, metadata: bool) -> FileRef | None:
        picture = self._index.picture(project, name.key)
        record = picture.document
        if not isinstance(record, DistributionRecord) or record.filename != name.filename or not picture.status.offers_files:
            return None
        if not metadata:
            return FileRef(project, record.filename, record.sha256, record.size)
        side = record.metadata
        return None if side is None else FileRef(project, side.name, side.sha256, side.size)
