"""Each page that there is: it is quiet, it fits, and axe finds nothing wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pywharf.testing.live_server import LiveServer

from .axe import violations
from .pages import ANSWERS, PAGES, PICTURED, Reached, Seen, Who, cookies_of_all, reach
from .visitor import DESK, PHONE, SCHEMES, Scheme, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ALL = [pytest.param(one, id=one.name) for one in (*PAGES, *ANSWERS)]
COLOURS = ("color-contrast", "link-in-text-block")  # axe's rules that look at colours
SMALLEST_TARGET = 24  # CSS pixels; WCAG 2.2, 2.5.8


@pytest.fixture(scope="module")
def visitors(browser: Browser, stocked: LiveServer) -> Iterator[Callable[[Who, tuple[int, int], Scheme], Visitor]]:
    """People with a browser of some size and colours, each of whom goes from page to page."""
    cookies = cookies_of_all(browser, stocked)
    known: dict[tuple[object, ...], Visitor] = {}
    with ExitStack() as until_all_are_gone:

        def found(who: Who, size: tuple[int, int], scheme: Scheme) -> Visitor:
            if (who, size, scheme) not in known:
                arrival = visiting(browser, stocked.url, size=size, scheme=scheme, cookies=cookies[who], check=False)
                known[who, size, scheme] = until_all_are_gone.enter_context(arrival)
            known[who, size, scheme].forget()
            return known[who, size, scheme]

        yield found


@pytest.mark.parametrize("seen", ALL)
def test_a_page_is_right_at_a_desk_by_day(visitors: Callable[..., Visitor], axe: str, seen: Seen | Reached) -> None:
    visitor = visitors(seen.who, DESK, "light")

    assert reach(visitor, seen) == seen.status

    assert violations(visitor.page, axe) == []
    assert visitor.page.locator("h1:not(.readme *)").count() == 1
    assert visitor.page.title().strip()
    visitor.check()


@pytest.mark.parametrize("seen", ALL)
def test_a_page_is_right_on_a_phone_by_night(visitors: Callable[..., Visitor], axe: str, seen: Seen | Reached) -> None:
    visitor = visitors(seen.who, PHONE, "dark")

    assert reach(visitor, seen) == seen.status

    assert too_wide(visitor.page) == []
    assert too_small_to_tap(visitor.page) == []
    assert violations(visitor.page, axe) == []
    visitor.check()


@pytest.mark.parametrize("seen", [pytest.param(one, id=one.name) for one in PAGES if one.name in PICTURED])
def test_the_colours_of_a_page_are_right_the_other_way_round(visitors: Callable[..., Visitor], axe: str, seen: Seen | Reached) -> None:
    for size, scheme in ((DESK, "dark"), (PHONE, "light")):
        visitor = visitors(seen.who, size, scheme)
        reach(visitor, seen)
        assert violations(visitor.page, axe, only=COLOURS) == []


def test_axe_finds_what_is_wrong(browser: Browser, stocked: LiveServer, axe: str) -> None:
    with visiting(browser, stocked.url) as visitor:
        visitor.open("login/")
        visitor.page.locator("label").first.evaluate("label => label.remove()")
        visitor.page.locator(".hint").first.evaluate("hint => { hint.style.color = 'rgb(200, 200, 200)'; }")

        assert {one.partition(" ")[0] for one in violations(visitor.page, axe)} == {"label", "color-contrast"}
        assert {one.partition(" ")[0] for one in violations(visitor.page, axe, only=COLOURS)} == {"color-contrast"}


def test_dark_is_dark_and_light_is_light(browser: Browser, stocked: LiveServer) -> None:
    paper = {}
    for scheme in SCHEMES:
        with visiting(browser, stocked.url, scheme=scheme) as visitor:
            visitor.open("login/")
            colour: str = visitor.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
            paper[scheme] = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert paper["light"] > 600
    assert paper["dark"] < 165


def test_a_check_of_the_width_finds_what_is_too_wide(browser: Browser, stocked: LiveServer) -> None:
    with visiting(browser, stocked.url, size=PHONE) as visitor:
        visitor.open("login/")
        visitor.page.locator("h1").evaluate("h1 => { h1.style.width = '500px'; }")
        assert too_wide(visitor.page)


def test_a_check_of_targets_finds_what_is_too_small(browser: Browser, stocked: LiveServer) -> None:
    with visiting(browser, stocked.url, size=PHONE) as visitor:
        visitor.open("login/")
        visitor.page.locator("main button").evaluate(
            "e => { e.style.cssText = 'padding: 0; width: 12px; height: 12px; min-height: 0'; e.after(e.cloneNode(true)); }"
        )
        assert too_small_to_tap(visitor.page)


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            const over = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 0.5);
            return over.map(e => e.outerHTML.slice(0, 120)).concat("the page is wider than the screen");
        }"""
    )
    return found


def too_small_to_tap(page: Page) -> list[str]:
    """Links, buttons and fields that a finger can miss: smaller than 24 by 24, and others within 24 of their middle.

    A link within a sentence may be as high as its line. Source: WCAG 2.2, success criterion 2.5.8.
    """
    found: list[str] = page.evaluate(
        """smallest => {
            const isInSentence = e => {
                let block = e.parentElement;
                while (getComputedStyle(block).display === "inline") block = block.parentElement;
                return e.matches("a") && block.innerText.trim().length > e.innerText.trim().length;
            };
            const targets = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
                .filter(e => e.checkVisibility() && !e.closest(".skip"))
                .map(e => [e, e.getBoundingClientRect()]);
            const isSmall = box => box.width < smallest || box.height < smallest;
            const middle = box => [box.left + box.width / 2, box.top + box.height / 2];
            const isNear = (box, other) => {
                const [x, y] = middle(box);
                if (isSmall(other)) {
                    const [u, v] = middle(other);
                    return Math.hypot(x - u, y - v) < smallest;
                }
                const aside = Math.max(other.left - x, x - other.right, 0), above = Math.max(other.top - y, y - other.bottom, 0);
                return Math.hypot(aside, above) < smallest / 2;
            };
            return targets
                .filter(([e, box]) => isSmall(box) && !isInSentence(e))
                .filter(([e, box]) => targets.some(([other, its]) => other !== e && isNear(box, its)))
                .map(([e, box]) => `${e.outerHTML.slice(0, 120)}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
        }""",
        SMALLEST_TARGET,
    )
    return found
