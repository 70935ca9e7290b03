"""What a disk may hold after the power went: made from a trace of what a process did to a folder.

POSIX promises little: what a file holds lasts once the file was fsynced, a name once its folder was. Of everything else any part may
be there and any may not, in any order; of a write also half, or its length with zeros in place of its bytes. A trace is recorded at
the calls of `os`; bytes that were written elsewhere are noticed at the file's fsync. Files of SQLite are left as they were at first:
it loses whole transactions, and nothing else.

After "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

MOST = 12  # states of one moment that are looked at, beyond which dice decide
EVERY = 3  # effects that may be lost at one moment, up to which every combination is looked at
PASSING = ("incoming", "lock")  # folders of what no start believes in: their names are swept, or locks of nobody


@dataclass(eq=False)
class Inode:
    """A file or a folder, as the process sees it."""

    is_folder: bool
    is_passing: bool = False


@dataclass(frozen=True)
class Effect:
    """One thing that a call did, and where it has to be fsynced to last."""

    what: str  # "name", "gone", "bytes", "length"
    on: Inode  # the folder of the name, or the file
    name: str = ""
    target: Inode | None = None
    at: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class Fsync:
    on: Inode


@dataclass
class Image:
    """What a disk holds: names by folder, bytes by file."""

    names: dict[Inode, dict[str, Inode]] = field(default_factory=dict)
    bytes: dict[Inode, bytes] = field(default_factory=dict)

    def copy(self) -> Image:
        return Image({folder: dict(names) for folder, names in self.names.items()}, dict(self.bytes))

    def apply(self, effect: Effect, how: str = "whole") -> None:
        if effect.what == "name" and effect.target is not None:
            self.names.setdefault(effect.on, {})[effect.name] = effect.target
        elif effect.what == "gone":
            self.names.get(effect.on, {}).pop(effect.name, None)
        elif effect.what == "length":
            self.bytes[effect.on] = self.bytes.get(effect.on, b"")[: effect.at]
        else:
            data = {"whole": effect.data, "half": effect.data[: len(effect.data) // 2], "zeros": bytes(len(effect.data))}[how]
            before = self.bytes.get(effect.on, b"").ljust(effect.at, b"\0")
            self.bytes[effect.on] = before[: effect.at] + data + before[effect.at + len(data) :]

    def write(self, inode: Inode, path: Path) -> None:
        """Make it real."""
        path.mkdir()
        for name, target in self.names.get(inode, {}).items():
            if target.is_folder:
                self.write(target, path / name)
            else:
                (path / name).write_bytes(self.bytes.get(target, b""))
                (path / name).chmod(0o600)


class Recorder:
    """Follows one folder from now on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = Inode(is_folder=True)
        self.first = Image()
        self._read(self.top, root)
        self._now = self.first.copy()
        self.trace: list[Effect | Fsync] = []

    @contextmanager
    def recording(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patch:
            for name in ("open", "mkdir", "link", "rename", "unlink", "write", "ftruncate", "fsync"):
                patch.setattr(os, name, self._around(name, getattr(os, name)))
            yield

    def states(self, dice: random.Random) -> Iterator[tuple[int, Image]]:
        """What the disk may hold, with how many calls of the trace had been made. The last are those after all of it.

        Right before each fsync, and at the end: what may be there earlier may be there then, with the calls in between lost.
        """
        for moment in [number for number, step in enumerate(self.trace) if isinstance(step, Fsync)] + [len(self.trace)]:
            pending: dict[int, Effect] = {}
            for number, step in enumerate(self.trace[:moment]):
                if isinstance(step, Fsync):
                    pending = {index: effect for index, effect in pending.items() if effect.on is not step.on}
                elif not step.on.is_passing:
                    pending[number] = step
            for chosen in _choices(list(pending.values()), dice):
                state = self.first.copy()
                fate = dict(zip(pending, chosen, strict=True))
                for number, step in enumerate(self.trace[:moment]):
                    if isinstance(step, Effect) and (how := fate.get(number, "whole")):
                        state.apply(step, how)
                yield moment, state

    # --- recording ------------------------------------------------------------------------------------------------------

    def _read(self, folder: Inode, path: Path) -> None:
        names = self.first.names.setdefault(folder, {})
        seen: dict[int, Inode] = {}
        for entry in sorted(os.scandir(path), key=lambda one: one.name):
            inode = Inode(entry.is_dir(follow_symlinks=False), folder.is_passing or entry.name in PASSING)
            names[entry.name] = seen.setdefault(entry.inode(), inode)
            if inode.is_folder:
                self._read(inode, Path(entry.path))
            elif not entry.is_symlink():
                self.first.bytes[names[entry.name]] = Path(entry.path).read_bytes()

    def _find(self, path: object) -> tuple[Inode, str, Inode | None] | None:
        """The folder, the name in it, and what is there; None for what is not followed."""
        where = Path(os.readlink(f"/proc/self/fd/{path}")) if isinstance(path, int) else Path(os.path.abspath(str(path)))
        if where == self.root:
            return self.top, "", self.top
        if not where.is_relative_to(self.root) or where.relative_to(self.root).parts[0] == "index":
            return None
        at = self.top
        *folders, name = where.relative_to(self.root).parts
        for part in folders:
            found = self._now.names.get(at, {}).get(part)
            if found is None:
                return None
            at = found
        return at, name, self._now.names.get(at, {}).get(name)

    def _do(self, effect: Effect) -> None:
        self._now.apply(effect)
        self.trace.append(effect)

    def _around(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        after = getattr(self, f"_{name}")

        def around(*arguments: object, **options: object) -> object:
            place = self._find(arguments[0])
            result = call(*arguments, **options)
            after(place, result, *arguments)
            return result

        return around

    def _open(self, place: tuple[Inode, str, Inode | None] | None, result: object, path: object, flags: int = 0, *rest: object) -> None:
        if place and flags & os.O_CREAT and place[2] is None:
            self._do(Effect("name", place[0], place[1], Inode(is_folder=False)))

    def _mkdir(self, place: tuple[Inode, str, Inode | None] | None, *rest: object) -> None:
        if place:
            self._do(Effect("name", place[0], place[1], Inode(True, place[0].is_passing or place[1] in PASSING)))

    def _link(self, place: tuple[Inode, str, Inode | None] | None, result: object, source: object, target: object) -> None:
        to = self._find(target)
        if place and to and place[2]:
            self._do(Effect("name", to[0], to[1], place[2]))

    def _rename(self, place: tuple[Inode, str, Inode | None] | None, result: object, source: object, target: object) -> None:
        to = self._find(target)
        if place and to and place[2]:
            self._do(Effect("name", to[0], to[1], place[2]))
            self._do(Effect("gone", place[0], place[1]))

    def _unlink(self, place: tuple[Inode, str, Inode | None] | None, *rest: object) -> None:
        if place:
            self._do(Effect("gone", place[0], place[1]))

    def _write(self, place: tuple[Inode, str, Inode | None] | None, result: object, file: int, data: bytes) -> None:
        if place and place[2]:
            end = len(self._now.bytes.get(place[2], b""))  # whatever is written in this way is appended
            self._do(Effect("bytes", place[2], at=end, data=bytes(data)[: int(str(result))]))

    def _ftruncate(self, place: tuple[Inode, str, Inode | None] | None, result: object, file: int, length: int) -> None:
        if place and place[2]:
            self._do(Effect("length", place[2], at=length))

    def _fsync(self, place: tuple[Inode, str, Inode | None] | None, result: object, file: int) -> None:
        if not place or not place[2]:
            return
        if not place[2].is_folder:
            there = Path(os.readlink(f"/proc/self/fd/{file}")).read_bytes()
            known = self._now.bytes.get(place[2], b"")
            if there != known:
                assert there.startswith(known), "written in another way than by appending"
                self._do(Effect("bytes", place[2], at=len(known), data=there[len(known) :]))
        self.trace.append(Fsync(place[2]))


def _choices(pending: list[Effect], dice: random.Random) -> Iterator[tuple[str, ...]]:
    """How each of what is not safe yet may have come out; "" is lost."""
    hows = [("", "half", "zeros", "whole") if effect.what == "bytes" else ("", "whole") for effect in pending]
    if len(pending) <= EVERY:
        yield from itertools.product(*hows)
        return
    for lost in range(len(pending)):
        yield tuple("" if number == lost else "whole" for number in range(len(pending)))
        yield tuple("whole" if number == lost else "" for number in range(len(pending)))
    for _ in range(MOST - 2 * len(pending)):
        yield tuple(dice.choice(how) for how in hows)
