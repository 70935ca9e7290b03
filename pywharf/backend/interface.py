"""The backend contract.

A backend keeps two things: files, written once and never changed, and one ordered log of changes to small documents,
appended by compare-and-swap. It understands neither. What a document says and what is allowed are decided by pywharf,
once, for all backends. `pywharf.testing.backend_suite` is this page as tests; docs/explanation/backends.md tells it as a story.

Light on purpose: the command line imports it to list plugins, so nothing here may import pydantic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NewType

if TYPE_CHECKING:
    from pywharf.backend.settings import BackendConfig, BackendSecret

    ConfigModel = type[BackendConfig]  # named here, since a plugin's own `type` is in the way below
    SecretModel = type[BackendSecret]

Cursor = NewType("Cursor", str)  # a position in a backend's log; opaque, printable, at most 200 characters


class Access(IntEnum):
    """What a secret may do. Writing includes reading."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class FileRef:
    """One body in the storage."""

    project: str  # normalised
    name: str  # of the file, as uploaded; "" (and project "") where iter_files() met a body that no name leads to
    sha256: str  # 64 lower-case hex digits; "" where only a look inside would tell (iter_files)
    size: int  # bytes


@dataclass(frozen=True)
class StagedFile:
    """A body on its way in: complete, its digests checked, fsynced, in the folder the plugin named for staging.

    The backend may link or copy it, never alter or remove it: whoever staged it does.
    """

    ref: FileRef
    path: Path


@dataclass(frozen=True)
class Change:
    """What one commit does to one project: visible whole or not at all."""

    project: str  # normalised
    documents: Mapping[str, bytes]  # by key; UTF-8, at most 32 KiB each; at least one
    files: Sequence[StagedFile] = ()
    drop: Sequence[FileRef] = ()  # bodies to remove once the commit is made
    message: str = ""  # one line for people, e.g. "Publish demo 1.2.0: demo-1.2.0-py3-none-any.whl"

    def disturbed_by(self, project: str, key: str) -> bool:
        """Whether a change of this key in between makes this change Moved: its own keys, and the project's own document."""
        return project == self.project and (key == "" or key in self.documents)


class Entry(NamedTuple):
    """The newest document under one key. A tuple, since a storage of a million makes a million of them."""

    project: str  # normalised
    key: str  # "" is the project itself
    serial: int  # given by the backend at the commit; grows with each; the same for every reader for ever
    document: bytes | None  # None: somebody removed it behind pywharf's back; the name stays taken


@dataclass
class Changes:
    """What happened after a cursor."""

    reset: bool  # the cursor is not in this storage's past: forget everything, `entries` is all there is
    entries: Iterator[Entry]  # in any order; of one key the last given counts; read once
    cursor: Cursor  # good once `entries` is exhausted
    notice: str = ""  # what an operator has to know and no page shows, e.g. that the history was replaced; one sentence, no secret
    doubt: str = ""  # what is wrong there although it can be read, e.g. that it may not be the one that is meant; while it is so


@dataclass
class FileBody:
    """An open body: seekable, of known size. Close it, or use it in a `with`."""

    stream: BinaryIO  # positioned at the first byte; a real file wherever the backend has one
    size: int  # bytes
    # The very file that `stream` reads, where another program on this machine can go on to open it, since it stays there for as long as
    # the storage has the body; None for anything else, such as a cache that makes room. `--sendfile` needs it.
    path: Path | None = None

    def __enter__(self) -> FileBody:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def seek(self, offset: int) -> int:
        return self.stream.seek(offset)

    def close(self) -> None:
        self.stream.close()


@dataclass(frozen=True)
class Flaw:
    """Something wrong with what a storage keeps for itself, as an operator is told of it."""

    where: str  # which part, by the name it has in the storage, e.g. "journal.jsonl, line 7"; no path of the server
    what: str  # what is wrong, one clause
    remedy: str  # what to do, one clause
    mended: bool = False


