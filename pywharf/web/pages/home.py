"""The first page: how to install from here and upload to here, how much there is, and what is new."""

from __future__ import annotations

from pywharf.api.client_lines import ASK_FOR_SECRET, PageLines
from pywharf.web.callers import Caller
from pywharf.web.navigation import is_navigation
from pywharf.web.own_address import own_address
from pywharf.web.pages.wording import day_words, iso, size_words
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect
from pywharf.web.templating import page

LATEST = 10  # releases


class Home:
    """`GET /`. public_url: where people reach this server; "" where that is not configured."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def __call__(self, request: Request, caller: Caller) -> Response:
        """A page for a browser; whoever else asks is led to the Simple API."""
        if not is_navigation(request):
            return redirect(request, "simple/")
        catalogue = caller.repository.catalogue
        behind = catalogue.is_behind()
        totals = catalogue.totals()
        lines = PageLines(own_address(request, self._public_url), caller.repository.name)
        latest = catalogue.latest(LATEST)
        return page(
            request,
            "home.tpl",
            title="Packages",
            caller=caller,
            feed=("feeds/latest.atom", f"Latest releases in {caller.repository.name}"),
            lines=lines,
            ask_for_secret=ASK_FOR_SECRET,
            example=latest[0].project if latest else "PROJECT",
            totals=totals,
            size=size_words(totals.bytes),
            latest=[(release, day_words(release.uploaded), iso(release.uploaded)) for release in latest],
            behind=behind,
        )
