"""Every page of the stocked repository, by a name for people, and who may see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .visitor import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from pywharf.testing.live_server import LiveServer

Who = Literal["anybody", "reader", "writer"]
Cookies = Mapping[Who, Sequence[Any]]  # as Playwright has them


@dataclass(frozen=True)
class Seen:
    """A page that is opened by its address."""

    name: str  # of its pictures
    path: str
    who: Who = "writer"
    status: int = 200


PAGES = (
    Seen("login", "login/", "anybody"),
    Seen("home", ""),
    Seen("home-reader", "", "reader"),
    Seen("projects", "projects/"),
    Seen("search", "projects/?q=harb"),
    Seen("search-nothing", "projects/?q=submarine"),
    Seen("project", "projects/tidetable/"),
    Seen("project-reader", "projects/tidetable/", "reader"),
    Seen("project-rst", "projects/berth-planning/"),
    Seen("project-without-readme", "projects/quay-units/"),
    Seen("project-deprecated", "projects/old-crane/"),
    Seen("project-archived", "projects/semaphore-signals/"),
    Seen("project-quarantined", "projects/suspicious-cargo/"),
    Seen("release", "projects/tidetable/2.2.1/"),
    Seen("release-yanked", "projects/tidetable/2.2.0/"),
    Seen("release-ahead", "projects/tidetable/2.4.0rc1/"),
    Seen("why", "projects/tidetable/2.2.0/why/"),
    Seen("why-many", "projects/tidetable/2.3.0/why/"),
    Seen("why-deleted", "projects/tidetable/1.9.2/why/"),
    Seen("why-quarantined", "projects/suspicious-cargo/0.0.1/why/"),
    Seen("manage", "projects/tidetable/manage/"),
    Seen("manage-quarantined", "projects/suspicious-cargo/manage/"),
    Seen("missing-project", "projects/submarine/", status=404),
    Seen("missing-release", "projects/tidetable/9.9/", status=404),
    Seen("missing-page", "nowhere/", status=404),
    Seen("bad-name", "projects/-/", status=404),
    Seen("manage-forbidden", "projects/tidetable/manage/", "reader", status=403),
)


@dataclass(frozen=True)
class Reached:
    """A page that answers a form: from where, and what is done there."""

    name: str
    path: str
    fill: Callable[[Page], None]
    who: Who = "writer"
    status: int = 200


def _choose(what: str, button: str, reason: str = "") -> Callable[[Page], None]:
    def fill(page: Page) -> None:
        page.get_by_label("What").select_option(what)
        page.locator("#reason").fill(reason)
        page.get_by_role("button", name=button, exact=True).click()

    return fill


def _set_status(page: Page) -> None:
    page.get_by_label("deprecated").check()
    page.locator("#status-reason").fill("Use tide-of-all-harbours")
    page.get_by_role("button", name="Set the status…").click()


def _choose_nothing(page: Page) -> None:
    page.get_by_label("What").evaluate("select => select.required = false")
    page.get_by_role("button", name="Yank…").click()


def _log_in_wrongly(page: Page) -> None:
    page.get_by_label("Repository").fill("local")
    page.get_by_label("Secret").fill("not the secret")
    page.get_by_role("button", name="Log in").click()


MANAGE = "projects/tidetable/manage/"
ANSWERS = (
    Reached("login-wrong", "login/", _log_in_wrongly, "anybody", status=401),
    Reached("confirm-yank", MANAGE, _choose("version 2.3.0", "Yank…", "The harbour of Emden is an hour late")),
    Reached("confirm-unyank", MANAGE, _choose("version 2.2.0", "Take a yank back…")),
    Reached("confirm-delete", MANAGE, _choose("version 2.3.0", "Delete…", "Uploaded by mistake")),
    Reached("confirm-status", MANAGE, _set_status),
    Reached("manage-refused", MANAGE, _choose_nothing, status=400),
)
PICTURED = ("login", "home", "projects", "search", "project", "release-yanked", "why", "manage", "confirm-delete", "missing-project")


def reach(visitor: Visitor, page: Seen | Reached) -> int:
    """Bring somebody who is logged in where they have to be to a page. Returns the status that it has."""
    if isinstance(page, Seen):
        return visitor.open(page.path)
    visitor.open(page.path)
    with visitor.page.expect_navigation() as answered:
        page.fill(visitor.page)
    return answered.value.status if answered.value else 0


def cookies_of_all(browser: Browser, server: LiveServer) -> Cookies:
    """Log in once as each, for tests that are about something else."""
    cookies: dict[Who, Sequence[Any]] = {"anybody": ()}
    secrets: dict[Who, str] = {"reader": server.generated.read_secret, "writer": server.generated.write_secret}
    for who, secret in secrets.items():
        with visiting(browser, server.url) as visitor:
            visitor.log_in(server.generated.name, secret)
            cookies[who] = visitor.context.cookies()
    return cookies
