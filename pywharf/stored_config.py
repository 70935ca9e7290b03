"""The configuration as ROOT keeps it: two files, replaced together.

Two renames cannot be one step, so what is decided is first written to one file (the commit point); whoever finds that
file, after a crash or in another process, finishes what it says.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass

from pywharf.errors import ConfigInvalid, LayoutUnusable
from pywharf.files import fsync_folder, locked, write_whole
from pywharf.layout import Layout

Stamp = tuple[int, ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredConfig:
    """The two texts, as they were given."""

    config: str
    admin_secret: str


def read(layout: Layout) -> StoredConfig | None:
    """What ROOT holds; None where it was never configured. Raises LayoutUnusable."""
    try:
        with locked(layout.lock):
            decided = _decided(layout)
            if decided is not None:
                _try_to_finish(layout, decided)
                return decided
            if not layout.config.exists():
                return None
            admin_secret = layout.admin_secret.read_bytes() if layout.admin_secret.exists() else b""
            return StoredConfig(layout.config.read_bytes().decode(), admin_secret.decode())  # as bytes: line ends can be part of a secret
    except OSError as error:
        raise LayoutUnusable(f"{error.filename or layout.config}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LayoutUnusable(f"{layout.config}, {layout.admin_secret}: not UTF-8 text") from error


def replace(layout: Layout, stored: StoredConfig) -> Stamp:
    """Put both texts in place of what is there: both or, where this raises or the machine dies before, none.

    Returns the stamp of what is there now. Raises LayoutUnusable; ConfigInvalid where a text cannot be written.
    """
    for source, text in (("config", stored.config), ("admin_secret", stored.admin_secret)):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigInvalid(source, "holds text that is not Unicode") from None
    try:
        with locked(layout.lock):
            before = _decided(layout)
            if before is not None:
                _finish(layout, before)
            try:
                write_whole(layout.pending, json.dumps([stored.config, stored.admin_secret]).encode())
            except OSError:
                # It may be there all the same, and would come true later: taken back, or else decided.
                with contextlib.suppress(OSError):
                    layout.pending.unlink(missing_ok=True)
                if not layout.pending.exists():
                    raise
            _try_to_finish(layout, stored)
            return stamp(layout)
    except OSError as error:
        raise LayoutUnusable(f"{layout.config}: cannot be written ({error.strerror})") from error


def stamp(layout: Layout) -> Stamp:
    """Something that differs whenever the configuration was replaced; cheap enough to ask for twice a second."""
    marks: list[int] = []
    for path in (layout.config, layout.admin_secret, layout.pending):
        try:
            found = path.stat()
            marks += (found.st_ino, found.st_mtime_ns)
        except OSError:
            marks += (0, 0)
    return tuple(marks)


def _decided(layout: Layout) -> StoredConfig | None:
    """What was decided and is not in both files yet."""
    try:
        match json.loads(layout.pending.read_bytes()):
            case [str(config), str(admin_secret)]:
                return StoredConfig(config, admin_secret)
        raise ValueError("not two texts")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LayoutUnusable(f"{layout.pending}: damaged; remove it, and look whether {layout.config.name} is what you want") from error


def _try_to_finish(layout: Layout, decided: StoredConfig) -> None:
    """From here on it is decided, whatever the disk says: who reads it next tries again."""
    try:
        _finish(layout, decided)
    except OSError as error:
        log.warning("the configuration is kept in one file for now: file=%s reason=%s", layout.pending.name, error.strerror)


def _finish(layout: Layout, decided: StoredConfig) -> None:
    write_whole(layout.admin_secret, decided.admin_secret.encode())
    write_whole(layout.config, decided.config.encode())
    layout.pending.unlink()
    fsync_folder(layout.root)  # or it could come back after a power loss, over what was edited since
