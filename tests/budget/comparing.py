"""The budget, a committed file, and what it says of counts: at most so many, and a little more where they are not exact."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import toml

BUDGET = Path(__file__).with_name("budget.toml")
CALLS = f"calls_py{sys.version_info.major}{sys.version_info.minor}"
RENEW = "python -m tests.budget --renew"
# How much more than the budget is no finding: what is not here is exact.
ROOM = {"calls": 0.03, "bytes": 0.1, "syscalls": 0.25, "of_bare": 0.1}
MEANS = {
    "sql": "statements given to SQLite",
    "calls": "calls of functions",
    "fsyncs": "calls of fsync",
    "bytes": "bytes written",
    "syscalls": "system calls of the server's process",
    "of_bare": "times the instructions of the bare stack",
}
HEAD = f"""\
# What one request of each kind may take, see tests/budget. Made by `{RENEW}`.
# calls_py311: on Python 3.11; a version that is not here is not held to its calls.
"""

Counts = Mapping[str, float]


def read(path: Path = BUDGET) -> dict[str, dict[str, float]]:
    return {kind: dict(counts) for kind, counts in toml.loads(path.read_text(encoding="utf-8")).items()}


def excesses(measured: Mapping[str, Counts], budget: Mapping[str, Counts]) -> list[str]:
    """A sentence for each count that is over its budget, or that has none."""
    found = []
    for kind, counts in measured.items():
        allowed = budget.get(kind)
        if allowed is None:
            found.append(f"{kind}: there is no budget for it; renew it: {RENEW}")
            continue
        for name, count in counts.items():
            key = CALLS if name == "calls" else name
            if key not in allowed:
                if name != "calls":
                    found.append(f"{kind}: there is no budget for {MEANS[name]}; renew it: {RENEW}")
                continue
            if count > allowed[key] * (1 + ROOM.get(name, 0)):
                found.append(
                    f"{kind}: {count:g} {MEANS[name]}, and the budget is {allowed[key]:g}. Find out what takes them; "
                    f"where they are worth it, say so in the commit and renew the budget: {RENEW}"
                )
    return found


def renewed(measured: Mapping[str, Counts], budget: Mapping[str, Counts]) -> str:
    """The text of a budget with what was measured; what was not, such as the calls on other Pythons, stays."""
    parts = [HEAD]
    for kind in sorted({*measured, *budget}):
        counts = dict(budget.get(kind, {}))
        for name, count in measured.get(kind, {}).items():
            counts[CALLS if name == "calls" else name] = round(count, 2 if name == "of_bare" else 1)
        parts.append(f"\n[{kind}]\n" + "".join(f"{name} = {count:g}\n" for name, count in sorted(counts.items())))
    return "".join(parts).replace("e+0", "e+")
