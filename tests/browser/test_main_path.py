"""What people come for, done in a browser: with a mouse, with the keyboard alone, and without any script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pywharf.testing.distributions import make_sdist, make_wheel
from pywharf.testing.live_server import LiveServer

from .chromium import launching
from .stock import upload_all
from .visitor import DESK, PHONE, Scheme, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server to change things on: one project with two releases, and another."""
    summary = [("Summary", "Depths under the keel"), ("Keywords", "lead,line")]
    readme = "# Sounding\n\nDrop it, *count* the fathoms."
    with LiveServer(tmp_path_factory.mktemp("changed") / "root") as server:
        files = [
            make_wheel("sounding", "1.0", extra_headers=[*summary, ("Description-Content-Type", "text/markdown")], description=readme),
            make_sdist("sounding", "1.0", extra_headers=summary),
            make_wheel("sounding", "0.9", extra_headers=summary),
            make_wheel("anchor", "2.0"),
        ]
        upload_all(server, files)
        yield server


def press(visitor: Visitor, name: str) -> None:
    visitor.page.get_by_role("button", name=name, exact=True).click()


def follow(visitor: Visitor, name: str, *, within: str = "main") -> None:
    visitor.page.locator(within).get_by_role("link", name=name, exact=True).first.click()


def selected_by_a_click(visitor: Visitor, tool: str) -> str:
    """What is selected once somebody clicked on the line for a tool: what "Copy" would copy."""
    visitor.page.locator("dt", has_text=tool).first.locator("xpath=following-sibling::dd[1]").locator("code").click()
    selected: str = visitor.page.evaluate("() => window.getSelection().toString()")
    return selected


@pytest.mark.parametrize(
    ("size", "scheme", "scripts"),
    [(DESK, "light", True), (PHONE, "dark", True), (PHONE, "light", False)],
    ids=["desk", "phone", "no-scripts"],
)
def test_the_whole_way_from_login_to_logout(
    browser: Browser, server: LiveServer, size: tuple[int, int], scheme: Scheme, scripts: bool
) -> None:
    ours = server.generated
    with visiting(browser, server.url, size=size, scheme=scheme, scripts=scripts) as visitor:
        page = visitor.page

        # In: what was asked for is remembered over a secret that is mistyped.
        visitor.open("projects/?q=keel")
        assert visitor.heading == "Log in"
        page.get_by_label("Repository").fill(ours.name)
        page.get_by_label("Secret").fill(ours.write_secret + "x")
        press(visitor, "Log in")
        page.get_by_role("alert").wait_for()
        assert "No repository has this name and this secret" in visitor.text
        assert page.get_by_label("Repository").input_value() == ours.name
        page.get_by_label("Secret").fill(ours.write_secret)
        press(visitor, "Log in")
        page.wait_for_url(server.url + "projects/?q=keel")
        assert "sounding" in visitor.text
        assert "anchor" not in visitor.text

        # Home, and a search by the beginning of a word of a keyword.
        page.locator(".brand").click()
        page.wait_for_url(server.url)
        assert server.url + "simple/" in visitor.text
        page.get_by_role("search").get_by_label("Search projects").fill("lea")
        press(visitor, "Search")
        page.wait_for_url(server.url + "projects/?q=lea")
        assert "Depths under the keel" in visitor.text

        # A project: its README, its files.
        page.locator("main .list a.name").first.click()
        page.wait_for_url(server.url + "projects/sounding/")
        assert visitor.heading == "sounding 1.0"
        assert page.locator(".readme em").inner_text() == "count"
        if scripts:  # to ask what is selected takes one, which the test brings
            assert (
                selected_by_a_click(visitor, "pip")
                == f'PIP_INDEX_URL="{server.url.replace("//", f"//{ours.name}:$PYWHARF_SECRET@")}simple/" pip install sounding'
            )
            assert selected_by_a_click(visitor, "Poetry") == f"poetry add --source {ours.name} sounding"
        assert page.locator("#files").locator("xpath=..").get_by_role("link", name="sounding-1.0-py3-none-any.whl", exact=True).is_visible()

        # A yank, shown before it is done, and taken back.
        follow(visitor, "Manage")
        page.get_by_label("What").select_option("version 1.0")
        page.locator("#reason").fill("Counts wrong in fog")
        press(visitor, "Yank…")
        assert visitor.heading == "Yank release 1.0?"
        assert "sounding-1.0-py3-none-any.whl" in visitor.text
        assert "sounding-1.0.tar.gz" in visitor.text
        press(visitor, "Yank")
        page.get_by_role("status").wait_for()
        visitor.open("projects/sounding/1.0/")
        assert "This release is yanked." in visitor.text
        assert "Counts wrong in fog" in visitor.text
        visitor.open("projects/sounding/")
        assert visitor.heading == "sounding 0.9"
        visitor.open("projects/sounding/1.0/")
        follow(visitor, "Why is it offered, or not?")
        assert "Counts wrong in fog" in visitor.text
        visitor.open("projects/sounding/manage/")
        page.get_by_label("What").select_option("version 1.0")
        press(visitor, "Take a yank back…")
        press(visitor, "Take the yank back")
        page.get_by_role("status").wait_for()
        visitor.open("projects/sounding/")
        assert visitor.heading == "sounding 1.0"

        # A status, and files that are deleted.
        follow(visitor, "Manage")
        page.get_by_label("deprecated").check()
        page.locator("#status-reason").fill("Use echo")
        press(visitor, "Set the status…")
        press(visitor, "Set the status")
        page.get_by_role("status").wait_for()
        page.get_by_label("What").select_option("version 0.9")
        page.locator("#reason").fill("Old")
        press(visitor, "Delete…")
        assert "This cannot be taken back." in visitor.text
        press(visitor, "Delete 1 file for good")
        page.get_by_role("status").wait_for()
        visitor.open("projects/sounding/")
        assert "This project is deprecated." in visitor.text
        assert "Use echo" in visitor.text
        assert "0.9" not in visitor.main().locator(".history").inner_text()

        # Out, for every copy of the cookie.
        cookies = visitor.context.cookies()
        press(visitor, "Log out")
        page.wait_for_url(server.url + "login/")
        visitor.open("projects/")
        assert visitor.heading == "Log in"
        visitor.context.add_cookies(cookies)
        visitor.open("projects/")
        assert visitor.heading == "Log in"


