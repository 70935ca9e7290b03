"""Secrets at work: what each may do in one repository, and the backend instances that changes go through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from pywharf.backend.interface import Access, Backend
from pywharf.backend.settings import BackendSecret
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.keys import key_id
from pywharf.repository.audit import Requester
from pywharf.repository.breaker import Breaker
from pywharf.repository.grants import Grants
from pywharf.repository.guarded_backend import GuardedBackend
from pywharf.repository.writers import Writers


class Rights:
    """One repository's. Shared between threads."""

    def __init__(
        self, settings: RepositorySettings, server: ServerSettings, workdir: Path, key: bytes, own: Backend, breaker: Breaker
    ) -> None:
        """key: what fingerprints of secrets are made with. own: the storage, opened with the server's own right, behind the breaker."""
        self._settings = settings
        self._workdir = workdir
        self._key = key
        self._own = own
        self._breaker = breaker
        self._grants = Grants(self._ask, key, read_expires=server.auth_read_expires, write_expires=server.auth_write_expires)
        self._writers = Writers(self._open_for, key)

    def remembered(self, secret: str, needs: Access) -> Access | None:
        """What is known of a secret without asking the storage; None where nothing is."""
        return self._grants.remembered(secret, needs)

    def access(self, secret: str, needs: Access) -> Access:
        """What a secret may do, at least as fresh as `needs` wants it. Raises BackendUnavailable where that cannot be known."""
        return self._grants.access(secret, needs)

    @contextlib.contextmanager
    def writing(self, secret: str | None, requester: Requester) -> Iterator[tuple[Backend, Requester]]:
        """What a change goes through that is made with a secret, None being the server's own right; and who asked, as the audit tells it."""
        if secret is None:
            yield self._own, requester
            return
        with self._writers.lease(secret) as writer:
            yield writer, requester.with_secret(key_id(self._key, secret), writer.secret_label())

    def close(self) -> None:
        self._writers.close()

    def _ask(self, secret: str) -> Access:
        try:
            with contextlib.closing(self._open_for(secret)) as backend:
                return backend.access()
        except ValidationError:  # not even of a secret's form
            return Access.NONE

    def _open_for(self, secret: str) -> Backend:
        return GuardedBackend(self._settings.plugin.open(self._settings.config, self._secret(secret), self._workdir), self._breaker)

    def _secret(self, secret: str) -> BackendSecret:
        return self._settings.plugin.secret_model.model_validate({"type": self._settings.config.type, "raw": secret})
