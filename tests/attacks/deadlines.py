"""By when our server has to be rid of each sort of hostile client, from its own options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pywharf.web.server.options import checked

SLACK = 5.0  # seconds: the server looks for deadlines now and then, and the machine is busy

# Shorter ones for short runs: the same code, in seconds that a test has.
QUICK: Mapping[str, float] = {"head_timeout": 2, "timeout": 3, "slow_grace": 2}


def limits_in(words: Sequence[str]) -> Mapping[str, str]:
    """The options of the server in words of a command line, `--name value`."""
    given = dict(zip(words[::2], words[1::2], strict=True))
    return {name.removeprefix("--"): value for name, value in given.items()}


def words_of(limits: Mapping[str, float]) -> list[str]:
    return [word for name, value in limits.items() for word in (f"--{name}", str(value))]


def deadline(what: str, words: Sequence[str] = ()) -> float:
    """Seconds from the connection on. what: a Kind's `deadline`. words: what the server was started with."""
    limits = checked(limits_in(words))
    found: dict[str, float] = {
        "head": limits["head_timeout"],
        "idle": limits["timeout"],
        "body": limits["slow_grace"],
        "write": max(limits["timeout"], limits["slow_grace"]),
        "refused": 0.0,  # at once
    }
    return found[what]


def threads(words: Sequence[str] = ()) -> int:
    found: int = checked(limits_in(words))["numthreads"]
    return found
