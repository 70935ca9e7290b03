"""Browser sessions, kept on the server: the cookie is a random id and nothing else.

The database is shared by all processes on a ROOT. It holds no id and no secret that could be used: an id is stored as its hash,
and the secret that a session acts with is sealed with the id, which only the browser has. So every request of a session goes
through the same checks as one with Basic authentication, and ends when the secret does. A session is tied to the repository and
the configuration that it began with by the same seal.

Derived from nothing and precious to nobody: where it is damaged, it is begun anew, and people log in again.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import sqlite3
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pywharf.errors import BackendUnavailable
from pywharf.files import PRIVATE_FILE, locked

IDLE = 12 * 3600.0  # seconds without a request after which a session is over
ABSOLUTE = 7 * 86400.0  # seconds after which it is over in any case
TOUCHED = 60.0  # seconds between two notes that a session is in use
MOST = 10_000  # sessions of one repository; beyond, those used longest ago end
BUSY = 5.0  # seconds to wait for another process that writes

# A clock that was set back must not make a session last: hence the distances, whichever way.
_OVER = f"(abs(:now - used) > {IDLE} OR abs(:now - began) > {ABSOLUTE})"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions(lookup BLOB PRIMARY KEY, repository TEXT NOT NULL, sealed BLOB NOT NULL, began REAL NOT NULL, used REAL NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_use ON sessions(repository, used);
"""
_NOT_OURS = re.compile(r"no such (table|column)|table sessions has|[Cc]ould not decode")
_ID_BYTES = 32
_TAG_BYTES = 32

Result = TypeVar("Result")

log = logging.getLogger(__name__)

_inherited: list[sqlite3.Connection] = []  # over a fork: a copy may not even be closed, since that gives up the other's locks


@dataclass(frozen=True)
class Session:
    """A session that is not over. Whether its secret still opens the repository is asked like that of any caller."""

    cookie: str = field(repr=False)
    repository: str
    secret: str = field(repr=False)

    @property
    def form_token(self) -> str:
        """What our forms carry, to prove that a page of ours sent them: 64 hex digits."""
        return hmac.new(_id_of(self.cookie) or b"", b"pywharf form", "sha256").hexdigest()

    def made_form(self, token: str) -> bool:
        """Whether a form with this token is from a page of this session."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.form_token.encode())


class Sessions:
    """The sessions of one ROOT. Shared between threads; each process opens the database for itself."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """path: made where it is missing. clock: Unix time, since sessions outlive processes."""
        self._path = path
        self._clock = clock
        self._guard = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # the one that is open
        self._owner = 0

    def begin(self, repository: str, secret: str, configuration: str) -> str:
        """A new session of a caller whose secret was checked. Returns the cookie's value.

        configuration: which one the server runs on; with another one the session is over. Raises BackendUnavailable.
        """
        identity = secrets.token_bytes(_ID_BYTES)
        now = self._clock()
        row = (_lookup(identity), repository, _seal(identity, secret, repository, configuration), now, now)

        def insert(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            with db:
                db.execute(f"DELETE FROM sessions WHERE {_OVER}", {"now": now})  # noqa: S608 - numbers of ours
                db.execute(
                    "DELETE FROM sessions WHERE lookup IN "
                    "(SELECT lookup FROM sessions WHERE repository = ? ORDER BY used DESC LIMIT -1 OFFSET ?)",
                    (repository, MOST - 1),
                )
                db.execute("INSERT INTO sessions VALUES(?, ?, ?, ?, ?)", row)

        self._ask(insert)
        return urlsafe_b64encode(identity).rstrip(b"=").decode()

    def find(self, cookie: str, configuration: str) -> Session | None:
        """The session of a cookie; None where there is none, or it is over. Raises BackendUnavailable."""
        identity = _id_of(cookie)
        if identity is None:
            return None
        named = {"now": self._clock(), "lookup": _lookup(identity)}

        def select(db: sqlite3.Connection) -> Session | None:
            row = db.execute(
                f"SELECT CAST(repository AS TEXT), CAST(sealed AS BLOB), {_OVER}, abs(:now - used) > {TOUCHED} FROM sessions WHERE lookup = :lookup",  # noqa: S608
                named,
            ).fetchone()
            if row is None:
                return None
            repository, sealed, is_over, is_stale = row
            secret = None if is_over else _unseal(identity, sealed, repository, configuration)
            if secret is None:
                _note(db, "DELETE FROM sessions WHERE lookup = :lookup", named)
                return None
            if is_stale:
                _note(db, "UPDATE sessions SET used = :now WHERE lookup = :lookup", named)
            return Session(cookie, repository, secret)

        return self._ask(select)

    def end(self, cookie: str) -> None:
        """End a session, for whoever still has its cookie too. Raises BackendUnavailable."""
        identity = _id_of(cookie)
        if identity is not None:
            lookup = _lookup(identity)
            self._ask(lambda db: db.execute("DELETE FROM sessions WHERE lookup = ?", (lookup,)))

    def end_all(self) -> None:
        """End every session of every repository. Raises BackendUnavailable."""
        self._ask(lambda db: db.execute("DELETE FROM sessions"))

    def count(self) -> dict[str, int]:
        """How many sessions each repository has that are not over. Raises BackendUnavailable."""
        question = f"SELECT CAST(repository AS TEXT), count(*) FROM sessions WHERE NOT {_OVER} GROUP BY repository"  # noqa: S608 - numbers of ours
        return self._ask(lambda db: dict(db.execute(question, {"now": self._clock()}).fetchall()))

    def close(self) -> None:
        """Let go of the database."""
        with self._guard:
            self._let_go()

    # --- the database -----------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        """Ask the database; where it is damaged, ask a new one. Raises BackendUnavailable."""
        with self._guard:
            try:
                try:
                    return question(self._opened())
                except sqlite3.Error as error:
                    if not _is_damage(error):
                        raise
                    self._begin_anew(error)
                    return question(self._opened())
            except (OSError, sqlite3.Error) as error:  # busy, or the disk's trouble
                log.warning("sessions cannot be looked up: reason=%s", error)
                raise BackendUnavailable("the server cannot look up sessions now; its disk may be full", retry_after=10) from error

    def _opened(self) -> sqlite3.Connection:
        """The open database, the present one: another process may have begun it anew."""
        if self._db is None or self._owner != os.getpid() or self._file != self._named():
            self._let_go()
            with self._locked():
                try:
                    self._open()
                except sqlite3.Error as error:
                    if not _is_damage(error):
                        raise
                    self._remove(error)
                    self._open()
        if self._db is None:
            raise FileNotFoundError(self._path.name)
        return self._db

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        try:
            os.fchmod(descriptor, PRIVATE_FILE)  # SQLite gives its -wal and -shm the same
        finally:
            os.close(descriptor)
        self._db = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._owner = os.getpid()
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.executescript(_SCHEMA)
        self._file = self._named()

    def _begin_anew(self, error: sqlite3.Error) -> None:
        damaged = self._file
        self._let_go()
        with self._locked():
            if self._named() == damaged:  # nobody else did it meanwhile
                self._remove(error)

    def _remove(self, error: sqlite3.Error) -> None:
        log.error("the sessions are damaged and begun anew, everybody has to log in again: reason=%s", error)
        self._let_go()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")

    def _let_go(self) -> None:
        if self._db is not None and self._owner == os.getpid():
            self._db.close()
        elif self._db is not None:
            _inherited.append(self._db)
        self._db = self._file = None

    def _named(self) -> tuple[int, int] | None:
        """The file that has our name now."""
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(self._path)
            return found.st_dev, found.st_ino
        return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """While a file is made or removed: nobody may open one half of each."""
        with locked(self._path.with_name(f"{self._path.name}.lock"), timeout=BUSY):
            yield


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not a database of ours, rather than busy or on a disk in trouble."""
    return not isinstance(error, sqlite3.OperationalError) or _NOT_OURS.search(str(error)) is not None


