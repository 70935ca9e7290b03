"""`pytest --needles`: after each test, its secrets are looked for in everything that it left behind.

A secret is whatever was configured or shown: each `SecretStr` that is made in this process, each that a request of `http.client` carried, and
what stands in configurations and tokens below the test's folder, for servers that are processes of their own. Looked at are all files and file
names below the test's temporary folder, objects in git included, and what the test, or a server in its process, printed and logged. A test
whose secret is found fails.

What may hold a secret is told in `allowed.py`, with its reason. A text that is too short or too common to be told from others is no needle:
how many there were is printed at the end.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from .allowed import NO_NEEDLES, may_hold
from .search import Search

SHORTEST = 6  # characters
_CONFIGURED = re.compile(r'(?:secret|raw|token)\w*"?\s*[=:]\s*"((?:[^"\\]|\\.)+)"')
_COOKIE = re.compile(r"pywharf=([^;]+)")


class NeedlePlugin:
    """One for each process of pytest."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._of_file: dict[str, set[str]] = {}  # secrets by test file: a fixture may have made them for an earlier test
        self._current: set[str] = set()
        self.counted: Counter[str] = Counter()

    # --- where secrets are seen -------------------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        plugin = self
        make, put = pydantic.SecretStr.__init__, http.client.HTTPConnection.putheader

        def made(self: Any, secret_value: Any) -> None:
            make(self, secret_value)
            plugin.note(str(secret_value))

        def sent(self: Any, header: Any, *values: Any) -> None:
            put(self, header, *values)
            plugin.note_header(str(header), " ".join(str(value) for value in values))

        pydantic.SecretStr.__init__ = made  # type: ignore[method-assign]
        http.client.HTTPConnection.putheader = sent  # type: ignore[method-assign]

    def note(self, secret: str) -> None:
        if len(secret) < SHORTEST or secret in NO_NEEDLES:
            self.counted["too short or too common to be told from others"] += secret not in self._current
        self._current.add(secret)

    def note_header(self, name: str, value: str) -> None:
        scheme, _, given = value.partition(" ")
        if name.lower() == "cookie":
            for cookie in _COOKIE.findall(value):
                self.note(cookie)
        elif name.lower() == "authorization" and scheme.lower() == "bearer":
            self.note(given)
        elif name.lower() == "authorization" and scheme.lower() == "basic":
            try:
                _, _, secret = base64.b64decode(given).decode("utf-8", "surrogateescape").partition(":")
            except ValueError:
                return  # a test of what is no such header
            self.note(secret)

    def _note_configured(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.name.endswith(".toml") and path.is_file():
                for text in _CONFIGURED.findall(path.read_text("utf-8", "replace")):
                    self.note(text.encode().decode("unicode_escape", "replace") if "\\" in text else text)
            elif path.name == "initialize_token" and path.is_file():
                self.note(path.read_text("utf-8", "replace").strip())

    # --- where they are looked for ----------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._current = self._of_file.setdefault(item.nodeid.split("::")[0], set())
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "teardown":
            try:
                hits = self._search(item, report)
            except OSError as error:
                hits = [f"the search failed: {error}"]
            if hits:
                report.outcome = "failed"
                report.longrepr = "\n".join(["A secret was left behind:", *hits])
        return report

    def _search(self, item: pytest.Item, report: pytest.TestReport) -> list[str]:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is not None:
            self._note_configured(folder)
        secrets = [secret for secret in self._current if len(secret) >= SHORTEST and secret not in NO_NEEDLES]
        search = Search(*secrets)
        if folder is not None:
            search.look_below(folder, may_hold=lambda path: may_hold(item.nodeid, path))
        for name, text in report.sections:
            search.look(name, text)
        self.counted["needles"] += len(secrets)
        self.counted["tests"] += 1
        self.counted["bytes"] += search.seen
        self.counted["hits"] += len(search.hits)
        return search.shown

    # --- what there was ---------------------------------------------------------------------------------------------

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):  # pytest-xdist: to the process that prints
            self._config.workeroutput["needles"] = json.dumps(self.counted)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.counted += Counter(json.loads(getattr(node, "workeroutput", {}).get("needles", "{}")))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        counted = self.counted
        terminalreporter.write_line(
            f"needles: {counted['needles']} looked for after {counted['tests']} tests in {counted['bytes'] / 1e6:.0f} MB, {counted['hits']} hits; "
            f"{counted['too short or too common to be told from others']} secrets were too short or too common to look for"
        )
