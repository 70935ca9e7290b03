"""A repository in memory with files in it, for tests of what is made of the whole of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pywharf.backend.interface import Change
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import Document, ProjectStatus, Sha256, Tombstone, to_json
from pywharf.repository.admission import admit_file
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import Distribution
from pywharf.testing.memory import MemoryConfig, MemoryPlugin, MemoryStorage

from .making import MOMENT


class Stocked:
    """A repository named `wheels`, and the storage behind it."""

    def __init__(self, root: Path, name: str = "wheels") -> None:
        layout = Layout(root)
        layout.prepare()
        plugin = MemoryPlugin()
        self.repository = Repository(RepositorySettings(name, plugin, MemoryConfig(), None), layout, ServerSettings())
        self.repository.sync()
        self.storage: MemoryStorage = plugin.storage(layout.workdir(name))

    def publish(self, *distributions: Distribution) -> None:
        for distribution in distributions:
            with self.repository.receiving() as incoming:
                incoming.write(distribution.data)
                incoming.finish()
                self.repository.adopt(admit_file(incoming.path, distribution.filename, MOMENT), incoming)

    def delete(self, distribution: Distribution) -> None:
        name = parse_filename(distribution.filename)
        self._keep(name.project, name.key, Tombstone(distribution.filename, Sha256(distribution.sha256), MOMENT))

    def quarantine(self, project: str) -> None:
        self._keep(project, "", ProjectStatus("quarantined", "is being looked into"))

    def lose_bodies(self, filename: str, replacement: bytes | None = None) -> None:
        """Take the bodies of a file out of the storage, or put other bytes in their place."""
        for ref, body in list(self.storage.bodies.items()):
            if ref.name == filename:
                del self.storage.bodies[ref]
                if replacement is not None:
                    self.storage.bodies[ref] = type(body)(replacement, body.placed)

    def _keep(self, project: str, key: str, document: Document) -> None:
        cursor = self.repository.index.cursor()
        assert cursor is not None
        self.repository.backend.commit(Change(project, {key: to_json(document)}), cursor)
        self.repository.sync()


@contextlib.contextmanager
def stocked(root: Path, *distributions: Distribution, name: str = "wheels") -> Iterator[Stocked]:
    made = Stocked(root, name)
    with contextlib.closing(made.repository):
        made.publish(*distributions)
        yield made
