"""The files of one record, read to their last byte and compared with it; and put back where their bytes can still be had."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pywharf.api.core_metadata import CoreMetadataInvalid, parse_core_metadata
from pywharf.api.file_digests import FileDigests
from pywharf.backend.interface import Entry, FileRef, StagedFile
from pywharf.errors import BackendUnavailable, FileMissing, InvalidName, UploadRejected, WharfError
from pywharf.model.names import DistributionName, parse_filename
from pywharf.model.record import DistributionRecord
from pywharf.repository.archives.metadata_file import read_core_metadata
from pywharf.repository.bodies import bodies_of
from pywharf.repository.body_check import what_is_wrong
from pywharf.repository.findings import Finding
from pywharf.repository.repository import Repository

PIECE = 1 << 20  # bytes read at a time

_UPLOAD_AGAIN = "upload the same file once more, which puts it back, or restore the storage from a backup"
_RUN_REPAIR = "run this with --repair"


@dataclass(frozen=True)
class Checked:
    """What came of one record."""

    entry: Entry
    findings: tuple[Finding, ...]
    size: int  # bytes that were to be read


class StoredFiles:
    """Checks the files of one repository's records. Shared between threads."""

    def __init__(self, repository: Repository, *, repair: bool) -> None:
        self._repository = repository
        self._backend = repository.backend
        self._repair = repair

    def check(self, entry: Entry, record: DistributionRecord) -> Checked:
        """Everything that is wrong with one record and its files. Raises BackendUnavailable where the storage itself cannot be asked."""
        findings: list[Finding] = []
        name: DistributionName | None = None
        try:
            name = parse_filename(record.filename)
            reason = "" if (name.project, name.key) == (entry.project, entry.key) else "it is kept under the name of another file"
        except InvalidName as error:
            reason = error.reason
        if reason:
            findings.append(Finding("record", record.filename, reason, "restore the storage from a backup"))
        lost: list[tuple[FileRef, str]] = []
        bodies = list(bodies_of(entry.project, record))
        digests = FileDigests()  # of the distribution file
        for file in bodies:
            wrong = what_is_wrong(self._backend, file, digests if file is bodies[0] else None)
            if wrong and self._repair and self._backend.drop_copy(file) and not what_is_wrong(self._backend, file):
                findings.append(Finding("file", file.name, f"of the copy on this server: {wrong}", "nothing", mended=True))
            elif wrong:
                lost.append((file, wrong))
        restored = self._restore(name, record, [file for file, _ in lost], bodies) if lost and name and self._repair else ()
        for file, wrong in lost:
            remedy = "nothing" if file in restored else self._remedy(file, record, lost)
            findings.append(Finding("file", file.name, wrong, remedy, mended=file in restored))
        if name and not findings and all(file != bodies[0] for file, _ in lost):
            differences = self._look_inside(name, record, bodies[0], digests)
            findings += (Finding("record", record.filename, what, "restore the storage from a backup") for what in differences)
        return Checked(entry, tuple(findings), sum(file.size for file in bodies))

    def _remedy(self, file: FileRef, record: DistributionRecord, lost: list[tuple[FileRef, str]]) -> str:
        derived = (
            record.metadata is not None and file.name == record.metadata.name and all(other.name != record.filename for other, _ in lost)
        )
        if not self._repair and derived:
            return f"{_RUN_REPAIR}, which takes it from the file again"
        return _UPLOAD_AGAIN if self._repair else f"{_RUN_REPAIR}, which looks for another copy; else {_UPLOAD_AGAIN}"

    # --- what the archive says --------------------------------------------------------------------------------------

    def _look_inside(self, name: DistributionName, record: DistributionRecord, file: FileRef, digests: FileDigests) -> Iterator[str]:
        """Where the record says otherwise than the file, whose bytes are right."""
        for algorithm, found in (("md5", digests.md5), ("blake2b_256", digests.blake2b_256)):
            if record.digests.get(algorithm, found) != found:
                yield f"the record has another {algorithm} than the file"
        try:
            with self._opened(file) as path:
                raw = read_core_metadata(path, name, self._repository.config.admission)
            metadata = parse_core_metadata(raw)
        except (UploadRejected, CoreMetadataInvalid):
            return  # it was taken by earlier rules; its bytes are those that were taken
        if record.metadata is not None and record.metadata.sha256 != hashlib.sha256(raw).hexdigest():
            yield "the core metadata that are served for it are not those inside it"
        for field in ("name", "version", "requires_python"):
            if getattr(record, field) != getattr(metadata, field):
                yield f"the record has another {field} than the file"

    @contextlib.contextmanager
    def _opened(self, file: FileRef) -> Iterator[Path]:
        """A body as a path, without a copy where that can be had."""
        with self._backend.open_file(file) as body:
            try:
                path = Path(f"/proc/self/fd/{body.stream.fileno()}")
            except OSError:
                path = None
            if path is not None and path.exists():
                yield path
                return
            with self._repository.receiving() as incoming:
                while piece := body.read(PIECE):
                    incoming.write(piece)
                yield incoming.path

    # --- putting back -----------------------------------------------------------------------------------------------

    def _restore(
        self, name: DistributionName, record: DistributionRecord, lost: list[FileRef], bodies: list[FileRef]
    ) -> tuple[FileRef, ...]:
        """Put back those that can be had: from what lies under the file's name, or core metadata from the file. Returns which."""
        with contextlib.ExitStack() as stack:
            staged: list[StagedFile] = []
            for file in lost:
                found = self._copy_by_name(stack, file) or self._metadata_again(stack, name, record, file, bodies[0], lost)
                if found is not None:
                    staged.append(found)
            try:
                if staged and self._repository.uploads.restore(name, record, staged):
                    return tuple(one.ref for one in staged if not what_is_wrong(self._backend, one.ref))
            except WharfError:  # it stays a finding
                pass
        return ()

    def _copy_by_name(self, stack: contextlib.ExitStack, file: FileRef) -> StagedFile | None:
        """The body as it lies there for people, where those are its bytes."""
        by_name = replace(file, sha256="", size=0)
        with contextlib.suppress(FileMissing, BackendUnavailable, OSError), self._backend.open_file(by_name) as body:
            return self._staged(stack, file, iter(lambda: body.read(PIECE), b""))
        return None

    def _metadata_again(
        self,
        stack: contextlib.ExitStack,
        name: DistributionName,
        record: DistributionRecord,
        file: FileRef,
        whole: FileRef,
        lost: list[FileRef],
    ) -> StagedFile | None:
        if record.metadata is None or file.name != record.metadata.name or whole in lost:
            return None
        with contextlib.suppress(UploadRejected), self._opened(whole) as path:
            return self._staged(stack, file, iter([read_core_metadata(path, name, self._repository.config.admission)]))
        return None

    def _staged(self, stack: contextlib.ExitStack, file: FileRef, pieces: Iterator[bytes]) -> StagedFile | None:
        """The pieces as a body on its way in, kept until the stack ends; None where they are not that body."""
        incoming = stack.enter_context(self._repository.receiving())
        for piece in pieces:
            incoming.write(piece)
        staged = incoming.staged(file.project, file.name)
        return staged if staged.ref == file else None
