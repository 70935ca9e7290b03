"""What was measured, as a table, as ratios, and as a file."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.field.kinds import BY_NAME, KINDS, TARGETS, TITLES, Kind, Measure, Target
from benchmarks.field.tools import CLIENTS, PEERS, Tools

HERE = Path(__file__).parent
_CPU = {"us": 1e6, "ms": 1e3, "s": 1.0}


@dataclass
class Results:
    """Every measurement of a run, in the order in which they were made."""

    size: str
    about: dict[str, Any] = field(default_factory=dict)
    measured: dict[tuple[str, str], list[Measure]] = field(default_factory=dict)  # by kind and server

    def add(self, kind: str, server: str, measure: Measure) -> None:
        self.measured.setdefault((kind, server), []).append(measure)

    def median(self, kind: str, server: str) -> float | None:
        """In the kind's unit; None where nothing was measured."""
        found = self.measured.get((kind, server))
        return statistics.median(one.value for one in found) if found else None

    def cpu(self, kind: str, server: str) -> float | None:
        """Seconds of the server's CPU for one request, the median; None where it was not counted."""
        found = [one.cpu for one in self.measured.get((kind, server), ()) if one.cpu is not None]
        return statistics.median(found) if found else None

    @property
    def kinds(self) -> list[Kind]:
        there = {kind for kind, _ in self.measured}
        return [kind for kind in KINDS if kind.name in there]

    @property
    def servers(self) -> list[str]:
        there = {server for _, server in self.measured}
        return [server for server in TITLES if server in there]

    # --- tables -----------------------------------------------------------------------------------------------------

    def table(self) -> str:
        """A row for each kind, a column for each server: medians, and the server's CPU for one request in brackets."""
        rows = [["", *(TITLES[server] for server in self.servers)], ["---"] * (1 + len(self.servers))]
        rows += [[kind.title, *(self._cell(kind, server) for server in self.servers)] for kind in self.kinds]
        return _markdown(rows)

    def ratios(self) -> str:
        """How pywharf stands to each other server: above 1 it is the better one."""
        others = [server for server in self.servers if server != "pywharf"]
        rows = [["pywharf compared with", *(TITLES[server] for server in others)], ["---"] * (1 + len(others))]
        for kind in self.kinds:
            cells = [_times(self.ratio(kind.name, "pywharf", server)) for server in others]
            if any(cells):
                rows.append([kind.title, *cells])
        return _markdown(rows)

    def targets(self) -> str:
        """What was to be reached, and whether it was."""
        rows = [["to be reached", "wanted", "measured", ""], ["---"] * 4]
        rows += [list(row) for target in TARGETS if (not target.sizes or self.size in target.sizes) and (row := self._target(target))]
        return _markdown(rows)

    def ratio(self, kind: str, server: str, than: str, *, than_kind: str = "", cpu: bool = False) -> float | None:
        """How much better the one is than the other: twice the rate, half the time and half the CPU are all 2."""
        of = self.cpu if cpu else self.median
        value, other = of(kind, server), of(than_kind or kind, than)
        if not value or not other:
            return None
        return value / other if BY_NAME[kind].more_is_better and not cpu else other / value

    def _cell(self, kind: Kind, server: str) -> str:
        value, cpu = self.median(kind.name, server), self.cpu(kind.name, server)
        if value is None:
            return ""
        bracket = f" [{number(cpu * _CPU[kind.cpu])} {kind.cpu}]" if kind.cpu and cpu is not None else ""
        return f"{with_unit(value, kind)}{bracket}"

    def _target(self, target: Target) -> tuple[str, str, str, str] | None:
        kind = BY_NAME[target.kind]
        what = f"{kind.title}{', CPU' if target.cpu else ''}: {TITLES[target.server]}"
        if target.than:
            found = self.ratio(target.kind, target.server, target.than, than_kind=target.than_kind, cpu=target.cpu)
            than = BY_NAME[target.than_kind].title if target.than_kind else TITLES[target.than]
            return (
                None
                if found is None
                else (f"{what} to {than}", f"{target.at_least:.2f}x", f"{found:.2f}x", _judged(found >= target.at_least))
            )
        value = self.cpu(target.kind, target.server) if target.cpu else self.median(target.kind, target.server)
        if value is None:
            return None
        if target.cpu:
            value *= _CPU[kind.cpu]
        limit, shown = (f"{number(one)} {kind.cpu}" if target.cpu else with_unit(one, kind) for one in (target.at_least, value))
        if kind.more_is_better and not target.cpu:
            return what, f"at least {limit}", shown, _judged(value >= target.at_least)
        return what, f"at most {limit}", shown, _judged(value <= target.at_least)

    # --- file -------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """The whole run: machine, versions, date, commit, and every measurement."""
        measured = [
            {"kind": kind, "server": server, "measures": [dataclasses.asdict(one) for one in measures]}
            for (kind, server), measures in self.measured.items()
        ]
        return json.dumps({"size": self.size, "about": self.about, "measured": measured}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """What to_json() wrote. Raises ValueError, KeyError, TypeError for anything else."""
        given = json.loads(text)
        measured = {(one["kind"], one["server"]): [Measure(**measure) for measure in one["measures"]] for one in given["measured"]}
        return cls(given["size"], given["about"], measured)

    def headline(self) -> str:
        """One sentence about the run, for above the table."""
        about = self.about
        versions = ", ".join(f"{name} {found}" for name, found in about["versions"].items() if found)
        pause = f"load {about['load']:.1f} at the start, {about['load_after']:.1f} at the end, this run's own included"
        return f"{about['date']}, {about['cores']} cores ({pause}), size {self.size}, {about['effort']}; {versions}; commit {about['commit'] or 'unknown'}."


def describe(tools: Tools, effort: str) -> dict[str, Any]:
    """The machine, the versions, the date and the commit of a run that begins now."""
    git = subprocess.run(
        ["git", "-C", HERE, "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True, text=True, check=False
    )
    versions = {name: _own_version(name) for name in ("pywharf", "bottle", "cheroot")}
    versions |= {
        name: tools.version(name) for name in (*PEERS, *CLIENTS) if (tools.folder / (name if name in PEERS else "clients")).exists()
    }
    versions |= {name: tools.version(name) for name in ("nginx", "wrk", "git") if name not in tools.missing}
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "machine": platform.machine(),
        "system": platform.system(),
        "load": os.getloadavg()[0],
        "effort": effort,
        "commit": git.stdout.strip(),
        "versions": {"Python": platform.python_version(), **versions},
    }


def number(value: float) -> str:
    """Three digits that count: 12,345 and 123 and 1.23."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def with_unit(value: float, kind: Kind) -> str:
    return f"{number(value)}{'' if kind.unit.startswith('/') else ' '}{kind.unit}".rstrip()


def _judged(good: bool) -> str:
    return "reached" if good else "**not reached**"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{number(ratio)}x"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _own_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def medians(results: Results, kind: str) -> Mapping[str, float]:
    """The median of each server that has one."""
    return {server: value for server in results.servers if (value := results.median(kind, server)) is not None}
