"""`GET /static/<name>`: the style sheet, the script and the sign, open to everybody. They are part of the program and say nothing of anybody."""

from __future__ import annotations

from pywharf.web.errors import NotFound
from pywharf.web.headers import none_match
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_modified
from pywharf.web.templating import static_bytes, static_tag

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def static_file(request: Request, name: str) -> Response:
    """Kept by browsers for a year under the tag that our pages ask for it with, for an hour without."""
    content = static_bytes(name)
    kind = _KINDS.get(name.rpartition(".")[2])
    if content is None or kind is None:
        raise NotFound
    tag = static_tag(name)
    age = "31536000, immutable" if request.query_value("v") == tag else "3600"
    fields = [("Cache-Control", f"public, max-age={age}"), ("X-Content-Type-Options", "nosniff")]
    if not none_match(request.header("If-None-Match"), f'"{tag}"'):
        return not_modified(f'"{tag}"', fields)
    policy = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    return Response(200, content, [*fields, ("Content-Type", kind), ("ETag", f'"{tag}"'), policy])
