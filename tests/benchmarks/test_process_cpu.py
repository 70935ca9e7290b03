"""The CPU of a process is all that it used."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.process_cpu import cpu_of

pytestmark = pytest.mark.any_python


def test_cpu_of_a_process_includes_that_of_its_threads_that_have_ended() -> None:
    def work() -> None:
        while time.thread_time() < 0.05:
            pass

    before = cpu_of(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert cpu_of(os.getpid()) - before >= 0.05


def test_a_process_that_is_gone_has_used_no_cpu() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert cpu_of(process.pid) == 0.0
