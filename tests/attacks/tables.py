"""The tables that are printed, which are also those of docs/reference/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .campaign import Result, title
from .framing import CASES, Case, Seen, judge
from .once import Outcome

MB = 1_000_000

HOSTILE_HEAD = (
    "| attack | clients | server | p50 | p99 | longest | p99 calm | ratio | failed | ended in time | longest life | sockets | RSS | CPU |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
ONCE_HEAD = "| attack | server | answer | after | bytes taken | written | RSS grows by |\n|---|---|---|---|---|---|---|"


def hostile_row(server: str, result: Result) -> str:
    """Waits in milliseconds, lives in seconds against the deadline, RSS in MB, CPU in cores."""
    asked, lives = len(result.under.waits), result.tally.lives
    cells = [
        title(result.kind),
        f"{result.clients:,}",
        server,
        f"{result.under.part(50):.1f} ms",
        f"{result.under.part(99):.1f} ms",
        f"{result.under.part(100):.0f} ms",
        f"{result.calm.part(99):.1f} ms",
        f"{result.ratio:.2f}",
        f"{result.under.failed} of {asked}",
        f"{result.in_time} of {result.reached}",
        f"{max(lives):.1f} s of {result.deadline:g} s" if lives else "-",
        f"{result.sockets_before} - {result.sockets_most} - {result.sockets_after}",
        f"{result.rss_before / MB:.0f} - {result.rss_most / MB:.0f} MB",
        f"{result.cpu:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def once_row(what: str, server: str, outcome: Outcome) -> str:
    cells = [
        what,
        server,
        outcome.answer.removeprefix("HTTP/1.1 ").removeprefix("HTTP/1.0 "),
        f"{outcome.ms:.1f} ms",
        f"{outcome.sent:,}",
        f"{outcome.written:,}",
        f"{outcome.growth / MB:.1f} MB",
    ]
    return "| " + " | ".join(cells) + " |"


def framing_lines(outcomes: Mapping[str, Mapping[Case, Seen]], cases: Sequence[Case] = CASES) -> Iterable[str]:
    """Each case with a column for each server."""
    servers = list(outcomes)
    yield "| | request | may be | " + " | ".join(servers) + " |"
    yield "|---" * (3 + len(servers)) + "|"
    for case in cases:
        may = "/".join(sorted(case.refusals)) or "read"
        may += " or read" if case.refusals and case.readings else ""
        cells = [_told(case, outcomes[server][case]) for server in servers]
        yield f"| {case.group} | {case.name} | {may} | " + " | ".join(cells) + " |"


def _told(case: Case, seen: Seen) -> str:
    wrong = judge(case, seen)
    answers = ", ".join(seen.statuses) or "no answer"
    return f"{answers}: **{wrong}**" if wrong else answers


def framing_sum(outcomes: Mapping[str, Mapping[Case, Seen]]) -> Iterable[str]:
    """How many of each group went wrong."""
    servers = list(outcomes)
    groups = list(dict.fromkeys(case.group for case in CASES))
    yield (
        "| | requests | ambiguous | "
        + " | ".join(f"{server}: ambiguous, and not refused | {server}: wrong in all" for server in servers)
        + " |"
    )
    yield "|---" * (3 + 2 * len(servers)) + "|"
    for group in [*groups, ""]:
        of_it = [case for case in CASES if group in (case.group, "")]
        ambiguous = [case for case in of_it if not case.readings]
        cells = [str(len(of_it)), str(len(ambiguous))]
        for server in servers:
            wrong = [case for case in of_it if judge(case, outcomes[server][case])]
            cells += [str(sum(not case.readings for case in wrong)), str(len(wrong))]
        yield f"| {group or 'all'} | " + " | ".join(f"**{cell}**" if not group else cell for cell in cells) + " |"
