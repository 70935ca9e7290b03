"""Attestations of one repository's files: taken with the file or after it, kept beside it, found again.

They are kept as a provenance object, a file of its own beside the distribution file. It is never changed: with further attestations it
is another file, and the record names that one instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

from packaging.version import InvalidVersion, Version

from pywharf.api.attestations import Attestation
from pywharf.api.provenance import Bundle, ProvenanceInvalid, with_attestations
from pywharf.backend.interface import Backend, Change, FileBody, FileRef, StagedFile
from pywharf.backend.settings import AttestationRules
from pywharf.errors import BackendUnavailable, FileConflict, FileMissing, InvalidName, ProjectClosed, UploadRejected
from pywharf.model.names import DistributionName, ProjectName, parse_filename, provenance_filename
from pywharf.model.record import DistributionRecord, DocumentInvalid, Sha256, SideFile, to_json
from pywharf.repository.audit import Event, Requester
from pywharf.repository.commits import Commit, Commits, Decision
from pywharf.repository.incoming import IncomingFile
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.signatures import Signatures

Receiving = Callable[[], AbstractContextManager[IncomingFile]]


class Attesting:
    """Shared between threads."""

    def __init__(
        self,
        repository: str,
        rules: AttestationRules,
        index: LocalIndex,
        commits: Commits,
        open_file: Callable[[FileRef], FileBody],
        receiving: Receiving,
    ) -> None:
        self._repository = repository
        self._index = index
        self._commits = commits
        self._open_file = open_file
        self._receiving = receiving
        self._signatures = Signatures(repository, rules)

    def load(self) -> None:
        """Read what signatures are verified with. Raises ConfigInvalid."""
        self._signatures.load()

    def verified(self, attestations: Sequence[Attestation]) -> tuple[Bundle, ...]:
        """Those of an upload by who signed them, as far as this repository is configured to know. Raises UploadRejected."""
        return self._signatures.bundles(attestations)

    @contextmanager
    def staged(
        self, name: DistributionName, record: DistributionRecord, bundles: Sequence[Bundle]
    ) -> Iterator[tuple[DistributionRecord, list[StagedFile]]]:
        """A new file's record, and the provenance object that goes with it where there is one. Raises UploadRejected, BackendUnavailable."""
        with ExitStack() as held:
            content = _provenance(None, bundles)
            yield (record, []) if content is None else self._attested(name, record, content, held)

    def add(
        self, writer: Backend, requester: Requester, name: DistributionName, sha256: str, bundles: Sequence[Bundle]
    ) -> DistributionRecord:
        """Add attestations to a file that is here with these bytes. What is there stays; what is there already changes nothing.

        Raises UploadRejected where they would be too many, FileConflict, ProjectClosed, and what `Commits.carry_out` does.
        """
        with ExitStack() as held:

            def decide() -> Decision[DistributionRecord]:
                picture = self._index.picture(name.project, name.key)
                found = picture.document
                if not picture.status.takes_uploads:
                    raise ProjectClosed(name.project, picture.status.status)
                if not isinstance(found, DistributionRecord) or found.sha256 != sha256:
                    raise FileConflict(name.filename, "it was deleted meanwhile, and the name of a deleted file stays taken")
                content = _provenance(self._stored(name.project, found), bundles)
                if content is None:
                    return Decision(found, None)
                record, files = self._attested(name, found, content, held)
                change = Change(
                    name.project,
                    {name.key: _document(record)},
                    files,
                    drop=[] if found.provenance is None else [_body(name.project, found.provenance)],
                    message=f"Attest {found.name} {found.version}: {found.filename}",
                )
                event = Event("attest", self._repository, name.project, found.version, ((found.filename, found.sha256),))
                return Decision(record, Commit(change, picture.cursor, event))

            return self._commits.carry_out(name.project, writer, requester, decide)

    def find(self, project: ProjectName, version: str, filename: str) -> FileRef | None:
        """The provenance object of a file, as the local index has it; None also where the project is quarantined, and for another spelling."""
        try:
            name = parse_filename(filename)
            if name.project != project or Version(version) != name.version:
                return None
        except (InvalidName, InvalidVersion):
            return None
        picture = self._index.picture(project, name.key)
        record = picture.document
        if not isinstance(record, DistributionRecord) or record.filename != filename or not picture.status.offers_files:
            return None
        return None if record.provenance is None else _body(project, record.provenance)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _attested(
        self, name: DistributionName, record: DistributionRecord, content: bytes, held: ExitStack
    ) -> tuple[DistributionRecord, list[StagedFile]]:
        digest = Sha256(hashlib.sha256(content).hexdigest())
        side = SideFile(provenance_filename(name.filename, digest), digest, len(content))
        incoming = held.enter_context(self._receiving())
        incoming.write(content)
        return replace(record, provenance=side), [incoming.staged(name.project, side.name)]

    def _stored(self, project: str, record: DistributionRecord) -> bytes | None:
        """The provenance object so far. One that is gone was replaced a moment ago, which the commit will notice, or is lost."""
        side = record.provenance
        if side is None:
            return None
        try:
            with self._open_file(_body(project, side)) as body:
                content = body.read(side.size + 1)
        except FileMissing:
            return None
        if hashlib.sha256(content).hexdigest() != side.sha256:
            raise BackendUnavailable(f"{side.name} is damaged: its content differs from what the index knows", retry_after=60)
        return content


def _provenance(stored: bytes | None, bundles: Sequence[Bundle]) -> bytes | None:
    try:
        return with_attestations(stored, bundles)
    except ProvenanceInvalid as error:
        raise BackendUnavailable(f"the stored attestations cannot be read: {error}", retry_after=60) from error


def _document(record: DistributionRecord) -> bytes:
    try:
        return to_json(record)
    except DocumentInvalid as error:
        raise UploadRejected("content", f"its core metadata is too much for the index: {error}") from error


def _body(project: str, side: SideFile) -> FileRef:
    return FileRef(project, side.name, side.sha256, side.size)
