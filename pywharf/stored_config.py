"""The configuration as ROOT keeps it: two files, replaced together.

Two renames cannot be one step, so what is decided is first written to one file (the commit point); whoever finds that
file, after a crash or in another process, finishes what it says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pywharf.errors import LayoutUnusable
from pywharf.files import locked, write_whole
from pywharf.layout import Layout


@dataclass(frozen=True)
class StoredConfig:
    """The two texts, as they were given."""

    config: str
    admin_secret: str


def read(layout: Layout) -> StoredConfig | None:
    """What ROOT holds; None where it was never configured. Raises LayoutUnusable."""
    try:
        with locked(layout.lock):
            _finish(layout)
            if not layout.config.exists():
                return None
            admin_secret = layout.admin_secret.read_text(encoding="utf-8") if layout.admin_secret.exists() else ""
            return StoredConfig(layout.config.read_text(encoding="utf-8"), admin_secret)
    except (OSError, ValueError) as error:
        raise LayoutUnusable(f"{layout.config}: cannot be read ({error})") from error


def replace(layout: Layout, stored: StoredConfig) -> None:
    """Put both texts in place of what is there: both or, after a crash, none. Raises LayoutUnusable."""
    try:
        with locked(layout.lock):
            _finish(layout)
            write_whole(layout.pending, json.dumps([stored.config, stored.admin_secret]).encode())
            _finish(layout)
    except OSError as error:
        raise LayoutUnusable(f"{layout.config}: cannot be written ({error.strerror})") from error


def stamp(layout: Layout) -> tuple[int, ...]:
    """Something that differs whenever the configuration was replaced; cheap enough to ask for twice a second."""
    marks: list[int] = []
    for path in (layout.config, layout.admin_secret, layout.pending):
        try:
            found = path.stat()
            marks += (found.st_ino, found.st_mtime_ns)
        except OSError:
            marks += (0, 0)
    return tuple(marks)


def _finish(layout: Layout) -> None:
    if layout.pending.exists():
        config, admin_secret = json.loads(layout.pending.read_text(encoding="utf-8"))
        write_whole(layout.admin_secret, admin_secret.encode())
        write_whole(layout.config, config.encode())
        layout.pending.unlink()
