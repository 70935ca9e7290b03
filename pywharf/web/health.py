"""`GET /health/`, for load balancers: may requests be sent here? Open to everybody, so it tells a stranger nothing of any repository.

200 while at least one repository answers, 503 while none does: a load balancer that took the server away because one of
its repositories is in trouble would take the others away as well. Whoever shows a repository's secret is told how that one is
doing besides; a secret that is wrong, or that cannot be asked about now, changes nothing, since a check of a server's health may not
depend on it.
"""

from __future__ import annotations

import json
from typing import Any

from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied, BackendUnavailable
from pywharf.repository.health import Health
from pywharf.web.callers import Caller, Callers
from pywharf.web.errors import NotAuthenticated, Throttled
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect


class HealthPage:
    """The route. Shared between threads."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def __call__(self, request: Request) -> Response:
        """{"status": "ok"}; "degraded" where somebody should look; 503 and "unavailable" where no repository answers."""
        if not request.raw_path.endswith("/"):
            return redirect(request, "health/")
        caller = self._caller(request)
        found = {name: repository.health() for name, repository in request.generation.repositories.items()}
        told: dict[str, Any] = {"status": status_of(list(found.values()))}
        if caller is not None:
            told["repository"] = {"name": caller.repository.name, **details(found[caller.repository.name])}
        fields = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
        if told["status"] == "unavailable":
            fields.append(("Retry-After", "2"))
        return Response(503 if told["status"] == "unavailable" else 200, json.dumps(told).encode(), fields)

    def _caller(self, request: Request) -> Caller | None:
        if request.header("Authorization") is None:
            return None
        try:
            return self._callers.identify(request, Access.READ)
        except (NotAuthenticated, Throttled, AccessDenied, BackendUnavailable):
            return None


def status_of(repositories: list[Health]) -> str:
    """One word for all of them.

    "unavailable" where none answers, "degraded" where one does not, or is in trouble with its storage, or has a notice for its operator; or "ok".
    """
    if not any(one.ready for one in repositories):
        return "unavailable"
    return "ok" if all(one.ready and not one.problem and not one.notices for one in repositories) else "degraded"


def details(health: Health) -> dict[str, Any]:
    """How one repository is doing, as JSON says it, for those who may read it."""
    return {
        "ready": health.ready,
        "synced_ago": None if health.synced_ago is None else round(health.synced_ago, 1),
        "problem": health.problem,
        "problem_since": None if health.problem_since is None else int(health.problem_since),
        "notices": [{"at": one.at, "text": one.text} for one in health.notices],
    }
