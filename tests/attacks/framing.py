"""Sends the table to a server and judges what came of it: by what was executed, not by the status alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .framing_cases import CUT, Case
from .framing_lines import CASES

__all__ = ["AMBIGUOUS", "CASES", "Case", "Seen", "exchange", "judge", "run"]

AMBIGUOUS = tuple(case for case in CASES if not case.readings)


@dataclass(frozen=True)
class Seen:
    """What a client saw of one exchange, and what the server's application did meanwhile."""

    statuses: tuple[str, ...]  # of the responses, "100" among them
    ended: bool  # whether the server ended the connection
    executed: tuple[str, ...]  # "METHOD path body" of each request that reached the application


def exchange(address: tuple[str, int], case: Case, *, patience: float) -> tuple[tuple[str, ...], bool]:
    """Send one case; the statuses, and whether the server ended the connection. patience: seconds to wait for more."""
    received = b""
    with socket.create_connection(address, timeout=patience) as client:
        with suppress(ConnectionError, TimeoutError):  # it need not listen to the end
            client.sendall(case.sent)
            if case.ends:
                client.shutdown(socket.SHUT_WR)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            client.settimeout(max(end - time.monotonic(), 0.01))
            try:
                piece = client.recv(65536)
            except TimeoutError:
                break
            except ConnectionError:
                piece = b""
            if not piece:
                return _statuses(received, case), True
            received += piece
    return _statuses(received, case), False


def _statuses(received: bytes, case: Case) -> tuple[str, ...]:
    """The status of each response in what was received. One that is no HTTP is told as "?"."""
    found: list[str] = []
    is_head = case.raw.startswith(b"HEAD ")
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        words = line.split(b" ")
        if not words[0].startswith(b"HTTP/1.") or len(words) < 2:
            return (*found, "?")
        found.append(words[1].decode("latin-1"))
        lengths = [int(field.partition(b":")[2]) for field in fields if field.lower().startswith(b"content-length:")]
        has_body = bool(lengths) and not is_head and words[1] not in (b"100", b"304")
        received = rest[lengths[0] :] if has_body else rest
        is_head = is_head and words[1] == b"100"
    return tuple(found)


def judge(case: Case, seen: Seen) -> str:
    """What is wrong with an outcome; "" where it is right."""
    final = tuple(status for status in seen.statuses if status != "100")
    if "100" in seen.statuses and not case.interim:
        return "told to go on"
    if any(status.startswith("5") and status not in case.refusals for status in final):
        return "the server stumbled"
    if not seen.executed:
        if not final:
            return "no answer" if seen.ended else "waited for more"
        if len(final) > 1 or final[0] not in case.refusals:
            return "answered otherwise"
        return "" if seen.ended else "refused, and stayed open"
    if seen.executed not in case.readings:
        return "executed" if not seen.executed[0].endswith("/marker") else "went on behind a refusal"
    if CUT in seen.executed[-1]:
        return "" if final[-1:] == ("400",) and seen.ended else "answered otherwise"
    return "" if len(final) == len(seen.executed) and seen.ended else "answered otherwise"


def run(
    address: tuple[str, int], executed: Callable[[], Sequence[str]], *, patience: float, cases: Sequence[Case] = CASES
) -> dict[Case, Seen]:
    """Send all cases, each on a connection of its own. executed: gives and forgets what reached the application."""
    outcomes: dict[Case, Seen] = {}
    for case in cases:
        executed()
        statuses, ended = exchange(address, case, patience=patience)
        outcomes[case] = Seen(statuses, ended, tuple(executed()))
    return outcomes
