"""Files that the proxy sends: after our authorisation the answer names the file, and nothing of it passes through here.

A file is named by its place below a folder that is configured: with nginx's X-Accel-Redirect as an address inside the proxy, with
X-Sendfile as a path. What lies elsewhere, and what is no file, is sent the ordinary way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ACCEL, SENDFILE = "x-accel-redirect", "x-sendfile"
_FIELDS = {ACCEL: "X-Accel-Redirect", SENDFILE: "X-Sendfile"}
_PREFIX = re.compile(r"/(?:[A-Za-z0-9._~-]+/)+")


@dataclass(frozen=True)
class Sendfile:
    """A mode of `--sendfile`. places: folders from the root of the file system, each with what stands in the answer for it and its "/"."""

    field: str
    places: Sequence[tuple[Path, str]]

    def header(self, file: Path) -> tuple[str, str] | None:
        """The header field that makes the proxy send a file; None where it lies in none of the folders. The value is percent-encoded."""
        path = Path(os.path.abspath(file))
        for folder, prefix in self.places:
            if path.is_relative_to(folder):
                return self.field, quote(os.fsencode(prefix)) + quote(os.fsencode(path.relative_to(folder)))
        return None


def sendfile(text: str, root: Path) -> Sendfile | None:
    """Read a mode, None for "". Raises ValueError, which says what is wrong with it.

    "x-accel-redirect=/inside/" answers with addresses below "/inside/" for what lies in `root`; "x-sendfile" with paths in `root`. Further
    folders, for storages that are elsewhere, follow with commas: "x-accel-redirect=/inside/,/more/=/srv/packages", "x-sendfile=/srv/packages".
    """
    if not text:
        return None
    mode, _, rest = text.partition("=")
    if mode not in _FIELDS:
        raise ValueError(f"begins with {ACCEL} or {SENDFILE}, e.g. {ACCEL}=/pywharf-files/")
    own = Path(os.path.abspath(root))
    parts = rest.split(",") if rest or mode == ACCEL else []
    if mode == ACCEL:
        places = [_inside(part, own) for part in parts]
    else:
        places = [(folder, _ending(folder)) for folder in (own, *(_folder(part) for part in parts))]
    if len({folder for folder, _ in places}) < len(places):
        raise ValueError("has a folder twice")
    if len({prefix for _, prefix in places}) < len(places):
        raise ValueError("has two folders for one address")
    # The innermost folder of those that a file lies in is the one that is meant.
    return Sendfile(_FIELDS[mode], sorted(places, key=lambda place: len(place[0].parts), reverse=True))


def _inside(part: str, own: Path) -> tuple[Path, str]:
    prefix, equals, folder = part.partition("=")
    if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise ValueError(f"{part[:60]!r} is no address inside the proxy: it begins and ends with '/', such as /pywharf-files/")
    return _folder(folder) if equals else own, prefix


def _folder(text: str) -> Path:
    if not text.startswith("/") or ".." in Path(text).parts or len(Path(text).parts) < 2:
        raise ValueError(f"{text[:60]!r} is no folder from the root of the file system, such as /srv/packages")
    return Path(text)


def _ending(folder: Path) -> str:
    return f"{folder}/"
