"""Where things lie on the branch, and how a tree is compared with another and changed. No network, no disk.

    packages/<hh>/<project>/<file>                  a body: a distribution file, or a file beside it (`<file>.metadata`)
    packages/<hh>/<project>/<key>.pywharf.jsonl     the sidecar that holds the document under this key
    packages/<hh>/<project>/.project.pywharf.jsonl  the sidecar of the project itself, key ""
    packages/<hh>/<project>/<bb>/...                what came when the project's folder held WIDE things already
    .pywharf/serial                                 the greatest serial given (see sidecar.py)

`hh` are two hex digits of the project's name, `bb` two of the file's or the key's: no folder of git's grows wide, and an upload
rewrites a few short trees however many projects there are, and however many files one of them has (in one folder, the 2,000th file of
a project costs a tree of 640 kB, with a folder for each release 34 kB, so 13 kB). Most projects have one folder, which people can
read and a cold start has to fetch.

Somebody's hand may also put a body at `packages/<project>/<file>`.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from dulwich.objects import ObjectID, Tree, parse_tree

from pywharf.errors import InvalidName

Path: TypeAlias = tuple[bytes, ...]  # the steps from the root of a tree
Item: TypeAlias = tuple[int, bytes]  # mode, and id as 40 hex digits
Items: TypeAlias = Mapping[bytes, Item]  # what lies in one folder, by name
Read: TypeAlias = Callable[[bytes], Items]  # of a tree's id; raises KeyError where it is not at hand

PACKAGES = b"packages"
SERIAL_PATH: Path = (b".pywharf", b"serial")
SIDECAR_SUFFIX = ".pywharf.jsonl"
WIDE = 100  # things in a project's folder
SHORTEST = 4  # steps to what lies in a project's folder itself, the first place there is
DEEPEST = 16  # steps to where nobody looks any further: much deeper than anything belongs
FILE_MODE, FOLDER_MODE = 0o100644, stat.S_IFDIR

_SUFFIX = SIDECAR_SUFFIX.encode()
_PROJECT_SIDECAR = b".project" + _SUFFIX
_SIDE_FILE = re.compile(r"(\.metadata|\.[0-9a-f]{16}\.provenance)\Z")


# --- where things lie ------------------------------------------------------------------------------------------------


def sidecar_paths(project: str, key: str) -> tuple[Path, ...]:
    """Where a sidecar may lie; the first that is there counts. Raises InvalidName for what no checked name can have led to."""
    if not key:
        return ((*_project_path(project), _PROJECT_SIDECAR),)
    return _paths(project, _step(key + SIDECAR_SUFFIX), _hex(key))


def body_paths(project: str, name: str) -> tuple[Path, ...]:
    """Where a body may lie; the last, or the only one where there is no project, is by hand. Raises InvalidName."""
    step = _step(name)
    if name.endswith(SIDECAR_SUFFIX):
        raise InvalidName(name, "is the name of a sidecar")
    if not project:
        return ((PACKAGES, step),)
    return (*_paths(project, step, _hex(_SIDE_FILE.sub("", name))), (PACKAGES, _step(project), step))


def sidecar_at(path: Path) -> tuple[str, str] | None:
    """The project and key whose sidecar this is; None where it is something else, or lies where no sidecar belongs."""
    try:
        if not path[-1].endswith(_SUFFIX):
            return None
        project, name = path[2].decode(), path[-1].decode()
        key = "" if path[-1] == _PROJECT_SIDECAR else name.removesuffix(SIDECAR_SUFFIX)
        return (project, key) if path in sidecar_paths(project, key) else None
    except (IndexError, UnicodeDecodeError, InvalidName):
        return None


def body_at(path: Path) -> tuple[str, str] | None:
    """The project and name of the body that lies here, "" for the project where it lies in none; None where no body belongs here."""
    try:
        name = path[-1].decode()
        project = path[min(2, len(path) - 2)].decode() if len(path) > 2 else ""
        return (project, name) if path in body_paths(project, name) else None
    except (UnicodeDecodeError, InvalidName):
        return None


def _paths(project: str, step: bytes, bucket: bytes) -> tuple[Path, ...]:
    folder = _project_path(project)
    narrow = (*folder, bucket, step)
    return (narrow,) if len(step) == 2 else ((*folder, step), narrow)  # else a file could be where a folder belongs


def _project_path(project: str) -> Path:
    return (PACKAGES, _hex(project), _step(project))


def _hex(name: str) -> bytes:
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()[:2].encode()


def _step(name: str) -> bytes:
    """A name that is safe as one step of a path. pywharf has checked it before; a storage does not rely on that."""
    step = name.encode("utf-8", "surrogateescape")
    if not step or name.startswith(".") or b"/" in step or b"\0" in step or len(step) > 255:
        raise InvalidName(name, "not the name of a file in a storage")
    return step


# --- reading and comparing -------------------------------------------------------------------------------------------


def items(raw: bytes) -> Items:
    """What lies in a tree, from its content."""
    return {name: (mode, bytes(sha)) for name, mode, sha in parse_tree(raw, 20)}


def find(read: Read, root: bytes, path: Path) -> Item | None:
    """What lies at `path`; None where nothing does."""
    found: Item = (FOLDER_MODE, root)
    for step in path:
        if not stat.S_ISDIR(found[0]):
            return None
        below = read(found[1]).get(step)
        if below is None:
            return None
        found = below
    return found


def find_file(read: Read, root: bytes, path: Path) -> bytes | None:
    """The id of the file at `path`; None where no file lies there."""
    return _file(find(read, root, path))


def find_sidecar(read: Read, root: bytes | None, project: str, key: str) -> tuple[Path, bytes | None]:
    """Where the sidecar is, or where it is to be put; and its id, None where there is none. Raises InvalidName."""
    return _find_or_place(read, root, sidecar_paths(project, key))


def place_body(read: Read, root: bytes | None, project: str, name: str) -> Path:
    """Where a body is that is to be replaced, or where it is to be put. Raises InvalidName."""
    return _find_or_place(read, root, body_paths(project, name)[:-1])[0]


def _find_or_place(read: Read, root: bytes | None, paths: tuple[Path, ...]) -> tuple[Path, bytes | None]:
    if root is None:
        return paths[0], None
    for path in paths:
        if found := find_file(read, root, path):
            return path, found
    folder = find_folder(read, root, paths[0][:3])
    return paths[-1 if folder and len(read(folder)) >= WIDE else 0], None


def find_folder(read: Read, root: bytes, path: Path) -> bytes | None:
    """The id of the tree at `path`; None where no folder lies there."""
    return _folder(find(read, root, path))


def changed_files(read: Read, old: bytes | None, new: bytes | None, at: Path = ()) -> Iterator[tuple[Path, bytes | None, bytes | None]]:
    """Every file that differs between two trees: its path below `at`, its id before and after. Folders that are the same are not read.

    A folder at the deepest is told as if it were a file: somebody's hand can put folders into folders without end.
    """
    if old == new:
        return
    before, after = (read(tree) if tree else {} for tree in (old, new))
    for name in {**before, **after}:  # in a tree's own order, where one of them is empty
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        path = (*at, name)
        file_before, file_after = _file(was), _file(now)
        if file_before != file_after:
            yield path, file_before, file_after
        folder_before, folder_after = _folder(was), _folder(now)
        if len(path) >= DEEPEST and folder_before != folder_after:
            yield path, folder_before, folder_after
        elif folder_before or folder_after:
            yield from changed_files(read, folder_before, folder_after, path)


def _file(item: Item | None) -> bytes | None:
    return item[1] if item is not None and stat.S_ISREG(item[0]) else None


def _folder(item: Item | None) -> bytes | None:
    return item[1] if item is not None and stat.S_ISDIR(item[0]) else None


# --- changing --------------------------------------------------------------------------------------------------------


def edited(read: Read, root: bytes | None, edits: Mapping[Path, Item | None]) -> tuple[bytes | None, list[Tree]]:
    """The tree `root` with `edits` made (None: remove), and all the trees that are new in it.

    A folder that would be empty is not there; None where nothing is left at all.
    """
    content = dict(read(root)) if root else {}
    below: dict[bytes, dict[Path, Item | None]] = {}
    made: list[Tree] = []
    for path, item in edits.items():
        if len(path) > 1:
            below.setdefault(path[0], {})[path[1:]] = item
        elif item is None:
            content.pop(path[0], None)
        else:
            content[path[0]] = item
    for name, inner in below.items():
        there = content.get(name)
        folder, new = edited(read, there[1] if there and stat.S_ISDIR(there[0]) else None, inner)
        made += new
        if folder is not None:
            content[name] = (FOLDER_MODE, folder)
        elif there and stat.S_ISDIR(there[0]):
            del content[name]
    if not content:
        return None, made
    tree = Tree()
    for name, (mode, sha) in content.items():
        tree.add(name, mode, ObjectID(sha))
    if tree.id != root:
        made.append(tree)
    return bytes(tree.id), made
