"""Names: of projects, of distribution files, of repositories, and the keys that documents are kept under.

All parsing is `packaging`'s; this file adds what an index needs on top: which spellings are taken, and the one
spelling that a file is remembered by.

Sources: "Names and normalization", "Binary distribution format" and "Source distribution format" on packaging.python.org.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NewType

from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from pywharf.errors import InvalidName

ProjectName = NewType("ProjectName", str)  # normalised: lower case, runs of "-_." as one "-"
Key = NewType("Key", str)  # what a document is kept under: see document_key; "" is the project itself

Kind = Literal["bdist_wheel", "sdist"]  # the upload API's words for the two kinds of distribution file

PROJECT_KEY = Key("")
MAX_NAME_BYTES = 200  # side files add up to 28 bytes to a file's name, and a folder entry holds 255
SDIST_SUFFIXES = (".tar.gz", ".zip")

_PROJECT = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_REPOSITORY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class DistributionName:
    """A distribution file's name, taken apart."""

    filename: str  # as it was given
    kind: Kind
    project: ProjectName
    version: Version
    key: Key  # the one spelling under which the file is remembered

    @property
    def release(self) -> str:
        """The release this file belongs to: 1.0 and 1.0.0 are one."""
        return canonicalize_version(self.version)


@lru_cache(maxsize=2048)  # an upload says its project five times
def normalize_project(name: str) -> ProjectName:
    """Normalise a project's name; raises InvalidName where the name could not be one (PEP 503, PEP 508)."""
    if not _PROJECT.fullmatch(name):
        raise InvalidName(name, "a project's name has ASCII letters, digits, '.', '_' and '-', and begins and ends with a letter or digit")
    if len(name) > MAX_NAME_BYTES:
        raise InvalidName(name, f"a project's name has at most {MAX_NAME_BYTES} characters")
    return ProjectName(canonicalize_name(name))


@lru_cache(maxsize=2048)  # and its version four times
def parse_version(text: str) -> Version:
    """A version as in PEP 440. Ask for none that is longer than a file's name. Raises InvalidVersion."""
    return Version(text)


def repository_name(name: str) -> str:
    """The name of a repository as it is compared and used for folders: lower case.

    Raises InvalidName where it is not 1 to 64 ASCII letters, digits, '.', '_' and '-' with a letter or digit at both ends.
    """
    folded = name.lower()
    if not name.isascii() or not _REPOSITORY.fullmatch(folded) or ".." in folded:  # the Kelvin sign is "k" in lower case
        raise InvalidName(
            name,
            "a repository's name has 1 to 64 ASCII letters, digits, '.', '_' and '-', no '..', and begins and ends with a letter or digit",
        )
    return folded


@lru_cache(maxsize=2048)
def parse_filename(filename: str) -> DistributionName:
    """Take a distribution file's name apart.

    filename: as uploaded, no folder, e.g. "Demo.Pkg-1.0-py3-none-any.whl". Older spellings that are not normalised
    ("Demo.Pkg-1.0.tar.gz") are taken; an sdist's name is split at its last hyphen, where the version begins.
    Raises InvalidName, saying which part is wrong.

    Sources: PEP 427, PEP 491 (wheels); PEP 625 (sdists); eggs and installers are refused (PEP 715).
    """
    if not _FILE.fullmatch(filename):
        raise InvalidName(
            filename, "a file's name has ASCII letters, digits and '.', '_', '+', '!', '-' only, and begins with a letter or digit"
        )
    if len(filename) > MAX_NAME_BYTES:
        raise InvalidName(filename, f"a file's name has at most {MAX_NAME_BYTES} characters")
    if filename.endswith(".whl"):
        return _wheel(filename)
    for suffix in SDIST_SUFFIXES:
        if filename.endswith(suffix):
            return _sdist(filename, filename[: -len(suffix)])
    raise InvalidName(filename, "only wheels (.whl) and source distributions (.tar.gz, .zip) are taken")


def _wheel(filename: str) -> DistributionName:
    try:
        spelled, version, build, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise InvalidName(filename, f"not a wheel's name ({error})") from error
    project = normalize_project(spelled)  # `packaging` takes "demo_-1.0-py3-none-any.whl", whose project could never be asked for
    # Lower case and one order in each compressed tag set: "py3.py2" and "py2.py3" name the same wheel.
    tags = [".".join(sorted(set(part.split(".")))) for part in filename[: -len(".whl")].lower().split("-")[-3:]]
    parts = [project.replace("-", "_"), canonicalize_version(version), *([f"{build[0]}{build[1]}".lower()] if build else []), *tags]
    return DistributionName(filename, "bdist_wheel", project, version, Key("-".join(parts) + ".whl"))


def _sdist(filename: str, stem: str) -> DistributionName:
    # Split at the last hyphen, as `packaging` does; further left only where that gives no version or no name
    # ("demo-1.0-beta", "demo-1.0+ubuntu-1").
    hyphens = [at for at, character in enumerate(stem) if character == "-"]
    for at in reversed(hyphens):
        try:
            project, version = normalize_project(stem[:at]), Version(stem[at + 1 :])
        except (InvalidName, InvalidVersion):
            continue
        key = f"{project.replace('-', '_')}-{canonicalize_version(version)}.tar.gz"
        return DistributionName(filename, "sdist", project, version, Key(key))
    raise InvalidName(filename, "not a source distribution's name: it is NAME-VERSION.tar.gz with a version as in PEP 440")


def metadata_filename(filename: str) -> str:
    """The name of the core metadata file that lies beside a distribution file (PEP 658)."""
    return f"{filename}.metadata"


def provenance_filename(filename: str, sha256: str) -> str:
    """The name of the provenance object that lies beside a distribution file. sha256: of the object, so that no two share a name."""
    return f"{filename}.{sha256[:16]}.provenance"


def matches_a_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Whether a normalised name is among those that normalised patterns stand for."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def normalize_pattern(pattern: str) -> str:
    """Normalise a pattern of project names ("Acme_*" -> "acme-*"); "*" and "?" stand for any run and any one character.

    Raises InvalidName where anything else than name characters, "*" and "?" is in it.
    """
    folded = re.sub(r"[-_.]+", "-", pattern).lower()
    if not pattern.isascii() or not re.fullmatch(r"[a-z0-9*?-]+", folded):
        raise InvalidName(pattern, "a pattern has the characters of a project's name, '*' and '?' only")
    return folded
