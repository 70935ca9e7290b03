"""Looking for secrets in whatever is left over, in any spelling that a program could have written them in."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

LEAST = 12  # characters of base64 that are told from others
AROUND = 100  # bytes shown on each side of what was found


def spellings(secret: str, users: Iterable[str] = ()) -> dict[str, bytes]:
    """How a secret could be written, by what that is called. users: names that Basic authentication may have joined with it."""
    raw = secret.encode("utf-8", "surrogateescape")
    found = {
        "as it is": raw,
        "percent-encoded": quote(raw, safe="").encode(),
        "as in a form": quote_plus(raw).encode(),
        "hex": raw.hex().encode(),
        "escaped": secret.encode("ascii", "backslashreplace"),
    }
    for user in (*users, ""):
        pair = base64.b64encode(f"{user}:".encode() + raw if user else raw).rstrip(b"=")
        found[f"base64 of {user}"] = pair
        found[f"base64 for URLs of {user}"] = pair.replace(b"+", b"-").replace(b"/", b"_")
    for before in range(3):  # inside of something longer, wherever it begins there
        encoded = base64.b64encode(b"\0" * before + raw)
        within = encoded[4 if before else 0 : -4]
        if len(within) >= LEAST:  # of a short one, too little is left to tell it from anything else
            found[f"base64 within, {before}"] = within
    return found


class Search:
    """Looks for secrets in whatever it is shown."""

    def __init__(self, *secrets: str, users: Iterable[str] = ()) -> None:
        users = tuple(users)
        alternatives = {form for secret in secrets for form in spellings(secret, users).values()}
        self._wanted = sorted({form.lower() for form in alternatives})
        self.hits: list[str] = []  # where something was found
        self.shown: list[str] = []  # the same with what stands around it
        self.seen = 0  # bytes

    def look(self, where: str, data: bytes | str) -> None:
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        self.seen += len(raw)
        low = raw.lower()  # %2f is %2F
        for form in self._wanted:
            if (at := low.find(form)) >= 0:
                self.hits.append(where)
                self.shown.append(f"{where}: {raw[max(0, at - AROUND) : at + len(form) + AROUND]!r}")
                return

    def look_below(self, folder: Path, *, may_hold: Callable[[Path], bool] = lambda path: False) -> None:
        """Every name and every file below a folder; objects of git repositories uncompressed. may_hold: files that are left out."""
        for path in sorted(folder.rglob("*")):
            if may_hold(path):
                continue
            self.look(f"the name of {path.relative_to(folder.parent)}", path.name)
            try:
                if path.is_symlink():
                    continue
                if path.is_file():
                    self.look(str(path.relative_to(folder.parent)), path.read_bytes())
                elif (path / "objects").is_dir() and (path / "HEAD").is_file():
                    self.look_into_git(path)
            except OSError:
                continue  # it is gone, or a test took the right to read it away

    def look_into_git(self, folder: Path) -> None:
        """Every object, uncompressed."""
        command = ["git", "--git-dir", str(folder), "cat-file", "--batch-all-objects", "--batch"]
        objects = subprocess.run(command, capture_output=True, check=True).stdout
        self.look(f"objects of {folder.name}", objects)
