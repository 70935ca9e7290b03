"""Somebody with a browser, and everything that their browser did: what it asked of whom, what its console said, what popped up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from .chromium import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Route

Scheme = Literal["light", "dark"]

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PHONE = (360, 740)  # CSS pixels
DESK = (1440, 900)


class Visitor:
    """One person, with cookies of their own.

    `page` is what they look at; every address that they ask for is below `url`. What is not as it should be is in `strange`.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.context = context
        self.strange: list[str] = []
        self.asked: list[str] = []  # every address that the browser asked for, in order
        self._origin = urlsplit(url)[:2]
        context.on("request", self._asks)
        context.on("console", self._says)
        context.on("weberror", lambda error: self.strange.append(f"an error of a script: {error.error}"))
        context.on("dialog", self._dialog)
        self.page: Page = context.new_page()
        context.on("page", lambda page: self.strange.append(f"a window opened: {page.url}"))
        self.page.on("download", lambda download: self.strange.append(f"a download began: {download.url}"))

    # --- where they go ----------------------------------------------------------------------------------------------

    def open(self, path: str = "") -> int:
        """Go to a page as by typing its address. Returns the status."""
        answer = self.page.goto(self.url + path.removeprefix("/"))
        assert answer is not None
        return answer.status

    def log_in(self, repository: str, secret: str, path: str = "") -> None:
        """Through the form, from a page that asked for it."""
        self.open(path)
        self.page.get_by_label("Repository").fill(repository)
        self.page.get_by_label("Secret").fill(secret)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(self.url + path.removeprefix("/"))

    @property
    def path(self) -> str:
        """Where they are, below the server's address; with the query."""
        return self.page.url.removeprefix(self.url)

    @property
    def heading(self) -> str:
        """The page's one h1."""
        return " ".join(self.page.locator("main h1").inner_text().split())

    @property
    def text(self) -> str:
        """What the main part of the page says."""
        return self.page.locator("main").inner_text()

    def main(self) -> Locator:
        return self.page.locator("main")

    def is_focused(self) -> str:
        """What has the keyboard: the words on it, or its label."""
        told: str = self.page.evaluate(
            "() => { const e = document.activeElement; return (e.labels && e.labels.length ? e.labels[0].innerText : e.innerText || e.value || e.tagName).trim(); }"
        )
        return told

    # --- what happened ----------------------------------------------------------------------------------------------

    def watch_every_request(self) -> None:
        """Look at requests before they are sent as well. The browser's cache is off then."""
        self.context.route("**/*", self._lets_pass)

    def forget(self) -> None:
        """What happened until now."""
        self.strange.clear()
        self.asked.clear()

    def asked_elsewhere(self) -> list[str]:
        """The addresses of other origins among those that were asked for."""
        return [url for url in self.asked if self._is_elsewhere(url)]

    def check(self) -> None:
        """Nothing strange happened, and nobody else was asked."""
        assert self.asked_elsewhere() == [], self.asked_elsewhere()
        assert self.strange == [], self.strange

    def _asks(self, request: Request) -> None:
        self.asked.append(request.url)

    def _lets_pass(self, route: Route) -> None:
        self.asked.append(route.request.url)
        route.continue_()  # also to elsewhere: who is asked there can then tell of it

    def _is_elsewhere(self, url: str) -> bool:
        return urlsplit(url)[:2] != self._origin

    def _says(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert") and not _is_told_status(message):
            self.strange.append(f"the console at {self.path}: {message.type}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.strange.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


def _is_told_status(message: ConsoleMessage) -> bool:
    """Chromium calls a status of 400 or more an error. It is none where the page itself has it, as the test expects of it."""
    asked_for = message.page is not None and message.location["url"] == message.page.url
    return asked_for and message.text.startswith("Failed to load resource: the server responded with a status of 4")


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESK,
    scheme: Scheme = "light",
    scripts: bool = True,
    cookies: Sequence[Any] = (),
    check: bool = True,
) -> Iterator[Visitor]:
    """Somebody new on a server.

    scripts: whether their browser runs any. cookies: what they have from a visit before. check: whether `check` is to pass at the end.
    """
    width, height = size
    phone = {"has_touch": True, "is_mobile": True} if width < 600 else {}
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts, locale="en-GB",
        reduced_motion="reduce", **phone,
    )  # fmt: skip
    context.set_default_timeout(PATIENCE)
    try:
        if cookies:
            context.add_cookies(list(cookies))
        visitor = Visitor(context, url)
        yield visitor
        if check:
            visitor.check()
    finally:
        context.close()
