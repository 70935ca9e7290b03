"""What a source distribution may hold besides files and folders: links that stay in its folder. Nothing else.

Source: "Source distribution format" on packaging.python.org, "Source distribution archive features"; PEP 721 (the `data` filter).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.sdist import plain_path
from pywharf.repository.checks.candidate import Candidate, of_tar
from pywharf.repository.checks.sdist_paths import CONTROL, shown

MAX_HOPS = 40  # from link to link, as on Linux
MAX_STEPS = 200_000  # from folder to folder, of all links together: 20,000 links of ten each

_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


@of_tar
def tar_members_are_files_folders_and_links(candidate: Candidate) -> None:
    """Devices, FIFOs, and kinds of member that only some readers know."""
    for member in candidate.source_tree.members:
        if member.kind == "other":
            raise refused(f"the archive holds a device, a FIFO or something unknown: {shown(member.name)}")


@of_tar
def tar_links_stay_inside(candidate: Candidate) -> None:
    """A link leads to a place in the top folder, also by way of other links. A hard link leads to a file that came before it."""
    tree = candidate.source_tree
    files: set[str] = set()
    links: dict[str, str] = {}
    for member, path in zip(tree.members, tree.paths, strict=True):
        if member.kind in ("symlink", "hard link") and _is_no_target(member.target):
            raise refused(f"the link {shown(path)} has a target that is absolute, empty, or no plain path")
        if member.kind == "symlink":
            links[path] = member.target
        elif member.kind == "hard link" and plain_path(member.target) not in files:
            raise refused(f"the hard link {shown(path)} leads to no file that came before it in the archive")
        elif member.kind != "folder":
            files.add(path)
    steps = 0
    for path in links:
        steps += _steps_to_the_end(path, links, MAX_STEPS - steps)


def _is_no_target(target: str) -> bool:
    return not target or "\\" in target or CONTROL.search(target) is not None or _ABSOLUTE.match(target) is not None


def _steps_to_the_end(path: str, links: Mapping[str, str], most: int) -> int:
    """How many steps it is to where a link leads, as a system would go there. Raises UploadRejected where it leads out, or nowhere.

    What does not exist is taken for a folder: it may, when something else has been unpacked or built.
    """
    at = path.split("/")[:-1]
    way = deque(links[path].split("/"))
    hops = steps = 0
    while way:
        steps += 1
        step = way.popleft()
        if step == "..":
            at.pop()
            if not at:
                raise refused(f"the link {shown(path)} leads out of the folder at the archive's top")
        elif step not in ("", "."):
            target = links.get("/".join([*at, step]))
            if target is None:
                at.append(step)
            else:
                hops += 1
                way.extendleft(reversed(target.split("/")))
        if hops > MAX_HOPS or steps > most:
            raise refused(f"the link {shown(path)} leads in a circle, or on too long a way")
    return steps
