"""What goes wrong during a history: processes die, are stopped and start again, more of them come, the configuration is replaced."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from pywharf.testing.live_server import LiveServer

from .stage import BESIDES, CONFIG, Stage

DISTURBED = 0.6  # of the times between two kills
OF_WORKERS = 0.75  # of the kills hit one worker; the others a whole server
SHORTEST = 0.2  # seconds between two kills


class Nemesis:
    """Kills something every so many seconds, and in between does things that no client should notice."""

    def __init__(self, stage: Stage, seed: str, *, kills_every: float, kills: int | None = None) -> None:
        """kills_every: seconds from one to the next, more where a server takes longer to be back. kills: how many; None: no end."""
        self._stage = stage
        self._chance = random.Random(seed)
        self._kills_every = kills_every
        self._most = kills
        self.done: Counter[str] = Counter()
        self._extended = False

    @property
    def kills(self) -> int:
        return sum(count for what, count in self.done.items() if what.startswith("kill"))

    def work(self, stop: threading.Event) -> None:
        """Until `stop`, or until enough was killed. Raises what a server does wrong: StageFailed, LiveServerFailed."""
        while not stop.is_set() and self.kills != self._most:
            began = time.monotonic()
            self._stage.wait()
            if ready := self._stage.ready():
                self._kill(ready)
            if not stop.wait(self._kills_every / 2) and self._chance.random() < DISTURBED:
                self._disturb()
            stop.wait(max(SHORTEST, self._kills_every - (time.monotonic() - began)))

    def _kill(self, ready: list[LiveServer]) -> None:
        stage, chance = self._stage, self._chance
        victim = chance.choice([*ready, *(server for server in ready for _ in range(2) if server is stage.main)])
        if chance.random() < OF_WORKERS and stage.kill_worker(victim, chance):
            self.done["kill -9 of a worker"] += 1
            return
        stage.kill(victim)
        self.done["kill -9 of a server"] += 1
        if victim is not stage.second:
            stage.start_soon(victim)

    def _disturb(self) -> None:
        stage = self._stage
        if not stage.second.running and not stage.is_coming(stage.second):
            stage.start_soon(stage.second)
            self.done["second process started"] += 1
            return
        ready = stage.ready()
        actions: list[Callable[[LiveServer], None]] = [self._restart, self._hang_up, self._hang_up, *[self._initialize] * 4]
        if ready:
            self._chance.choice(actions)(self._chance.choice(ready))

    def _initialize(self, server: LiveServer) -> None:
        """With the token: between two configurations, both with the repository in question."""
        if server is self._stage.other:
            return  # its configuration names a path, which only the command line may
        self._extended = not self._extended
        status = self._stage.initialize(server, CONFIG + BESIDES if self._extended else CONFIG)
        self.done[f"initialised: {status or 'no answer'}"] += 1

    def _restart(self, server: LiveServer) -> None:
        self._stage.start_soon(server, stop=True)
        self.done["SIGTERM and start"] += 1

    def _hang_up(self, server: LiveServer) -> None:
        os.kill(server.pid, signal.SIGHUP)
        self.done["SIGHUP"] += 1
