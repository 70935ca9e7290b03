"""ROOT on disk: which file lies where, and the version of that arrangement.

Knows names and modes, not what is in the files. ROOT can be moved: nothing in it holds an absolute path.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pywharf.errors import LayoutUnusable
from pywharf.files import locked, make_folder, write_whole

VERSION = "1"


@dataclass(frozen=True)
class Layout:
    """The folder that `pywharf server ROOT` works in. docs/reference/files-on-disk.md tells it to people."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def admin_secret(self) -> Path:
        return self.root / "admin_secret.toml"

    @property
    def pending(self) -> Path:
        """A configuration that is decided but not yet in both files; whoever finds it finishes it."""
        return self.root / "initialize.pending"

    @property
    def initialize_token(self) -> Path:
        return self.root / "initialize_token"

    @property
    def unclaimed(self) -> Path:
        """There while the generated configuration has not been used by anybody."""
        return self.root / "unclaimed"

    @property
    def lock(self) -> Path:
        """Held while the configuration's files are replaced or read."""
        return self.root / "lock"

    @property
    def version(self) -> Path:
        return self.root / "layout"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def names(self) -> Path:
        return self.root / "names"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def sessions(self) -> Path:
        return self.root / "sessions.sqlite"

    @property
    def audit(self) -> Path:
        return self.root / "audit"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def workdir(self, repository: str) -> Path:
        """The backend's own place, made where it is missing."""
        folder = self.cache / repository
        make_folder(folder)
        return folder

    def prepare(self) -> None:
        """Make what is missing, all of it private to this user.

        Raises LayoutUnusable where ROOT cannot be made or written, or was arranged by a version of pywharf that this
        one does not know.
        """
        try:
            make_folder(self.root)
            with locked(self.lock, timeout=30):
                if not self.version.exists():
                    write_whole(self.version, f"{VERSION}\n".encode())
                found = self.version.read_text(encoding="ascii", errors="replace").strip()
                if found == VERSION:  # nothing is made in a folder that is somebody else's
                    for folder in (self.keys, self.index, self.names, self.cache, self.incoming, self.audit, self.log):
                        make_folder(folder)
        except OSError as error:  # a TimeoutError of ours has no strerror
            raise LayoutUnusable(f"{self.root}: cannot be used as ROOT ({error.strerror or error})") from error
        if found != VERSION:
            raise LayoutUnusable(
                f"{self.root}: was arranged by another version of pywharf (layout {found[:20]!r}, this one knows {VERSION!r}): "
                "use that version, or start with an empty folder"
            )
