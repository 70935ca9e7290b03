"""What a page does by itself: the list follows what is typed, and a line that is selected is copied as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pywharf.testing.live_server import LiveServer

from .visitor import DESK, PHONE, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_the_list_follows_what_is_typed(browser: Browser, stocked: LiveServer) -> None:
    ours = stocked.generated
    with visiting(browser, stocked.url) as visitor:
        visitor.log_in(ours.name, ours.read_secret, "projects/")
        page, names = visitor.page, visitor.page.locator("main a.name")
        page.evaluate("() => { window.isTheSamePage = true; }")
        page.locator("#top-q").press_sequentially("harb", delay=30)
        # What it becomes on the way may be answered first, and finds as many.
        page.get_by_role("heading", name="Projects for “harb”", exact=True).wait_for()
        assert page.get_by_text("3 projects found").is_visible()
        assert next(one.split()[0] for one in names.all_inner_texts()) == "harbour-client"
        page.locator("#top-q").press_sequentially('our <b>&"', delay=30)
        page.get_by_role("heading", name='Projects for “harbour <b>&"”', exact=True).wait_for()
        assert page.get_by_text("No project here has").is_visible()
        assert page.locator("main b").count() == 0
        page.locator("#top-q").fill("")
        page.get_by_text("7 projects", exact=True).wait_for()
        assert visitor.is_focused() == "Search projects"
        assert (names.count(), visitor.path, page.title()) == (7, "projects/", "Projects · local")
        assert page.evaluate("() => 'isTheSamePage' in window")
        page.locator("#top-q").fill("tide")
        page.get_by_text("found").wait_for()
        page.reload()  # the address says what is shown
        assert (visitor.heading, visitor.path) == ("Projects for “tide”", "projects/?q=tide")


def test_while_the_session_is_over_typing_does_nothing_and_sending_leads_to_the_login(browser: Browser, stocked: LiveServer) -> None:
    ours = stocked.generated
    with visiting(browser, stocked.url, check=False) as visitor:
        visitor.log_in(ours.name, ours.read_secret, "projects/")
        visitor.context.clear_cookies()
        with visitor.page.expect_response(lambda answer: "q=tide" in answer.url) as answered:
            visitor.page.locator("#top-q").fill("tide")
        assert answered.value.status == 401
        assert visitor.heading == "Projects"
        visitor.page.locator("#top-q").press("Enter")
        visitor.page.wait_for_url(stocked.url + "login/?next=/projects/%3Fq%3Dtide")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_line_is_copied_as_one_line_however_it_is_broken_on_the_screen(
    browser: Browser, stocked: LiveServer, size: tuple[int, int]
) -> None:
    ours = stocked.generated
    with visiting(browser, stocked.url, size=size) as visitor:
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor.log_in(ours.name, ours.read_secret)
        lines = visitor.page.locator("code.copy")
        copied = []
        for line in lines.all():
            line.click()
            visitor.page.keyboard.press("ControlOrMeta+c")
            copied.append(visitor.page.evaluate("() => navigator.clipboard.readText()"))

        assert len(copied) == lines.count() > 8
        assert copied[-1] == f"{stocked.url}simple/"
        address = stocked.url.replace("//", f"//{ours.name}:$PYWHARF_SECRET@")
        assert f'PIP_INDEX_URL="{address}simple/" pip install tidetable' in copied
        assert not any("\n" in line or "  " in line for line in copied)
