"""What a page shows, before anyone chose HTML or JSON: a project with its files, and the list of projects."""

from __future__ import annotations

from dataclasses import dataclass

from pywharf.model.names import ProjectName
from pywharf.model.record import DistributionRecord, ProjectStatus


@dataclass(frozen=True)
class ProjectDetail:
    """One project as the local index knows it at one instant."""

    name: ProjectName
    files: tuple[DistributionRecord, ...]  # in no order; without those deleted; all of them, whatever the status
    status: ProjectStatus
    serial: int  # the greatest of its entries: the same on every server
    revision: int  # local: raised by every applied change that touches the project, also by a removal

    @property
    def offered_files(self) -> tuple[DistributionRecord, ...]:
        """The files that installers may see: none while the project is quarantined (PEP 792)."""
        return self.files if self.status.offers_files else ()


@dataclass(frozen=True)
class ProjectList:
    """The names of all projects that have a file, sorted."""

    names: tuple[ProjectName, ...]
    serial: int  # of the newest entry when the set of names last changed
    revision: int  # local: moves when the set of names does
