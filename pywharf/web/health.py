"""`GET /health/`, for load balancers: may requests be sent here? Open to everybody, so it tells nothing of any repository.

200 while at least one repository answers, 503 while none does: a load balancer that took the server away because one of
its repositories is in trouble would take the others away as well.
"""

from __future__ import annotations

import json

from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect


def health(request: Request) -> Response:
    """{"status": "ok"}; "degraded" where some repository does not answer yet or no longer; 503 and "unavailable" where none does."""
    if not request.raw_path.endswith("/"):
        return redirect(request, "health/")
    ready = [repository.health().ready for repository in request.generation.repositories.values()]
    status = "ok" if ready and all(ready) else "degraded" if any(ready) else "unavailable"
    fields = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
    if status == "unavailable":
        fields.append(("Retry-After", "2"))
    return Response(503 if status == "unavailable" else 200, json.dumps({"status": status}).encode(), fields)
