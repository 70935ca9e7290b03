"""CPU of a process, from its own clock. Linux."""

from __future__ import annotations

import time

_CLOCK_OF_A_PROCESS = 2  # CPUCLOCK_SCHED: nanoseconds that its threads ran


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a process so far, its threads that have ended included, as /proc/PID/schedstat would not; 0.0 where it is gone.

    Its clock is read, as clock_getcpuclockid(3) finds it: /proc/PID/stat counts in hundredths, as much as a server needs for 50 pages.
    """
    try:
        return time.clock_gettime(~pid << 3 | _CLOCK_OF_A_PROCESS)
    except OSError:
        return 0.0
