"""The routes found without Bottle are those that Bottle finds."""

from __future__ import annotations

import bottle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.hot_routes import hot_route

pytestmark = pytest.mark.any_python

ADDRESSES = ("/", "/simple", "/simple/<project>", "/simple//<project>", "/simple/<project>/<filename>", "/projects/<project>", "/health")
PIECES = ("/", "//", "simple", "simple/", "/simple/", "demo", "demo-1.0.tar.gz", "<project>", "é", "%2F", " ", "?", "..", ".")


def routes() -> bottle.Bottle:
    app = bottle.Bottle()
    for address in ADDRESSES:
        for rule in sorted({address, address.rstrip("/") + "/"}):
            app.route(rule, "GET", lambda: None)
    return app


ROUTES = routes()


def of_bottle(path: str) -> tuple[str, dict[str, str]] | None:
    try:
        route, arguments = ROUTES.router.match({"REQUEST_METHOD": "GET", "PATH_INFO": path})
    except bottle.HTTPError:
        return None
    return route.rule.rstrip("/") or "/", arguments


@given(st.lists(st.sampled_from(PIECES), max_size=7).map(lambda pieces: "/simple/" + "".join(pieces)) | st.text(max_size=20))
def test_what_is_found_is_what_bottle_finds(path: str) -> None:
    found = hot_route(path)

    assert found is None or found == of_bottle(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/simple/", ("/simple", {})),
        ("/simple/demo", ("/simple/<project>", {"project": "demo"})),
        ("/simple/demo/", ("/simple/<project>", {"project": "demo"})),
        ("/simple/demo/a.whl", ("/simple/<project>/<filename>", {"project": "demo", "filename": "a.whl"})),
        ("/simple/demo/a.whl/", None),
        ("/simple//demo/", None),
        ("/simple", None),
        ("/simplex/demo/", None),
    ],
)
def test_the_hot_paths_are_found(path: str, found: tuple[str, dict[str, str]] | None) -> None:
    assert hot_route(path) == found
