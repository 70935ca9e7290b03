"""What all tests share: settings of hypothesis, marks by folder, and reports that survive their way from a worker."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import marks
import pytest
from hypothesis import settings
from needles.plugin import NeedlePlugin

from pywharf import logs

# A slow machine is no bug. The automatic check tries the same examples each time, people's machines go on looking.
# PYWHARF_TEST_EXAMPLES: how many, where a hundred on one Python are enough for all.
EXAMPLES = int(os.environ.get("PYWHARF_TEST_EXAMPLES") or 100)
settings.register_profile("pywharf", deadline=None, derandomize="CI" in os.environ, print_blob=True, max_examples=EXAMPLES)
settings.load_profile("pywharf")

pytest.register_assert_rewrite("pywharf.testing.backend_suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--needles", action="store_true", help="look for the secrets of each test in what it leaves behind")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--needles"):
        config.pluginmanager.register(NeedlePlugin(config), "needles")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_left_out = collection_path.name.startswith("test_") and not marks.may_be_chosen(collection_path, config.option.markexpr)
    return True if is_left_out else None


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in marks.of_folder(item.path):
            item.add_marker(mark)


@pytest.fixture(autouse=True, scope="module")
def secrets_end_with_their_module() -> Iterator[None]:
    """A secret such as "read", remembered for the log by one module, would take the word out of the messages that others look at."""
    before = set(logs._spellings), logs._looked_for, logs._remembered
    yield
    logs._spellings.clear()
    logs._spellings.update(before[0])
    logs._looked_for, logs._remembered = before[1:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured text can hold half a surrogate pair, which pytest-xdist cannot carry: it would end the whole run."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
