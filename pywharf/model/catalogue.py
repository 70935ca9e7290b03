"""What people browse: projects in short, uploads by time, and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pywharf.model.names import ProjectName
from pywharf.model.record import StatusMarker


@dataclass(frozen=True)
class ProjectSummary:
    """One project in a list."""

    project: ProjectName
    name: str  # as its newest release spells it
    version: str  # of its newest release; one that installers would choose, where there is one
    summary: str
    updated: datetime  # UTC, of its newest upload
    status: StatusMarker


@dataclass(frozen=True)
class Found:
    """What a search found: a part of it, and how much there is in all."""

    total: int
    projects: tuple[ProjectSummary, ...]


@dataclass(frozen=True)
class LatestRelease:
    """A release, as the feed and the first page tell of it."""

    project: ProjectName
    name: str
    version: str
    summary: str
    uploaded: datetime  # UTC, of its newest file
    yanked: bool
    status: StatusMarker  # of its project


@dataclass(frozen=True)
class Totals:
    """How much a repository holds."""

    projects: int
    releases: int
    files: int
    bytes: int
