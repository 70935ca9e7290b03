"""What a form asks to be done to releases, and exactly what that would do: shown to be confirmed before it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pywharf.api.releases import choose_release, releases_of
from pywharf.errors import ChangeRejected, ReleaseMissing
from pywharf.model.project import ProjectDetail
from pywharf.model.reasons import fault_of_reason
from pywharf.model.record import STATUS_MARKERS, DistributionRecord

Action = Literal["yank", "unyank", "delete", "status"]


@dataclass(frozen=True)
class Intended:
    """A change as somebody asked for it."""

    action: Action
    target: str  # "version 1.0" or "file demo-1.0.tar.gz"; for a status the status itself
    reason: str

    @property
    def version(self) -> str | None:
        return self._named("version ")

    @property
    def filename(self) -> str | None:
        return self._named("file ")

    @property
    def subject(self) -> str:
        """What it is done to, in words."""
        return f"release {self.version}" if self.version is not None else f"file {self.filename}"

    def _named(self, kind: str) -> str | None:
        return self.target.removeprefix(kind) if self.target.startswith(kind) else None


@dataclass(frozen=True)
class Preview:
    """What would come of it now."""

    changes: tuple[str, ...]  # names of files
    unchanged: tuple[str, ...]  # those that are so already
    before: str  # of a project: its status
    state: str  # tells this preview from one of another state of the project, or of another intention


def read_intention(action: Action, form: Mapping[str, str]) -> Intended:
    """Raises ChangeRejected, naming the field at fault."""
    intended = Intended(action, form.get("target", ""), form.get("reason", "").strip(" "))
    if action == "status":
        if intended.target not in STATUS_MARKERS:
            raise ChangeRejected("status", "choose one of those that are offered")
    elif not (intended.version or intended.filename):
        raise ChangeRejected("target", "choose a release or a file")
    if fault := fault_of_reason(intended.reason):
        raise ChangeRejected("reason", fault)
    return intended


def preview(detail: ProjectDetail, intended: Intended) -> Preview:
    """Raises ReleaseMissing."""
    if intended.action == "status":
        before = f"{detail.status.status} {detail.status.reason}"
        return Preview((), (), detail.status.status, _state(intended, [before]))
    records = sorted(_records(detail, intended), key=lambda record: record.filename)
    changes = [record.filename for record in records if _is_changed(record, intended)]
    unchanged = [record.filename for record in records if not _is_changed(record, intended)]
    state = [f"{record.filename} {record.sha256} {record.yanked!r}" for record in records]
    return Preview(tuple(changes), tuple(unchanged), detail.status.status, _state(intended, state))


def _records(detail: ProjectDetail, intended: Intended) -> list[DistributionRecord]:
    if intended.filename is not None:
        found = [record for record in detail.files if record.filename == intended.filename]
    else:
        release = choose_release(releases_of(detail.files), intended.version or "")
        found = release.files if release else []
    if not found:
        raise ReleaseMissing(f"Project {detail.name} has no {intended.subject[:250]}, or not any more")
    return found


def _is_changed(record: DistributionRecord, intended: Intended) -> bool:
    if intended.action == "yank":
        return record.yanked != intended.reason
    return intended.action == "delete" or record.yanked is not None


def _state(intended: Intended, parts: list[str]) -> str:
    text = "\0".join([intended.action, intended.target, intended.reason, *parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
