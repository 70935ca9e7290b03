"""What changes are decided upon: one instant of the local index, with the cursor that a commit is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pywharf.backend.interface import Cursor
from pywharf.model.names import Key
from pywharf.model.record import Document, ProjectStatus


@dataclass(frozen=True)
class Picture:
    """One key, and the status of its project."""

    cursor: Cursor
    status: ProjectStatus
    taken: bool  # whether the key has an entry at all
    document: Document | None  # None where there is no entry, or one that cannot be read or was removed by hand


@dataclass(frozen=True)
class ProjectPicture:
    """A whole project."""

    cursor: Cursor
    status: ProjectStatus
    documents: Mapping[Key, Document | None]  # of its files, those deleted too; None for one that cannot be read or was removed by hand
