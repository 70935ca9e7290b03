"""The options of the HTTP server: every limit with its unit, its default, and why that is the default.

The command line makes flags of this table, and the reference is compared with it. Most are meant for a small team on a small machine;
none has to be touched to be safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option. least: the smallest value that is taken."""

    type: type
    default: Any
    unit: str  # "" where it is a switch
    meaning: str  # one clause: what it bounds, and what happens there
    least: float = 0


OPTIONS: Mapping[str, Option] = {
    "numthreads": Option(int, 32, "threads", "requests of one worker that are worked on at the same time", 1),
    "request_queue_size": Option(int, 1024, "connections", "connections that the kernel holds until they are accepted", 1),
    "max_connections": Option(
        int, 16384, "connections", "connections of one worker that are open; beyond, idle ones are closed, then late ones, then 503", 1
    ),
    "accepted_queue_size": Option(int, 1024, "requests", "requests that wait for a thread; beyond, 503", 1),
    "keep_alive_conn_limit": Option(int, 8192, "connections", "idle connections that are kept for further requests"),
    "head_timeout": Option(
        float,
        10.0,
        "seconds",
        "until when the head of a request is there, from its first byte or the connection on; with TLS, the handshake as well",
        0.01,
    ),
    "timeout": Option(
        float, 30.0, "seconds", "how long an idle connection is kept, and how long a body or the reader of a response may stand still", 0.01
    ),
    "slow_grace": Option(float, 20.0, "seconds", "time before a body, or a response that is read, has to have had min_rate"),
    "min_rate": Option(
        float, 1024.0, "bytes per second", "a body that comes more slowly on average, or a response that is read so, is cut off; 0: none is"
    ),
    "body_timeout": Option(float, 3600.0, "seconds", "how long a body may take in all: 1 GiB at 0.3 MB/s"),
    "response_timeout": Option(float, 3600.0, "seconds", "how long a response may take in all"),
    "max_request_header_size": Option(int, 32 * 1024, "bytes", "the head of a request, with its first line", 256),
    "max_request_body_size": Option(int, 0, "bytes", "the body of a request; 0: each repository's max_file_bytes decides"),
    "shutdown_timeout": Option(float, 30.0, "seconds", "how long requests in progress have to finish when the server stops"),
    "nodelay": Option(bool, True, "", "send small answers at once (TCP_NODELAY)"),
}


@dataclass(frozen=True)
class Serving:
    """Where and how the server listens, as the command line says it. limits: by the names of OPTIONS; what is not there is as usual.

    workers: None: as many as this machine has cores, at most four. unix_socket: a path, in place of host and port; "": those. metrics_address: as the
    command line has it; "": none.
    tls_cert, tls_key: PEM files; "": plain HTTP, and the key in the file of the certificate.
    """

    host: str = "0.0.0.0"  # noqa: S104 - the default that containers need; a loud line warns
    port: int = 8888
    limits: Mapping[str, object] = field(default_factory=dict)
    workers: int | None = None
    unix_socket: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    metrics_address: str = ""


def checked(options: Mapping[str, object]) -> dict[str, Any]:
    """All options with their values: those given, else the defaults. Raises ValueError, which names the option."""
    values: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()}
    for name, value in options.items():
        if name not in OPTIONS:
            raise ValueError(f"{name} is no option of the server; there are {', '.join(sorted(OPTIONS))}")
        option = OPTIONS[name]
        try:
            values[name] = option.type(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {value!r} is not what it takes ({option.type.__name__})") from error
        if option.type is not bool and not values[name] >= option.least:
            raise ValueError(f"{name}: at least {option.least:g} is needed")
    return values
