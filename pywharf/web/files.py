"""Distribution files and the `.metadata` beside them: the bytes, whole or a part.

A file never changes, so its tag is its digest, and a copy of it is good for ever. It is sent as it is, never compressed on the
way: installers compare its digest, and a `.tar.gz` with a Content-Encoding of gzip would be unpacked by some of them.

Where a trusted proxy can send it, the answer to a GET names the file and has no body; ranges are the proxy's then.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import BackendUnavailable
from pywharf.model.names import ProjectName
from pywharf.web.callers import Caller
from pywharf.web.errors import NotFound, RangeNotSatisfiable
from pywharf.web.headers import none_match
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_modified, redirect
from pywharf.web.sendfile import Sendfile
from pywharf.web.server.sending import FilePart
from pywharf.web.simple import known_project_name

SLICE = 256 * 1024  # bytes; all of a file that is in memory at once
_RANGE = re.compile(r"bytes *= *([0-9]{0,18}) *- *([0-9]{0,18})", re.IGNORECASE)


class DistributionFiles:
    """The route. sendfile: how proxies are told to send a file; None: they are not."""

    def __init__(self, sendfile: Sendfile | None = None) -> None:
        self._sendfile = sendfile

    def __call__(self, request: Request, caller: Caller, project: str, filename: str) -> Response:
        """`GET, HEAD /simple/<project>/<file>`, also for `<file>.metadata`."""
        name = known_project_name(project)
        file = _find(caller, name, filename)
        if request.raw_path != f"/simple/{name}/{filename}":
            return redirect(request, f"simple/{name}/{filename}")
        etag = f'"sha256:{file.sha256}"'
        fields = [("Cache-Control", "private, max-age=31536000, immutable"), ("Vary", "Authorization, Cookie")]
        if not none_match(request.header("If-None-Match"), etag):
            return not_modified(etag, fields)
        fields += [
            ("ETag", etag),
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", "attachment"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        part = _asked_range(request, etag, file.size)
        body = None if request.method == "HEAD" else _open(caller, file)
        named = self._named(request, body)
        if body and named:
            body.close()
            return Response(200, b"", [*fields, named])
        start, end = part or (0, file.size)
        fields += [("Accept-Ranges", "bytes"), ("Content-Length", str(end - start))]
        if part is not None:
            fields.append(("Content-Range", f"bytes {start}-{end - 1}/{file.size}"))
        return Response(200 if part is None else 206, Slices(body, start, end) if body else Nothing(), fields)

    def _named(self, request: Request, body: FileBody | None) -> tuple[str, str] | None:
        """The header field that makes the proxy send this body; None where we do."""
        if self._sendfile is None or body is None or body.path is None or not request.is_from_trusted_proxy:
            return None
        return self._sendfile.header(body.path)


def read_whole(caller: Caller, file: FileRef, limit: int) -> bytes | None:
    """A small file's bytes, for a page made of them; None where it has more than `limit`."""
    if file.size > limit:
        return None
    with _open(caller, file) as body:
        return body.read(limit)


def _find(caller: Caller, name: ProjectName, filename: str) -> FileRef:
    file = caller.repository.find_file(name, filename)
    if file is None:
        raise NotFound(f"project {name} in repository {caller.repository.name} has no such file")
    return file


def _open(caller: Caller, file: FileRef) -> FileBody:
    body = caller.repository.open_file(file)
    if body.size != file.size:
        body.close()
        raise BackendUnavailable(f"{file.name} is damaged: it has {body.size} bytes and not {file.size}", retry_after=60)
    return body


def _asked_range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """The part that was asked for as (first, behind the last), None for all of it. Raises RangeNotSatisfiable.

    All of it is also what a client gets that asks for several parts, in a unit or form we do not know, with a method for which
    ranges mean nothing (HEAD), or for a file other than this one (If-Range, which only a strong tag satisfies).
    """
    header = request.header("Range")
    if header is None or request.method != "GET" or request.header("If-Range") not in (None, etag):
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match.group(1) or match.group(2)):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeNotSatisfiable(size)
    return start, end


class Nothing:
    """The body of the response to a HEAD: its headers tell of a body that is not even opened."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def file_part(self, on_sent: Callable[[int], None]) -> FilePart | None:
        """None: there is none."""
        return None

    def close(self) -> None:
        """There is nothing to close."""


class Slices:
    """A part of an open file, slice by slice; the file is closed with it, whoever stopped reading."""

    def __init__(self, body: FileBody, start: int, end: int) -> None:
        self._body = body
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        self._body.seek(self._start)
        left = self._end - self._start
        while left:
            chunk = self._body.read(min(SLICE, left))
            if not chunk:
                raise BackendUnavailable("a file ended before its size")  # seen by the log; the client sees the connection end
            left -= len(chunk)
            yield chunk

    def file_part(self, on_sent: Callable[[int], None]) -> FilePart | None:
        """The part, where the body is a real file; None where its bytes have to be read here."""
        try:
            descriptor = self._body.stream.fileno()
        except OSError:
            return None
        return FilePart(descriptor, self._start, self._end - self._start, on_sent)

    def close(self) -> None:
        self._body.close()