def test_a_link_in_a_readme_logs_nobody_out(browser: Browser, server: LiveServer) -> None:
    ours = server.generated
    trap = f"[our handbook]({server.url}logout/)"
    markdown = [("Description-Content-Type", "text/markdown")]
    upload_all(server, [make_wheel("trap", "1.0", extra_headers=markdown, description=trap)])
    with visiting(browser, server.url) as visitor:
        visitor.log_in(ours.name, ours.read_secret, "projects/trap/")
        follow(visitor, "our handbook")
        visitor.page.wait_for_url(server.url + "logout/")
        assert visitor.heading == "Log out?"
        follow(visitor, "Stay logged in")
        assert visitor.open("projects/") == 200
        assert visitor.heading == "Projects"
        visitor.open("logout/")  # as somebody types it
        visitor.page.wait_for_url(server.url + "login/")
        visitor.open("projects/")
        assert visitor.heading == "Log in"


def test_after_logging_out_the_back_button_shows_nothing(stocked: LiveServer, browser: Browser) -> None:
    """With the cache for it switched on, which Playwright switches off: a page that is kept there is shown without asking anybody."""
    ours = stocked.generated
    kept = ("projects/tidetable/", "simple/tidetable/", "projects/berth-planning/")
    again = browser.browser_type.launch(**{**launching(), "ignore_default_args": ["--disable-back-forward-cache"]})
    try:
        with visiting(again, stocked.url) as visitor:
            visitor.log_in(ours.name, ours.read_secret)
            for path in kept:
                visitor.open(path)
                visitor.page.evaluate("() => { window.hasBeenSeen = true; }")
            press(visitor, "Log out")
            visitor.page.wait_for_url(stocked.url + "login/")
            for path in reversed(kept):
                visitor.page.evaluate("() => { history.back(); }")
                visitor.page.wait_for_url(f"{stocked.url}login/?next=/{path}")
                assert visitor.heading == "Log in"
                assert not visitor.page.evaluate("() => 'hasBeenSeen' in window")
    finally:
        again.close()


def test_with_a_secret_that_may_only_read_nothing_offers_to_change_anything(browser: Browser, stocked: LiveServer) -> None:
    ours = stocked.generated
    with visiting(browser, stocked.url) as visitor:
        visitor.log_in(ours.name, ours.read_secret, "projects/tidetable/")
        assert visitor.main().get_by_role("link", name="Manage").count() == 0
        assert visitor.open("projects/tidetable/manage/") == 403
        assert visitor.page.locator("main form").count() == 0


def test_the_whole_way_with_the_keyboard_alone(browser: Browser, server: LiveServer) -> None:
    ours = server.generated
    with visiting(browser, server.url) as visitor:
        keyboard = visitor.page.keyboard

        def tab_to(words: str, most: int = 60) -> None:
            for _ in range(most):
                keyboard.press("Tab")
                if visitor.is_focused() == words:
                    outline = visitor.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                    assert outline != "none", f"nothing shows that {words!r} has the keyboard"
                    return
            raise AssertionError(f"Tab does not lead to {words!r} on {visitor.path}")

        visitor.open()
        assert visitor.is_focused() == "Repository"
        keyboard.type(ours.name)
        keyboard.press("Tab")
        keyboard.type(ours.write_secret)
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url)

        keyboard.press("Tab")
        assert visitor.is_focused() == "Skip to the content"
        assert visitor.page.evaluate("() => document.activeElement.getBoundingClientRect().left") >= 0
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url + "#content")

        visitor.open()
        tab_to("Search projects")
        keyboard.type("sounding")
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url + "projects/?q=sounding")
        tab_to("sounding 1.0")
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url + "projects/sounding/")
        tab_to("Manage")
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url + "projects/sounding/manage/")
        tab_to("What")
        keyboard.press("ArrowDown")
        keyboard.press("Tab")
        keyboard.type("Rope too short")
        tab_to("Yank…")
        keyboard.press("Enter")
        visitor.page.get_by_role("heading", name="Yank release 1.0?").wait_for()
        tab_to("Yank")
        keyboard.press("Enter")
        visitor.page.get_by_role("status").wait_for()
        tab_to("Log out")
        keyboard.press("Enter")
        visitor.page.wait_for_url(server.url + "login/")
