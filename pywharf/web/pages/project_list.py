"""The list of projects, all of them or those that a search finds."""

from __future__ import annotations

import re

from pywharf.repository.search_words import MOST_LENGTH
from pywharf.web.callers import Caller
from pywharf.web.pages.wording import count_words, day_words, iso
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect
from pywharf.web.templating import page

PER_PAGE = 50

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # no text of a page has them
_NUMBER = re.compile(r"0*([0-9]{1,9})")


def project_list(request: Request, caller: Caller) -> Response:
    """`GET /projects/?q=&page=`. A page number that is none means the first; one past the end, the last."""
    if not request.raw_path.endswith("/"):
        return redirect(request, "projects/")
    words = " ".join(_CONTROL.sub(" ", request.query_value("q") or "")[:MOST_LENGTH].split())
    number = _page_number(request.query_value("page") or "1")
    catalogue = caller.repository.catalogue
    behind = catalogue.is_behind()
    found = catalogue.search(words, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    last = max(1, -(-found.total // PER_PAGE))
    if number > last:
        number = last
        found = catalogue.search(words, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    return page(
        request,
        "projects.tpl",
        title=f"Search: {words}" if words else "Projects",
        caller=caller,
        with_script=True,
        q=words,
        total=count_words(found.total, "project"),
        found=[(one, day_words(one.updated), iso(one.updated)) for one in found.projects],
        number=number,
        last=last,
        behind=behind,
    )


def _page_number(text: str) -> int:
    """1 or more; a number that is too long to be one of a page is beyond all of them."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return 10**9 if text.strip().isdecimal() else 1
    return max(1, int(match[1]))
