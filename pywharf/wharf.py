"""The running set of repositories, swapped whole when the server is initialised anew.

A request works on one generation from its begin to its end; an older generation is closed when its last request is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from pywharf import stored_config
from pywharf.config import RepositorySettings, ServerSettings, parse
from pywharf.counting import NOT_COUNTED, Counting
from pywharf.errors import AccessDenied, BackendUnavailable, ConfigInvalid, InvalidName, LayoutUnusable, WharfError
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.model.names import repository_name
from pywharf.repository.audit import ON_THIS_MACHINE, Audit, Event, Requester
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig

FOLLOW = 0.5  # seconds between looks whether another process initialised
FIRST_SYNC = 5.0  # seconds a start waits for the repositories to be ready

log = logging.getLogger(__name__)


class Generation:
    """The repositories of one configuration."""

    def __init__(self, number: int, repositories: Mapping[str, Repository], configuration: str = "") -> None:
        """configuration: tells this one from any other, the same in all processes on a ROOT; what is tied to it ends with it."""
        self.number = number
        self.configuration = configuration
        self.repositories = repositories  # by name, lower case
        self._guard = threading.Lock()
        self._users = 0
        self._retired = False
        self._successor: Generation | None = None

    def find(self, name: str) -> Repository | None:
        """The repository of that name, in any case."""
        try:
            return self.repositories.get(repository_name(name))
        except InvalidName:
            return None

    def start(self) -> None:
        """Begin to follow the storages, and wait a moment until they can answer. Of two on one ROOT the older is stopped before."""
        for repository in self.repositories.values():
            repository.start()
        end = time.monotonic() + FIRST_SYNC
        for repository in self.repositories.values():
            repository.wait_until_ready(max(0.0, end - time.monotonic()))

    def enter(self) -> bool:
        """Begin to use it; False where it is closed already."""
        with self._guard:
            if self._retired and not self._users:
                return False
            self._users += 1
            return True

    def __enter__(self) -> Generation:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        with self._guard:
            self._users -= 1
            last = self._retired and not self._users
        if last:
            self._close()

    def stop(self) -> None:
        """No longer follow the storages; requests in flight go on."""
        for repository in self.repositories.values():
            repository.stop()

    def retire(self, successor: Generation) -> None:
        """Close it when its last user is done. successor: who is asked from now on."""
        self.stop()
        with self._guard:
            self._retired = True
            self._successor = successor
            unused = not self._users
        if unused:
            self._close()

    def _close(self) -> None:
        with contextlib.ExitStack() as stack:  # one that cannot be closed stops no other
            for repository in self.repositories.values():
                stack.callback(repository.close)
        # Under a name that now stands for another storage, a late request may have brought the index in step with the old one.
        if self._successor is not None:
            for repository in self._successor.repositories.values():
                repository.sync_soon()


class Wharf:
    """Everything this process serves."""

    def __init__(self, layout: Layout, settings: ServerSettings, counting: Counting = NOT_COUNTED) -> None:
        self._counting = counting
        self._layout = layout
        self._settings = settings
        self._audit = Audit(layout.audit / "_server.jsonl", "this server")  # no repository can have that name
        self._guard = threading.Lock()  # held while the configuration is exchanged
        self._generation = Generation(0, {})
        self._stamp: tuple[int, ...] = ()
        self._claimed = False
        self._stop = threading.Event()
        self._follower: threading.Thread | None = None

    def start(self) -> None:
        """Read ROOT's configuration and serve it. Raises ConfigInvalid, LayoutUnusable."""
        self._stop.clear()
        with self._guard:
            self._stamp = stored_config.stamp(self._layout)
            stored = stored_config.read(self._layout)
            if stored is None:
                raise ConfigInvalid(str(self._layout.config), "ROOT has no configuration: start the server with --config")
            self._swap(self._open(self._parse(stored)), stored)
        self._follower = threading.Thread(target=self._follow, name="follow configuration", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop following; what requests still use is closed when they are done."""
        self._stop.set()
        if self._follower is not None:
            self._follower.join()
        with self._guard:
            before = self._generation
            self._generation = Generation(before.number + 1, {})  # for who comes too late
            before.retire(self._generation)

    def hold(self) -> contextlib.AbstractContextManager[Generation]:
        """The generation of this moment, for a `with`: kept open from now on until its end."""
        while not (generation := self._generation).enter():
            time.sleep(0.001)  # it was retired between these two steps: the next one is there already
        return generation

    # --- initialise -------------------------------------------------------------------------------------------------

    def initialize(self, config: str, admin_secret: str, *, requester: Requester = ON_THIS_MACHINE) -> None:
        """Serve another configuration from now on: parsed, checked and opened first, so that a failure changes nothing.

        Other processes follow within a second. The packages of a repository of the same name stay; grants end.
        Raises ConfigInvalid; AuditUnavailable; BackendUnavailable where ROOT or this process has no room for it; NotRecorded
        where it was done.
        """
        self._audit.check()
        with self._guard:
            parsed = parse(config, admin_secret, environ=None, allow_paths=False)
            try:
                self._replace(parsed, StoredConfig(config, admin_secret))
            except (LayoutUnusable, OSError) as error:
                log.error("not initialised, the old configuration goes on: %s", error)
                raise BackendUnavailable("ROOT cannot be used for it; the server's log says more", retry_after=30) from error
        self.claim()
        log.info("initialised anew: repositories=%s", ",".join(sorted(parsed)))
        self._audit.record(Event("initialize", repositories=tuple(sorted(parsed))), requester)

    def check_initialize_token(self, token: str) -> bool:
        """Whether this is the token that allows to initialise."""
        try:
            expected = initialize_token(self._layout.initialize_token, os.environ)
        except (LayoutUnusable, OSError) as error:
            log.error("nobody can initialise: %s", error)
            return False
        return hmac.compare_digest(_digest(token), _digest(expected))

    @property
    def root(self) -> Path:
        """ROOT, the folder of this server."""
        return self._layout.root

    @property
    def sessions_path(self) -> Path:
        """Where the sessions of browsers are kept, for every process on this ROOT."""
        return self._layout.sessions

    @property
    def unclaimed(self) -> bool:
        """Whether the generated configuration runs and nobody has used it yet."""
        return not self._claimed and self._layout.unclaimed.exists()

    def claim(self) -> None:
        """Somebody showed a right secret: from now on only the token initialises."""
        if not self._claimed:
            self._claimed = True
            try:
                self._layout.unclaimed.unlink(missing_ok=True)
            except OSError as error:
                log.error(
                    "anybody on this machine can initialise again after a restart: remove %s (%s)", self._layout.unclaimed, error.strerror
                )

    # --- inside -----------------------------------------------------------------------------------------------------

    def _parse(self, stored: StoredConfig) -> dict[str, RepositorySettings]:
        return parse(
            stored.config, stored.admin_secret, config_source=str(self._layout.config), admin_secret_source=str(self._layout.admin_secret)
        )

    def _open(self, parsed: Mapping[str, RepositorySettings]) -> dict[str, Repository]:
        opened: dict[str, Repository] = {}
        try:
            for name, settings in parsed.items():
                opened[name] = Repository(settings, self._layout, self._settings, self._counting)
        except BaseException:
            _close(opened)
            raise
        return opened

    def _replace(self, parsed: Mapping[str, RepositorySettings], stored: StoredConfig) -> None:
        """Open, check, keep in ROOT and swap in; what fails leaves both as they were."""
        kept, running = stored_config.read(self._layout), self._generation
        opened = self._open(parsed)
        try:
            for repository in opened.values():
                check_admin_secret(repository)
            self._stamp = stored_config.replace(self._layout, stored)
        except BaseException:
            _close(opened)
            raise
        try:
            self._swap(opened, stored)
        except BaseException:
            if kept is not None and self._generation is running:
                self._stamp = stored_config.replace(self._layout, kept)
            raise

    def _swap(self, repositories: Mapping[str, Repository], stored: StoredConfig) -> None:
        before = self._generation
        generation = Generation(before.number + 1, repositories, _digest(f"{stored.config}\0{stored.admin_secret}").hex())
        before.stop()
        try:
            generation.start()
        except BaseException:
            _close(repositories)
            before.start()
            raise
        self._generation = generation
        before.retire(generation)

    def _follow(self) -> None:
        """Serve what another process on this ROOT was initialised with."""
        told = ""
        while not self._stop.wait(FOLLOW):
            if stored_config.stamp(self._layout) == self._stamp:
                continue
            with self._guard:
                found = stored_config.stamp(self._layout)
                if found == self._stamp or self._stop.is_set():
                    continue
                try:
                    stored = stored_config.read(self._layout)
                    if stored is not None:
                        self._swap(self._open(self._parse(stored)), stored)
                        log.info("another process initialised anew: repositories=%s", ",".join(sorted(self._generation.repositories)))
                    self._stamp, told = found, ""
                except (WharfError, OSError) as error:
                    if isinstance(error, ConfigInvalid):
                        self._stamp = found  # another look would find the same; a disk in trouble is looked at again
                    if str(error) != told:
                        log.error("the configuration in ROOT was replaced by one that cannot be used; the old one goes on: %s", error)
                    told = str(error)


def check_admin_secret(repository: Repository, source: str = "admin_secret") -> None:
    """Refuse an admin secret that the storage says may not read; a storage that cannot be asked now is no reason.

    source: what was read, as a person knows it. Raises ConfigInvalid.
    """
    try:
        repository.check_admin_access()
    except AccessDenied as error:
        raise ConfigInvalid(source, "the storage says that this secret may not read it", table=repository.name) from error
    except BackendUnavailable as error:
        log.warning("configured without having asked the storage: repository=%s reason=%s", repository.name, error)


def _close(repositories: Mapping[str, Repository]) -> None:
    for repository in repositories.values():
        repository.close()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
