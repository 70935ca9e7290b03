"""The process that supervises the workers.

It makes the listening socket, and opens nothing else: no repository, no database, no thread. So it can fork at any time, and has hardly
anything that could go wrong. What checks a configuration is done in a child of its own, as all other work.

Workers inherit the socket and take connections from its one queue: if one dies, those that wait are taken by another.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence

from pywharf.web.server.forked import TAKEN, Child, Parent, fork
from pywharf.web.server.signals import STOP, Signals, Terminal
from pywharf.web.server.workers import Attendance, Beside, Job, Place, WorkerFailed

PATIENCE = 60.0  # seconds that a further worker has to become ready

log = logging.getLogger(__name__)


def supervise(job: Job, *, number: int, drain: float, attendance: Attendance | None = None, beside: Sequence[Beside] = ()) -> None:
    """Have `number` workers do a job until SIGTERM or SIGINT, then let them end in order, and return.

    drain: seconds that a worker has to end after it was told to. attendance: is told of each. beside: further processes. SIGHUP prepares
    the job again and replaces the workers, one by one, or stops where the terminal is gone. A second signal does not wait. Call it in the
    main thread of a process without another one. Raises WorkerFailed; OSError from `job.open`.
    """
    terminal = Terminal()
    with Signals(*TAKEN) as signals, selectors.DefaultSelector() as selector:
        hurry = Supervisor(job, number, drain, signals, selector, terminal, attendance or Attendance(), beside).run()
    if hurry:
        os.kill(os.getpid(), hurry)


class Supervisor:
    """The supervising process at work. Its one thread waits for signals, for what its children say, and for nothing else."""

    def __init__(
        self,
        job: Job,
        number: int,
        drain: float,
        signals: Signals,
        selector: selectors.BaseSelector,
        terminal: Terminal,
        attendance: Attendance,
        beside: Sequence[Beside],
    ) -> None:
        self._job = job
        self._terminal = terminal
        self._attendance = attendance
        self._drain = drain
        self._signals = signals
        self._selector = selector
        self._places = [*(Place() for _ in range(number)), *map(Place, beside)]
        self._children: dict[int, Child] = {}  # all that were not waited for yet
        self._preparing: Child | None = None
        self._newcomer: Child | None = None  # is to stand in for the worker of the first of these places
        self._rolling: list[Place] = []
        self._roll_began = 0.0
        self._is_serving = False
        self._again = False  # SIGHUP came while something was under way
        self._stopping = False
        selector.register(signals, selectors.EVENT_READ)

    def run(self) -> int:
        """Until a signal says stop. Returns 0, or the number of the second signal."""
        self._preparing = self._fork(lambda _: self._job.prepare(False), "the preparation")
        while True:
            self._wait()
            for number in self._signals.arrived():
                if number in STOP or (number == signal.SIGHUP and self._terminal.is_gone()):
                    return self._stop(signal.Signals(number))
                if number == signal.SIGHUP:
                    self._prepare_again()
            self._reap(self._ended)
            self._do_what_is_due()

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _wait(self, until: float = math.inf) -> None:
        """Until there is something to do; takes in what children say."""
        starts = [place.start_at for place in self._places if place.child is None]
        until = min([until, *starts, *(child.kill_at for child in self._children.values())])
        timeout = None if until == math.inf else max(0.0, until - time.monotonic())
        for key, _ in self._selector.select(timeout):
            child = key.data
            if child is not None and child.pid in self._children:
                became_ready = child.hear()
                if child.told is not None or child.failure:
                    self._selector.unregister(child.channel)  # it says no more; its end is seen by SIGCHLD
                if became_ready and not self._stopping:
                    self._became_ready(child)

    def _reap(self, ended: Callable[[Child, str, int], None]) -> None:
        """Wait for every child that has ended; also for those of a worker that died, where this process is the first of a container."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                child.hear()
                if child.channel in self._selector.get_map():
                    self._selector.unregister(child.channel)
                child.channel.close()
                code = os.waitstatus_to_exitcode(status)
                if child.seat is not None:
                    self._attendance.ended(child.seat, code)
                ended(child, f"signal={signal.Signals(-code).name}" if code < 0 else f"exit={code}", code)

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.kill_at <= now:
                log.error("%s takes too long and is killed: pid=%d", child.name, child.pid)
                child.kill_at = math.inf
                child.signal(signal.SIGKILL)
        for place in self._places:
            if place.child is None and place.start_at <= now:
                self._start(place)

    # --- workers ----------------------------------------------------------------------------------------------------

    def _hire(self, beside: Beside | None = None) -> Child:
        """A worker, or a process beside them."""
        if beside is not None:
            return self._fork(beside.work, beside.name)
        seat = self._attendance.begins()
        try:
            return self._fork(self._job.work, "a worker", seat)
        except OSError:
            self._attendance.ended(seat, 0)
            raise

    def _fork(self, work: Callable[[Parent], None], name: str, seat: object = None) -> Child:
        child = fork(work, self._let_go, time.monotonic(), name, seat)
        self._children[child.pid] = child
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def _let_go(self) -> None:
        """In a child: close what is the supervising process's alone."""
        self._selector.close()
        self._signals.close()
        for other in self._children.values():
            other.channel.close()

    def _start(self, place: Place) -> None:
        place.start_at = math.inf
        try:
            place.child = self._hire(place.beside)
        except OSError as error:
            if not self._is_serving:
                raise
            self._start_later(place, 0.0, f"a worker cannot be started: reason={error.strerror}")
            return
        if self._is_serving:
            place.child.kill_at = place.child.began + PATIENCE

    def _start_later(self, place: Place, lived: float, told: str) -> None:
        pause = place.back_off.pause(lived)
        place.child, place.start_at = None, time.monotonic() + pause
        log.error("%s; trying again in %.1f s", told, pause)

    def _became_ready(self, child: Child) -> None:
        child.kill_at = math.inf
        log.info("%s serves: pid=%d", child.name, child.pid)
        if child is self._newcomer:
            self._newcomer = None
            self._put_in(child, self._rolling.pop(0))
            self._replace_next()
        elif not self._is_serving:
            self._is_serving = True
            self._job.serving(child.told or {})
            for place in self._places[1:]:
                self._start(place)
            if self._again:
                self._prepare_again()

    def _put_in(self, newcomer: Child, place: Place) -> None:
        """The new worker has begun; the one before, if it lives, takes its leave."""
        before, place.child, place.start_at = place.child, newcomer, math.inf
        if before is not None:
            before.kill_at = time.monotonic() + self._drain
            if before.told is None:
                before.signal(signal.SIGTERM)  # it has not begun, and hears nothing else
            else:
                before.replace()

    def _ended(self, child: Child, how: str, code: int) -> None:
        """A child is gone that nobody told to stop, or that was replaced."""
        if child is self._preparing:
            self._preparing = None
            self._prepared(child.failure or (f"the configuration could not be checked ({how}); the log may say more" if code else ""))
            return
        if child is self._newcomer:
            self._newcomer, self._rolling = None, []
            log.error("the workers are not replaced, the old ones go on: %s", child.failure or f"the first new one ended ({how})")
            self._after_roll()
            return
        place = next((place for place in self._places if place.child is child), None)
        if place is None:
            log.info("a worker ended that was replaced: pid=%d %s", child.pid, how)
            return
        if not self._is_serving:
            raise WorkerFailed(child.failure or f"the server ended before it was ready ({how}); the log may say more")
        reason = f" reason={child.failure}" if child.failure else ""
        self._start_later(place, time.monotonic() - child.began, f"{child.name} ended: pid={child.pid} {how}{reason}")

    # --- replacing --------------------------------------------------------------------------------------------------

    def _prepare_again(self) -> None:
        if not self._is_serving or self._preparing or self._rolling:
            self._again = True
            return
        self._again = False
        log.info("reading the configuration again, to replace the workers: signal=SIGHUP")
        try:
            self._preparing = self._fork(lambda _: self._job.prepare(True), "the preparation")
        except OSError as error:
            log.error("the workers are not replaced, the old ones go on: %s", error.strerror)

    def _prepared(self, problem: str) -> None:
        if not self._is_serving:
            if problem:
                raise WorkerFailed(problem)
            self._job.open()
            gc.freeze()  # what is here by now stays, in pages that all workers share; to look for garbage first would find next to none
            self._start(self._places[0])
        elif problem:
            log.error("the workers are not replaced, the old configuration goes on: %s", problem)
            self._after_roll()
        else:
            self._rolling = [place for place in self._places if place.beside is None]
            self._roll_began = time.monotonic()
            self._replace_next()

    def _replace_next(self) -> None:
        while self._rolling:
            child = self._rolling[0].child
            if child is not None and child.began < self._roll_began:
                try:
                    self._newcomer = self._hire()
                except OSError as error:
                    self._rolling = []
                    log.error("the workers are not replaced, the old ones go on: %s", error.strerror)
                    break
                self._newcomer.kill_at = self._newcomer.began + PATIENCE
                return
            self._rolling.pop(0)  # begun since, or about to
        else:
            log.info("the workers are replaced")
        self._after_roll()

    def _after_roll(self) -> None:
        if self._again:
            self._prepare_again()

    # --- the end ----------------------------------------------------------------------------------------------------

    def _stop(self, number: signal.Signals) -> int:
        log.info("stopping: signal=%s", number.name)
        self._stopping = True
        self._job.close()
        for place in self._places:
            place.start_at = math.inf
        for child in self._children.values():
            child.kill_at = math.inf
            child.signal(signal.SIGTERM)
        hurry, killed, until = 0, 0, time.monotonic() + self._drain
        self._reap(_said)
        while self._children:
            self._wait(until)
            hurry = next((again for again in self._signals.arrived() if again in STOP), hurry)
            if hurry or time.monotonic() >= until:
                until, killed = math.inf, len(self._children)
                for child in self._children.values():
                    child.signal(signal.SIGKILL)
            self._reap(_said)
        if killed and not hurry:
            raise WorkerFailed(f"{killed} of the workers did not end in {self._drain:g} seconds and had to be killed")
        return hurry


def _said(child: Child, how: str, code: int) -> None:
    log.log(logging.INFO if code in (0, -signal.SIGTERM) else logging.WARNING, "%s ended: pid=%d %s", child.name, child.pid, how)
