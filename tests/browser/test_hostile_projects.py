"""Uploaders who write into READMEs and metadata what would run, fetch, mislead or lead away: nothing of it does."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

from .elsewhere import Elsewhere, elsewhere
from .hostile import RUN, TYPED, everything
from .inspection import intruders
from .visitor import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = [one.name for one in everything("")]
NOTICED = "script img-html img-onerror svg-onload iframe-srcdoc style link-stylesheet form class-of-ours link-javascript-entities".split()
FEWEST = 120  # of them that have to get as far as a page; the others are refused when they are uploaded


@pytest.fixture(scope="module")
def evil() -> Iterator[Elsewhere]:
    with elsewhere() as server:
        yield server


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory, evil: Elsewhere) -> Iterator[tuple[LiveServer, dict[str, str]]]:
    """A server with the whole table, and why it refused what it did not take."""
    refused = {}
    with LiveServer(tmp_path_factory.mktemp("hostile") / "root") as server:
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        authorization = basic_auth(server.generated.name, server.generated.write_secret)
        for one in everything(evil.url):
            wheel = make_wheel(one.project(), "1.0", metadata_version="2.5", extra_headers=one.headers, description=one.description)
            status, told = send_upload(connection, authorization, wheel)
            assert status in (200, 400), told
            if status == 400:
                refused[one.name] = told
        yield server, refused


@pytest.fixture(scope="module")
def victim(browser: Browser, uploaded: tuple[LiveServer, dict[str, str]]) -> Iterator[Visitor]:
    """Somebody who may write, and looks at all of it with the same browser."""
    server, _ = uploaded
    with visiting(browser, server.url) as visitor:
        visitor.log_in(server.generated.name, server.generated.write_secret)
        visitor.watch_every_request()
        yield visitor


def look(visitor: Visitor, evil: Elsewhere, path: str, *, status: int = 200) -> None:
    """Open a page, wait for what it might do, and check that it did nothing."""
    assert visitor.open(path) == status
    unharmed(visitor, evil)
    assert visitor.path == path


def unharmed(visitor: Visitor, evil: Elsewhere) -> None:
    visitor.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
    assert intruders(visitor.page, visitor.url.rstrip("/")) == []
    visitor.check()
    assert (evil.connections, evil.asked) == (0, [])


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_project_does_nothing_to_those_who_look_at_it(
    victim: Visitor, evil: Elsewhere, uploaded: tuple[LiveServer, dict[str, str]], name: str
) -> None:
    if name in uploaded[1]:
        look(victim, evil, f"projects/hostile-{name}/", status=404)
        return
    look(victim, evil, f"projects/hostile-{name}/")
    assert victim.heading == f"hostile-{name} 1.0"
    assert victim.page.title().startswith(f"hostile-{name} · ")


def test_nearly_all_of_the_table_is_seen_on_a_page(uploaded: tuple[LiveServer, dict[str, str]]) -> None:
    assert len(NAMES) - len(uploaded[1]) >= FEWEST, uploaded[1]


def test_hostile_summaries_do_nothing_in_lists(victim: Visitor, evil: Elsewhere, uploaded: tuple[LiveServer, dict[str, str]]) -> None:
    for path in ("", "projects/", "projects/?page=2", "projects/?page=3", "projects/?q=script", "projects/?q=hostile&page=2"):
        look(victim, evil, path)


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_shown_as_it_was_typed(victim: Visitor, evil: Elsewhere, typed: str) -> None:
    text = typed.replace("RUN", RUN).replace("EVIL", evil.url)
    look(victim, evil, f"projects/?q={quote(text[:180], safe='')}")
    assert victim.page.locator("#top-q").input_value() == " ".join(text[:180].split())
    assert victim.open(f"projects/{quote(text, safe='')}/") in (400, 404)
    unharmed(victim, evil)
    assert victim.open(f"projects/hostile-md-script/{quote(text, safe='')}/") in (400, 404)
    unharmed(victim, evil)
    assert victim.open(f"login/?next={quote(text, safe='')}") == 200
    unharmed(victim, evil)
    victim.open(f"projects/hostile-md-script/manage/?done={quote(text, safe='')}&version={quote(text, safe='')}")
    unharmed(victim, evil)


def test_hostile_reasons_do_nothing(victim: Visitor, evil: Elsewhere) -> None:
    page = victim.page
    for project, typed in zip(("md-script", "md-img", "md-style"), TYPED, strict=False):
        text = typed.replace("RUN", RUN).replace("EVIL", evil.url)
        manage = f"projects/hostile-{project}/manage/"
        victim.open(manage)
        page.get_by_label("What").select_option("version 1.0")
        page.locator("#reason").fill(text)
        page.get_by_role("button", name="Yank…", exact=True).click()
        page.get_by_role("heading", name="Yank release 1.0?").wait_for()
        unharmed(victim, evil)
        assert text in victim.text
        page.get_by_role("button", name="Yank", exact=True).click()
        page.get_by_role("status").wait_for()
        page.get_by_label("archived").check()
        page.locator("#status-reason").fill(text)
        page.get_by_role("button", name="Set the status…", exact=True).click()
        page.get_by_role("button", name="Set the status", exact=True).click()
        page.get_by_role("status").wait_for()
        unharmed(victim, evil)
        for path in (manage, f"projects/hostile-{project}/1.0/", f"projects/hostile-{project}/1.0/why/"):
            look(victim, evil, path)
            assert text in victim.text or page.locator("#status-reason").input_value() == text


def test_hostile_names_at_the_login(browser: Browser, evil: Elsewhere, uploaded: tuple[LiveServer, dict[str, str]]) -> None:
    with visiting(browser, uploaded[0].url) as visitor:
        for typed in TYPED:
            visitor.open("login/")
            visitor.page.get_by_label("Repository").fill(typed[:64])
            visitor.page.get_by_label("Secret").fill(typed)
            visitor.page.get_by_role("button", name="Log in").click()
            visitor.page.get_by_role("alert").wait_for()
            unharmed(visitor, evil)
            assert visitor.page.get_by_label("Repository").input_value() == typed[:64].strip()


# --- that these tests would notice -----------------------------------------------------------------------------------


def test_without_our_cleaning_and_our_policy_the_table_does_run_and_leak(browser: Browser) -> None:
    """Some of the same values in a page that somebody careless wrote."""
    ran, leaked, seen = set(), set(), set()
    with elsewhere() as careless, elsewhere() as evil, visiting(browser, careless.url + "/", check=False) as visitor:
        table = {one.name: one for one in everything(evil.url)}
        for name in NOTICED:
            one = table[f"md-{name}"]
            visitor.asked.clear()
            careless.pages["/page"] = f"<!DOCTYPE html><title>x</title><main><h1>x</h1><div class=readme>{one.description}</div></main>"
            visitor.open("page")
            found = intruders(visitor.page, careless.url)
            if "a script ran" in found:
                ran.add(name)
            if visitor.asked_elsewhere():
                leaked.add(name)
            if found:
                seen.add(name)
        assert evil.connections > 0

    assert ran == {*NOTICED} - {"img-html", "style", "link-stylesheet", "link-javascript-entities", "class-of-ours"}
    assert leaked == {*NOTICED} - {"link-javascript-entities", "class-of-ours"}
    assert seen == {*NOTICED}
    assert visitor.strange
