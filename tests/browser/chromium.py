"""A headless Chromium: where it is found, how it is started, and why a test is skipped where it is missing.

Playwright drives it and is asked for nothing else: the browser is the system's own, never one that Playwright fetches.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "PYWHARF_TEST_CHROMIUM"  # names another browser than the one on PATH
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

PATIENCE = 30_000  # milliseconds for anything that a page is waited for

# --no-sandbox: in a container the tests may run as root. The others keep the browser's own errands out of the network log.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
]


class BrowserMissing(Exception):
    """There is no browser to drive; the message says what to install."""


def executable() -> str:
    """The path of the browser. Raises BrowserMissing."""
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).exists():
            raise BrowserMissing(f"{VARIABLE} names {named}, which is not there")
        return named
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise BrowserMissing(f"Chromium is not installed (Debian's package is `chromium`; {VARIABLE} can name another browser)")
    return found


def launching() -> dict[str, Any]:
    """How Playwright is told to start it. Raises BrowserMissing."""
    return {"executable_path": executable(), "headless": True, "args": ARGUMENTS, "timeout": 2 * PATIENCE}


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser process for as long as it is used. Raises BrowserMissing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BrowserMissing("playwright is not installed (`tox -e browser` has it)") from None
    how = launching()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**how)
        try:
            yield browser
        finally:
            browser.close()
