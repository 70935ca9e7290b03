"""What all tests share: settings of hypothesis, and reports that survive their way from a worker."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A slow machine is no bug. The automatic check tries the same examples each time, people's machines go on looking.
settings.register_profile("pywharf", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("pywharf")

pytest.register_assert_rewrite("pywharf.testing.backend_suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured text can hold half a surrogate pair, which pytest-xdist cannot carry: it would end the whole run."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
