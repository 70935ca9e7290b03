"""The names of the members of a ZIP archive: one for each, the same for every reader, inside the folder it is unpacked to.

Source: .ZIP File Format Specification (APPNOTE.TXT) 6.3.10, 4.4.17 and appendix D; PEP 427; "Unicode normalization forms" (UAX 15)
and caseless matching (Unicode 3.13), as file systems apply them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pywharf.model.names import DistributionName
from pywharf.repository.archives.limits import refused
from pywharf.repository.checks.candidate import Candidate, of_zip

_UTF8 = 0x800
_DRIVE = re.compile(r"[A-Za-z]:")
# Separators of lines and paragraphs, and marks that make text read in another order than it is.
PLAYS_TRICKS = re.compile(r"[\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST_PART = 255  # bytes: what file systems take
_LONGEST_NAME = 1024  # bytes, of all parts; some systems take no more


@of_zip
def zip_names_are_utf8(candidate: Candidate) -> None:
    """Without the flag that says UTF-8, readers choose an encoding by themselves."""
    for entry in candidate.zip.entries:
        if entry.name.isascii():
            continue
        if not entry.flags & _UTF8:
            raise refused(f"the name {entry.text!r} is neither ASCII nor marked as UTF-8")
        if any("\ud800" <= character <= "\udfff" for character in entry.text):
            raise refused(f"the name {entry.text!r} is not UTF-8")


@of_zip
def zip_names_are_plain(candidate: Candidate) -> None:
    r"""No NUL, at which some readers stop; no "\", which some take for "/"; no control characters; none too long to be written."""
    for name in candidate.zip.names:
        if "\\" in name or (not name.isprintable() and _has_control(name)):
            raise refused(f"the name {name!r} has a backslash or a control character in it")
        parts = name.encode("utf-8", "surrogateescape").split(b"/")
        if max(map(len, parts)) > _LONGEST_PART or sum(map(len, parts)) + len(parts) > _LONGEST_NAME:
            raise refused(f"the name {name[:100]!r}... is too long: {_LONGEST_PART} bytes for each part, {_LONGEST_NAME} in all")


@of_zip
def zip_names_stay_inside(candidate: Candidate) -> None:
    """No absolute path, no drive, no "..", and no other spelling of a path than the plain one."""
    for name in candidate.zip.names:
        parts = name.removesuffix("/").split("/")
        if name.startswith("/") or _DRIVE.match(name) or ".." in parts:
            raise refused(f"the name {name!r} leads out of the archive")
        if "" in parts or "." in parts:
            raise refused(f"the name {name!r} has an empty part or '.' in it")


@of_zip
def zip_names_are_unique(candidate: Candidate) -> None:
    """One member for each name; and no file that is the folder of another: of two, each reader keeps one of its own choice."""
    names = [name.removesuffix("/") for name in candidate.zip.names]
    if twice := _first_twice(names):
        raise refused(f"the archive holds {twice!r} twice")
    files = {entry.text for entry in candidate.zip.entries if not entry.is_folder}
    for name in names:
        for folder in _folders(name):
            if folder in files:
                raise refused(f"{folder!r} is a file in the archive, and the folder of {name!r}")


@of_zip
def zip_names_do_not_collide(candidate: Candidate) -> None:
    """Names that differ in upper and lower case or in the form of Unicode alone are one name on macOS and Windows.

    Wheels for Linux alone may have them: there they are two names, and headers of its kernel are called so.
    """
    if _is_for_linux_alone(candidate.name):
        return
    spellings: dict[str, str] = {}
    for name in candidate.zip.names:
        plain = name.removesuffix("/")
        for path in (*_folders(plain), plain):
            other = spellings.setdefault(folded(path), path)
            if other != path:
                candidate.object(candidate.rules.colliding_names, f"{other!r} and {path!r} are one name on some systems (colliding_names)")
                return


def _has_control(name: str) -> bool:
    """Of a name with something in it that is not printable, which may be no more than an unusual space."""
    return PLAYS_TRICKS.search(name) is not None or any(unicodedata.category(character) == "Cc" for character in name)


def _is_for_linux_alone(name: DistributionName) -> bool:
    platforms = name.filename.removesuffix(".whl").rpartition("-")[2].split(".") if name.kind == "bdist_wheel" else [""]
    return all(re.match(r"(?:many|musl)?linux", platform, re.IGNORECASE) for platform in platforms)


def folded(name: str) -> str:
    """A name as a file system writes it that does not tell upper from lower case, nor the forms of Unicode apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _folders(name: str) -> Iterable[str]:
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)


def _first_twice(names: list[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
