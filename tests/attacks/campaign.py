"""One attack at a time against one server, with normal clients beside it; and what came of it in figures."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .deadlines import SLACK
from .hostile import Tally
from .probe import Waits
from .servers import TESTS
from .talks import KINDS
from .target import Target, held


@dataclass(frozen=True)
class Result:
    """What an attack did."""

    kind: str
    clients: int
    calm: Waits
    under: Waits
    tally: Tally
    deadline: float  # seconds
    rss_before: int  # bytes
    rss_most: int
    sockets_before: int
    sockets_most: int
    sockets_after: int
    cpu: float  # share of one core that the server used meanwhile

    @property
    def ratio(self) -> float:
        return self.under.part(99) / self.calm.part(99)

    @property
    def in_time(self) -> int:
        """How many connections the server ended by their deadline."""
        return len(self.tally.lives) - sum(map(self._is_late, self.tally.lives))

    @property
    def reached(self) -> int:
        """How many connections reached their deadline, or ended before."""
        return len(self.tally.lives) + sum(map(self._is_late, self.tally.left))

    def _is_late(self, life: float) -> bool:
        return life > self.deadline + SLACK


def probed(target: Target, seconds: float) -> Waits:
    """What normal clients in a process of their own see for so long."""
    command = [sys.executable, "-m", "attacks.probe", target.to_json(), str(seconds)]
    done = subprocess.run(command, cwd=TESTS, check=True, capture_output=True, text=True)
    return Waits(**json.loads(done.stdout))


class Attack:
    """A process full of hostile clients."""

    def __init__(self, kind: str, target: Target, count: int, again: float) -> None:
        command = [sys.executable, "-m", "attacks.hostile", kind, target.to_json(), str(count), str(again)]
        self._process = subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_on(self) -> None:
        assert self._process.stdout
        self._process.stdout.readline()

    def stop(self, patience: float) -> None:
        """Let nobody come again; those there are wait to be sent away, for so many seconds at most."""
        assert self._process.stdin
        self._process.stdin.write(f"{patience}\n")
        self._process.stdin.flush()

    def tally(self) -> Tally:
        """What became of them, once all have been sent away."""
        output, _ = self._process.communicate()
        return Tally(**json.loads(output))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def attacking(kind: str, target: Target, count: int, again: float = 100) -> Iterator[Attack]:
    """Hostile clients, there from the beginning of the `with`, and gone at its end."""
    attack = Attack(kind, target, count, again)
    try:
        attack.wait_until_on()
        yield attack
    finally:
        attack.kill()


class Watch:
    """Looks at a server's processes now and then."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.first = held(pid)
        self.began = time.monotonic()
        self.most_rss, self.most_sockets = self.first.rss, self.first.sockets

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            now = held(self._pid)
            self.most_rss = max(self.most_rss, now.rss)
            self.most_sockets = max(self.most_sockets, now.sockets)

    def cpu(self) -> float:
        return (held(self._pid).cpu - self.first.cpu) / (time.monotonic() - self.began)


def carry_out(kind: str, target: Target, count: int, seconds: float, deadline: float, *, again: float = 100, waits: bool = True) -> Result:
    """A calm while, then the attack for `seconds`, then, if it is to be waited for, until the server is rid of all."""
    calm = probed(target, max(seconds / 3, 1))
    with Watch(target.pid) as watch:
        with attacking(kind, target, count, again) as attack:
            under = probed(target, seconds)
            cpu = watch.cpu()
            attack.stop(deadline + SLACK if waits else 0)
            tally = attack.tally()
        time.sleep(0.5)
    after = held(target.pid).sockets
    before = watch.first
    sockets = before.sockets, watch.most_sockets, after
    return Result(kind, count, calm, under, tally, deadline, before.rss, watch.most_rss, *sockets, cpu)


def title(kind: str) -> str:
    return KINDS[kind].title
