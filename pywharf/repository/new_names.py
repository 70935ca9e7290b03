"""Whether a project may be called what it is called, asked once: when its first file is uploaded.

What the repository has under a name, or ever had, is not in question, nor what is adopted or imported: that was decided elsewhere.

A refusal is exact: the storage is asked before it is said that a project is new. That two first uploads at the same instant have
names that look alike is not noticed by either, since nothing but a key of its own is compared when one is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pywharf.backend.settings import BackendConfig, Strictness
from pywharf.errors import UploadRejected
from pywharf.model.names import ProjectName
from pywharf.repository.checks.names_confusable import LOOK_IN_SQL, look, private_pattern_like
from pywharf.repository.checks.names_standard_library import STANDARD_LIBRARY
from pywharf.repository.index_walk import names_spelled
from pywharf.repository.local_index import LocalIndex


class NewNames:
    """One repository's. Shared between threads."""

    def __init__(self, config: BackendConfig, index: LocalIndex, sync: Callable[[], None]) -> None:
        """sync: bring the index in step, returning once a sync that began after the call is complete."""
        self._rules = config.admission
        self._private = config.private_names
        self._index = index
        self._sync = sync

    def judge(self, project: ProjectName) -> tuple[str, ...]:
        """What speaks against the name and is passed over, a clause each. Raises UploadRejected, and what syncing does."""
        found = self._found(project)
        if any(strictness == "refuse" for strictness, _ in found):
            self._sync()  # perhaps another server has the project by now
            found = self._found(project)
        for strictness, reason in found:
            if strictness == "refuse":
                raise UploadRejected("name", reason)
        return tuple(reason for strictness, reason in found if strictness == "warn")

    def _found(self, project: ProjectName) -> list[tuple[Strictness, str]]:
        if self._index.ever_seen(project):
            return []
        return list(self._objections(project))

    def _objections(self, project: ProjectName) -> Iterator[tuple[Strictness, str]]:
        new = f"{project!r} would be a new project here"
        if self._rules.standard_library_names != "allow" and project in STANDARD_LIBRARY:
            reason = f"{new}, and is a module of Python's standard library; give it another name (standard_library_names)"
            yield self._rules.standard_library_names, reason
        if self._rules.confusable_names != "allow":
            others = names_spelled(self._index, LOOK_IN_SQL, look(project))
            pattern = private_pattern_like(project, self._private)
            like = f"the project {others[0]!r}" if others else f"the private names {pattern!r}" if pattern else ""
            if like:
                yield self._rules.confusable_names, f"{new}, and looks like {like}; is it spelled right? (confusable_names)"
