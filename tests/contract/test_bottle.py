"""What the application relies on in Bottle: its routes, and how it says that there is none."""

from __future__ import annotations

import bottle
import pytest


@pytest.fixture
def router() -> bottle.Bottle:
    app = bottle.Bottle()
    app.route("/simple/<project>", "GET", lambda **arguments: ("project", arguments))
    app.route("/simple/<project>/<filename>", "GET", lambda **arguments: ("file", arguments))
    app.route("/simple", "POST", lambda **arguments: ("upload", arguments))
    return app


def match(app: bottle.Bottle, method: str, path: str) -> object:
    route, arguments = app.router.match({"REQUEST_METHOD": method, "PATH_INFO": path})
    return route.callback(**arguments)


def test_a_route_is_found_with_its_arguments_as_they_were_sent(router: bottle.Bottle) -> None:
    assert match(router, "GET", "/simple/Demo") == ("project", {"project": "Demo"})
    assert match(router, "GET", "/simple/demo/démo-1.0.tar.gz") == ("file", {"project": "demo", "filename": "démo-1.0.tar.gz"})


def test_a_head_is_taken_by_the_route_of_get(router: bottle.Bottle) -> None:
    assert match(router, "HEAD", "/simple/demo") == ("project", {"project": "demo"})


def test_an_argument_never_holds_a_slash_and_is_never_empty(router: bottle.Bottle) -> None:
    for path in ("/simple/", "/simple//", "/simple/a/b/c"):
        with pytest.raises(bottle.HTTPError) as caught:
            match(router, "GET", path)
        assert caught.value.status_code == 404


def test_a_method_that_a_path_does_not_take_is_405_with_those_that_it_takes(router: bottle.Bottle) -> None:
    with pytest.raises(bottle.HTTPError) as caught:
        match(router, "DELETE", "/simple/demo")

    assert caught.value.status_code == 405
    assert set(caught.value.get_header("Allow").split(",")) == {"GET"}


def test_templates_escape_what_they_show() -> None:
    assert bottle.SimpleTemplate("{{text}}").render(text="<script>\"'&") == "&lt;script&gt;&quot;&#039;&amp;"