def _note(db: sqlite3.Connection, statement: str, named: dict[str, object]) -> None:
    """Write down what can wait: a full disk logs nobody out."""
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute(statement, named)


# --- ids and sealed secrets -------------------------------------------------------------------------------------------


def _id_of(cookie: str) -> bytes | None:
    if len(cookie) != 43 or not cookie.isascii():
        return None
    try:
        identity = urlsafe_b64decode(cookie + "=")
    except ValueError:
        return None
    # Of the spellings that decode to one id only ours is taken.
    return identity if urlsafe_b64encode(identity).rstrip(b"=").decode() == cookie else None


def _lookup(identity: bytes) -> bytes:
    return hashlib.sha256(b"pywharf session\0" + identity).digest()


def _seal(identity: bytes, secret: str, repository: str, configuration: str) -> bytes:
    """The secret, readable with the id only, and unchangeable without it.

    Each id is random and seals one secret in its life, so a key stream made of it is used once.
    """
    hidden = _stream(identity, secret.encode("utf-8", "surrogateescape"))
    return _tag(identity, hidden, repository, configuration) + hidden


def _unseal(identity: bytes, sealed: bytes, repository: str, configuration: str) -> str | None:
    """None where the seal is broken, or was made for another repository or configuration."""
    tag, hidden = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(identity, hidden, repository, configuration)):
        return None
    return _stream(identity, hidden).decode("utf-8", "surrogateescape")


def _stream(identity: bytes, data: bytes) -> bytes:
    key = hashlib.shake_256(b"pywharf session secret\0" + identity).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, key, strict=True))


def _tag(identity: bytes, hidden: bytes, repository: str, configuration: str) -> bytes:
    bound = b"".join(hashlib.sha256(part).digest() for part in (repository.encode(), configuration.encode(), hidden))
    return hmac.new(identity, b"pywharf session seal\0" + bound, "sha256").digest()
