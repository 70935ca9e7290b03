"""A run: clients and a nemesis on a stage, then everything is up again, read to the end, and the history is checked.

A long run is made of rounds on the same storage, each with servers of its own; what one round knew, the next has to keep.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .checker import Knowledge, Violation, check
from .client import Client, Door, Silent
from .nemesis import Nemesis
from .recording import Event, Recorder, tally
from .stage import INTERVAL, ONE, OTHER, READ, WRITE, Stage
from .workload import Board, Recipe

ROUND = 180.0  # seconds
SLACK = 3.0  # seconds: how much later than its interval a sync may be on a machine that has other things to do
SAMPLE = 200  # older files that are read again at the end of a round, besides what is new; at the end of a run: all
ATTEMPTS = 600  # of a read at the end of a round


@dataclass(frozen=True)
class Plan:
    """kills: instead of `seconds`, as long as it takes. pause: seconds that a client waits between two operations, at most."""

    seed: int
    seconds: float = 60.0
    clients: int = 16
    kills_every: float = 3.0
    kills: int | None = None
    pause: float = 0.0
    slack: float = SLACK
    workers: int = 2


@dataclass
class Outcome:
    """What came of a run."""

    plan: Plan
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)  # operations and their results
    harm: Counter[str] = field(default_factory=Counter)  # what the nemesis did
    kills: int = 0
    acknowledged: int = 0  # names
    violations: list[Violation] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line."""
        uploads = ", ".join(f"{self.done[f'upload {result}']} {result}" for result in ("ok", "fail", "unknown"))
        reads = Counter[str]()
        for what, count in self.done.items():
            operation, _, result = what.partition(" ")
            if operation not in ("upload", "503"):
                reads[result] += count
        told = ", ".join(f"{reads[result]} {result}" for result in ("ok", "fail", "unknown"))
        harm = ", ".join(f"{count} {what}" for what, count in sorted(self.harm.items()))
        return (
            f"seed {self.plan.seed}, {self.plan.clients} clients, {self.seconds:.0f} s: uploads {uploads}; reads {told}; 503 {self.done['503']}; "
            f"{self.kills} kills ({harm}); {self.acknowledged} files acknowledged or seen; violations: {len(self.violations)}"
        )


def run(plan: Plan, folder: Path, *, tell: Callable[[str], None] = print, record: Path | None = None) -> Outcome:
    """folder: empty. record: where the history of a round with violations is written, as JSON lines.

    Raises StageFailed, LiveServerFailed where a server does not start, or not stop in order.
    """
    outcome, known, board = Outcome(plan), Knowledge(), Board(plan.seed)
    began = time.monotonic()
    number = 0
    while outcome.kills < plan.kills if plan.kills is not None else time.monotonic() - began < plan.seconds:
        left = plan.seconds - (time.monotonic() - began)
        number += 1
        events = _round(plan, number, folder, board, outcome, ROUND if plan.kills is not None else min(ROUND, left))
        outcome.done += tally(events)
        found = check(events, delay=INTERVAL + plan.slack, known=known)
        outcome.violations += found
        outcome.acknowledged = len(known.content)
        outcome.seconds = time.monotonic() - began
        if found and record is not None:
            _write(record, events)
        tell(f"round {number}: {outcome.summary}")
        for violation in found[:20]:
            tell(f"  {violation}")
        if found:
            break
    return outcome


def _round(plan: Plan, number: int, folder: Path, board: Board, outcome: Outcome, seconds: float) -> list[Event]:
    stage, recorder, before = Stage(folder, workers=plan.workers), Recorder(), len(board.given())
    try:
        for server in (stage.main, stage.other):
            stage.start_soon(server)
        stage.wait(for_all=True)
        clients = [Client(at, plan.seed + number * 1000, board, recorder, stage.doors, (READ, WRITE)) for at in range(plan.clients)]
        wanted = None if plan.kills is None else plan.kills - outcome.kills
        nemesis = Nemesis(stage, f"{plan.seed}:{number}", kills_every=plan.kills_every, kills=wanted)
        _play(clients, nemesis, plan.pause, seconds)
        outcome.harm += nemesis.done
        outcome.kills += nemesis.kills
        stage.settle()
        time.sleep(INTERVAL + plan.slack)
        is_last = plan.kills is None or outcome.kills >= plan.kills
        given, chance = board.given(), random.Random(number)
        old = given[:before] if is_last else chance.sample(given[:before], min(SAMPLE, before))
        _read_all(stage, clients, [*given[before:], *old], chance)
        return recorder.take()
    finally:
        stage.close()


def _play(clients: list[Client], nemesis: Nemesis, pause: float, seconds: float) -> None:
    """For so many seconds, or until the nemesis has done enough."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        harm = pool.submit(nemesis.work, stop)
        working: list[Future[None]] = [pool.submit(client.work, stop, pause) for client in clients]
        end = time.monotonic() + seconds
        while not harm.done() and time.monotonic() < end and not any(one.done() for one in working):
            time.sleep(0.1)
        stop.set()
    for one in (harm, *working):
        one.result()


def _read_all(stage: Stage, clients: list[Client], given: list[Recipe], chance: random.Random) -> None:
    """Every list, and the page and the bytes of these files, on both ROOTs: the last word about this history. Nothing is in the way any more."""
    doors = [Door(root, server.url) for root, server in ((ONE, stage.main), (ONE, stage.second), (OTHER, stage.other))]
    files = {recipe.filename: recipe for recipe in given}
    projects = sorted({recipe.project for recipe in files.values()})
    reads: list[Callable[[Client], Event]] = []
    for door in doors:
        reads.append(partial(Client.projects, door=door))
        reads += [partial(Client.page, door=door, project=project) for project in projects]
    for recipe in files.values():
        reads.append(partial(Client.download, door=chance.choice(doors), recipe=recipe))
        reads.append(partial(Client.metadata, door=chance.choice(doors), recipe=recipe))

    def share(client: Client) -> None:
        for read in reads[client.number :: len(clients)]:
            _insist(partial(read, client))
        client.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(share, clients))


def _insist(read: Callable[[], Event]) -> None:
    """Until there is an answer: an old connection may have ended meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            if read().result != "unknown":
                return
        except Silent:
            pass
        time.sleep(0.1)
    raise TimeoutError("a server that nobody disturbs does not answer")


def _write(path: Path, events: list[Event]) -> None:
    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, frozenset) else asdict(value)

    with path.open("w", encoding="utf-8") as file:
        for event in events:
            entry = {**vars(event), "files": {name: shown.sha256 for name, shown in event.files.items()}}
            file.write(json.dumps(entry, default=plain) + "\n")
