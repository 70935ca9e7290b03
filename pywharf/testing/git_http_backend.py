"""The real `git http-backend` behind a WSGI environment (CGI, RFC 3875): one process of git for each request."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

CHUNK = 64 * 1024  # bytes


@dataclass(frozen=True)
class CgiAnswer:
    """What git answers: status line, headers, and a body to be taken once, to its end or by close()."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterator[bytes]
    close: Callable[[], None]


def ask_git(environ: Mapping[str, Any], folder: Path, user: str, process_environ: Mapping[str, str], *, protocol_v2: bool) -> CgiAnswer:
    """Pass a request on to git, its whole body first. folder: with the bare repositories, by the request's path."""
    variables = {
        **process_environ,
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": environ["PATH_INFO"],
        "QUERY_STRING": environ.get("QUERY_STRING", ""),
        "REQUEST_METHOD": environ["REQUEST_METHOD"],
        "REMOTE_ADDR": environ.get("REMOTE_ADDR", ""),
        "REMOTE_USER": user,
        "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
        "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
        "GATEWAY_INTERFACE": "CGI/1.1",
    }
    if environ.get("CONTENT_LENGTH"):
        variables["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"]  # and none where the body comes in chunks: up to its end then
    if protocol_v2 and "HTTP_GIT_PROTOCOL" in environ:
        variables["GIT_PROTOCOL"] = environ["HTTP_GIT_PROTOCOL"]
    process = subprocess.Popen(
        ["git", "http-backend"],  # noqa: S607 - the git that is installed
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    try:
        _feed(process.stdin, environ)
        status, headers = _head(process.stdout)
    except BaseException:  # the client is gone
        process.kill()
        _end(process)
        raise
    return CgiAnswer(status, headers, _body(process.stdout), lambda: _end(process))


def _feed(stdin: IO[bytes], environ: Mapping[str, Any]) -> None:
    body = environ["wsgi.input"]
    ends_itself = environ.get("wsgi.input_terminated")
    left = int(environ.get("CONTENT_LENGTH") or 0)
    taken = True
    try:
        while chunk := body.read(CHUNK if ends_itself else min(CHUNK, left)):
            left -= len(chunk)
            try:
                if taken:
                    stdin.write(chunk)
            except BrokenPipeError:
                taken = False  # git has seen enough; the rest is read all the same, so that the client gets its answer
    finally:
        with contextlib.suppress(BrokenPipeError):
            stdin.close()


def _head(stdout: IO[bytes]) -> tuple[str, list[tuple[str, str]]]:
    status, headers = "200 OK", []
    while line := stdout.readline().rstrip(b"\r\n"):
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = value.strip()
        else:
            headers.append((name, value.strip()))
    return (status, headers) if headers else ("500 Internal Server Error", [("Content-Type", "text/plain")])


def _body(stdout: IO[bytes]) -> Iterator[bytes]:
    while chunk := stdout.read1(CHUNK):  # type: ignore[attr-defined]
        yield chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()
