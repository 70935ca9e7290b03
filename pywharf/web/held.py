"""What a request holds until its response is closed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TypeVar

from pywharf.web.responses import Body

Entered = TypeVar("Entered")


class Held:
    """The repositories it works on, and the body of its response where that is more than bytes. For one thread; closed once."""

    __slots__ = ("_body", "_repositories")

    def __init__(self) -> None:
        self._repositories: AbstractContextManager[object] | None = None
        self._body: Body | None = None

    def hold(self, repositories: AbstractContextManager[Entered]) -> Entered:
        """Enter it; it is left at the end."""
        entered = repositories.__enter__()
        self._repositories = repositories
        return entered

    def add(self, body: Body) -> None:
        """Close it at the end, before the repositories that it comes from are left."""
        self._body = body

    def close(self) -> None:
        try:
            if self._body is not None:
                self._body.close()
        finally:
            if self._repositories is not None:
                self._repositories.__exit__(None, None, None)
