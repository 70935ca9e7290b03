"""An admitted file on its way into the storage, with what is kept beside it: its core metadata and its provenance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pywharf.api.provenance import Bundle
from pywharf.backend.interface import StagedFile
from pywharf.model.names import DistributionName, metadata_filename
from pywharf.model.record import DistributionRecord
from pywharf.repository.attesting import Attesting
from pywharf.repository.audit import ON_THIS_MACHINE, Requester
from pywharf.repository.changes import Changes, Uploaded
from pywharf.repository.incoming import IncomingFile
from pywharf.repository.new_names import NewNames
from pywharf.repository.releases import Writing

if TYPE_CHECKING:
    from pywharf.repository.admission import Admitted

Verb = Literal["Publish", "Adopt", "Import"]

log = logging.getLogger(__name__)


class Uploads:
    """One repository's. Shared between threads."""

    def __init__(
        self,
        changes: Changes,
        new_names: NewNames,
        attesting: Attesting,
        receiving: Callable[[], AbstractContextManager[IncomingFile]],
        writing: Writing,
    ) -> None:
        self._changes = changes
        self._new_names = new_names
        self._attesting = attesting
        self._receiving = receiving
        self._writing = writing

    def take(self, secret: str, admitted: Admitted, incoming: IncomingFile, requester: Requester) -> Uploaded:
        """Store an upload. Where the same bytes are here already, the attestations that came with them are added to theirs.

        Raises UploadRejected, FileConflict, ProjectClosed, and what `Commits.carry_out` does.
        """
        return self._store(secret, admitted, incoming, requester, self._attesting.verified(admitted.attestations), "Publish")

    def adopt(
        self, admitted: Admitted, incoming: IncomingFile, requester: Requester = ON_THIS_MACHINE, *, verb: Verb = "Adopt"
    ) -> Uploaded:
        """Store a file that lay in the storage, or elsewhere ("Import"), with the server's own right. Nobody attests anything of it."""
        return self._store(None, admitted, incoming, requester, (), verb)

    def restore(self, name: DistributionName, record: DistributionRecord, files: Sequence[StagedFile]) -> bool:
        """Put back bodies of a record that the storage lost, with the server's own right. False where the record is another one now."""
        with self._writing(None, ON_THIS_MACHINE) as (writer, known):
            return self._changes.restore(writer, name, record, files, requester=known)

    def _store(
        self,
        secret: str | None,
        admitted: Admitted,
        incoming: IncomingFile,
        requester: Requester,
        bundles: Sequence[Bundle],
        verb: Verb,
    ) -> Uploaded:
        name = admitted.name
        staged = incoming.staged(name.project, name.filename)
        with (
            self._writing(secret, requester) as (writer, known),
            self._receiving() as side,
            self._attesting.staged(name, admitted.record, bundles) as (record, provenance),
        ):
            files = [staged, *provenance]
            if admitted.metadata_bytes is not None:
                side.write(admitted.metadata_bytes)
                files.append(side.staged(name.project, metadata_filename(name.filename)))
            doubts = self._new_names.judge(name.project) if verb == "Publish" else ()
            uploaded = self._changes.publish(writer, name, record, files, verb=verb, requester=known)
            if bundles and not uploaded.created:
                uploaded = replace(uploaded, record=self._attesting.add(writer, known, name, record.sha256, bundles))
        uploaded = replace(uploaded, warnings=(*admitted.warnings, *doubts, *uploaded.warnings))
        for warning in uploaded.warnings:
            log.warning("file taken with a fault: file=%s fault=%s", name.filename, warning)
        return uploaded