class Backend(ABC):
    """One repository's storage, opened with one secret.

    Shared between threads; never across fork(). Every method checks the right it needs and raises AccessDenied;
    BackendUnavailable where the storage cannot be asked or cannot promise. Anything else is a bug.
    (commit may say more: ChangeRefused, StorageTakesLess, where sending it again cannot help.)
    """

    @abstractmethod
    def access(self) -> Access:
        """What the secret may do. Raises BackendUnavailable when that cannot be known: never a guess."""

    @abstractmethod
    def commit(self, change: Change, after: Cursor) -> None:
        """Append the change: all of it or nothing. Needs WRITE.

        Raises Moved if, since `after`, any key in `change.documents` or the project's own key "" changed, or if `after` is
        not in this storage's past. Other keys of the same project do not disturb. When it returns, the change survives
        power loss (or is in the remote). Bodies are placed before documents are.
        """

    @abstractmethod
    def read_changes(self, after: Cursor | None) -> Changes:
        """Everything that changed since `after`, or everything there is. Needs READ.

        Costs in proportion to the change, and next to nothing where there is none: then the same cursor comes back.
        A storage that was filled and is now missing or empty is BackendUnavailable, not an empty reset.
        """

    @abstractmethod
    def open_file(self, file: FileRef) -> FileBody:
        """Open a body that a commit placed, or one that iter_files() met (sha256 "": whatever lies there now).

        Needs READ. Raises FileMissing.
        """

    @abstractmethod
    def iter_files(self) -> Iterator[FileRef]:
        """Every body that lies in the storage, whether a commit placed it or somebody's hand. Needs READ.

        For `update_index` and `verify`: a walk, not an index, so a body can come twice. sha256 is "" where only a look
        inside would tell, as for a file somebody copied into a project's folder; name is "" where no name leads to it.
        """

    def write_checkpoint(self, entries: Iterable[Entry], at: Cursor) -> None:
        """Keep `entries`, which is the whole log up to `at`, so that a server without a local index starts faster. Needs WRITE.

        An older checkpoint never replaces a newer one. Default: nothing to do, for a storage whose log is quick to read.
        """

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        """Remove bodies older than a day whose sha256 `is_known` denies: uploads that died before their commit.

        Returns how many. Never removes a body that a commit going on at this moment refers to. Needs WRITE.
        Default: nothing to do.
        """
        return 0

    def secret_label(self) -> str:
        """What the configuration calls the secret, for the audit; "" where it has no name. Default: it has none. Never slow."""
        return ""

    def examine_log(self, *, repair: bool) -> Iterator[Flaw]:
        """What is wrong with the log itself and with the checkpoint: what `read_changes` passes over. Needs READ.

        repair: mend what can be known for certain; then needs WRITE. What cannot is left as it is. Default: nothing to look at.
        """
        return iter(())

    def examine_copies(self, files: Iterable[FileRef], *, repair: bool) -> Iterator[Flaw]:
        """What is wrong with further copies of these bodies that the storage keeps, such as links for people. Needs READ.

        repair: make those anew that are missing; then needs WRITE. Removes nothing. Default: nothing to look at.
        """
        return iter(())

    def open_copy(self, file: FileRef) -> FileBody | None:
        """The server's own copy of a body, without a word to the storage; None where there is none, or READ was never shown to be there.

        A right that the storage took back since then takes no copy away: who may see it is asked with the caller's own secret, and
        this server's may have been replaced, or the storage be down. Default: there are no copies, as where bodies are always read
        from the storage itself.
        """
        return None

    def drop_copy(self, file: FileRef) -> bool:
        """Forget this server's own copy of a body, whose digest was found wrong, so that the next open_file() asks the storage.

        False where there is none, as where bodies are always read from the storage itself: the default.
        """
        return False

    def close(self) -> None:
        """Let go of connections and descriptors. Default: nothing to do."""


@dataclass(frozen=True)
class PluginCommand:
    """A command that a plugin adds to the command line as TYPE.NAME."""

    name: str  # without the type, e.g. "init_pkg_repo"
    target: str  # "package.module:attribute" of the click command, imported on use
    summary: str  # one line for `pywharf --help`


class BackendPlugin(ABC):
    """What makes a backend. The object an entry point of the group `pywharf.backends` leads to.

    The module it lives in is imported to list commands, so it imports nothing heavy: `config_model` and `secret_model`
    import their classes when they are asked for.
    """

    type: str  # the `type` in the configuration, and the entry point's name
    commands: Sequence[PluginCommand] = ()
    needs_admin_secret: bool = True  # whether the server needs a secret of its own to read this storage

    @property
    @abstractmethod
    def config_model(self) -> ConfigModel:
        """The model of a repository's table in the configuration."""

    @property
    @abstractmethod
    def secret_model(self) -> SecretModel:
        """The model of a repository's table in the admin secrets; also what a caller's password is put in."""

    @abstractmethod
    def open(self, config: Any, secret: BackendSecret | None, workdir: Path) -> Backend:
        """Open a repository's storage: no connection, no thread, no lock yet.

        config: an instance of `config_model`. secret: None is the server itself, where `needs_admin_secret` is False.
        workdir: ROOT/cache/<repository>, made by the caller; instances on one workdir share it, across processes too.
        """

    def staging(self, config: Any, workdir: Path) -> Path | None:
        """Where uploads are received, best on the storage's own file system. None: ROOT/incoming. The caller makes it."""
        return None

    def first_config(self) -> tuple[BackendConfig, BackendSecret | None] | None:
        """The configuration of the repository that an empty ROOT starts with; None where this type needs to be told more."""
        return None
