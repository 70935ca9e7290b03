"""Which bodies in the storage belong to a record."""

from __future__ import annotations

from collections.abc import Iterator

from pywharf.backend.interface import FileRef
from pywharf.model.record import DistributionRecord


def bodies_of(project: str, record: DistributionRecord) -> Iterator[FileRef]:
    """The distribution file itself, and what lies beside it."""
    yield FileRef(project, record.filename, record.sha256, record.size)
    for side in (record.metadata, record.provenance):
        if side is not None:
            yield FileRef(project, side.name, side.sha256, side.size)
