"""Where a source distribution is unpacked to: into one folder of its own, each member to a place of its own.

Source: "Source distribution format" on packaging.python.org, "Source distribution archive features"; PEP 517, PEP 625, PEP 721.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.sdist import PKG_INFO, SourceTree, parents
from pywharf.repository.archives.top_folder import folder_is_of
from pywharf.repository.checks.candidate import Candidate, of_sdist, of_tar
from pywharf.repository.checks.zip_names import PLAYS_TRICKS, folded

MAX_PATH = 4096  # characters, as long as Linux takes a path
MAX_DEPTH = 100  # folders in each other

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@of_tar
def tar_names_are_plain(candidate: Candidate) -> None:
    """A member's path leads into the archive on every system, and is nothing else on any."""
    for member in candidate.source_tree.members:
        name = member.name
        if not name or CONTROL.search(name) or PLAYS_TRICKS.search(name):
            reason = "is empty or holds a control character"
        elif name.startswith("/") or ".." in name.split("/"):
            reason = "leads out of the archive"
        elif "\\" in name:
            reason = "holds a backslash, which separates folders on Windows"
        elif len(name) > MAX_PATH or name.count("/") > MAX_DEPTH:
            reason = f"has more than {MAX_PATH} characters or {MAX_DEPTH} folders"
        else:
            continue
        raise refused(f"the path of a member {reason}: {shown(name)}")


@of_sdist
def sdist_has_one_top_folder(candidate: Candidate) -> None:
    """Named after the project and version in the file's name, in any spelling."""
    tree = candidate.source_tree
    top = ""
    for member, path in zip(tree.members, tree.paths, strict=True):
        folder, _, rest = path.partition("/")
        if not top and folder_is_of(candidate.name, folder):
            top = folder
        if (folder != top or not rest) and (member.kind != "folder" or path not in ("", top)):
            reason = "a source distribution has one folder at its top, named after the project and version in the file's name"
            raise refused(f"{reason}; this one has {shown(path)} too")


@of_tar
def tar_names_are_unique(candidate: Candidate) -> None:
    """Of two members with one path some readers keep the first and some the last; a file that is the folder of others is both."""
    tree = candidate.source_tree
    twice = _clash(tree, str)
    if twice:
        raise refused(f"the archive holds one path twice, or a file that is a folder of others: {shown(twice)}")


@of_tar
def tar_names_do_not_collide(candidate: Candidate) -> None:
    """Names that differ in upper and lower case or in the form of Unicode alone are one name on macOS and Windows."""
    twice = _clash(candidate.source_tree, folded)
    if twice:
        reason = f"the archive holds two paths that are one on some systems, {shown(twice)} and another (colliding_names)"
        candidate.object(candidate.rules.colliding_names, reason)


@of_sdist
def sdist_has_pkg_info_once(candidate: Candidate) -> None:
    """PKG-INFO is a plain file in the top folder: what a link there leads to is for the reader to find out."""
    tree = candidate.source_tree
    _ = tree.metadata
    found = [member.kind for member, path in zip(tree.members, tree.paths, strict=True) if path.split("/")[1:] == [PKG_INFO]]
    if found != ["file"]:
        raise refused(f"a source distribution has one plain file {PKG_INFO} in its top folder; this one has {len(found)}")


def _clash(tree: SourceTree, spelled: Callable[[str], str]) -> str:
    """A path that stands for two different things when all are spelled so; "" where there is none. Folders may be named again."""
    folders: dict[str, str] = {}
    others: dict[str, str] = {}
    for member, path in zip(tree.members, tree.paths, strict=True):
        key = spelled(path)
        if key in others or (member.kind != "folder" and key in folders):
            return path
        (folders if member.kind == "folder" else others)[key] = path
    return next((others[parent] for key in (*others, *folders) for parent in parents(key) if parent in others), "")


def shown(path: str) -> str:
    """A path as it can be shown to a person."""
    return ascii(path if len(path) <= 100 else f"{path[:100]}...")
