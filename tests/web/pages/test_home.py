from __future__ import annotations

from pathlib import Path

import pytest

from pywharf import __version__
from pywharf.repository.audit import Requester
from pywharf.testing.distributions import make_sdist, make_wheel

from ..client import Client, basic
from .site import NAVIGATION, Page, Site

pytestmark = pytest.mark.any_python


def lines(page: Page) -> list[str]:
    return [element.text for element in page.all("code") if element.attributes.get("class") == "copy"]


def test_a_browser_gets_a_page_and_an_installer_is_led_to_the_simple_api(shared: Site) -> None:
    assert shared.visit("/").status == 200
    for accept in (None, "*/*", "text/html", "application/vnd.pypi.simple.v1+json"):
        answer = shared.reader.get("/", {"Accept": accept} if accept else {})
        assert (answer.status, answer.headers["location"]) == (301, "simple/")


def test_it_counts_what_there_is_and_names_what_is_new(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0", extra_headers=[("Summary", "A demo")]), make_sdist("demo", "1.0"), make_wheel("other", "2.0"))

    page = site.visit("/")

    assert "2 projects 2 releases 3 files" in page.text
    assert list(page.links())[-3:] == ["other 2.0", "demo 1.0", "All projects"]
    assert page.links()["demo 1.0"] == "./projects/demo/1.0/"
    assert "A demo" in page.text


@pytest.mark.parametrize("target", ["/", "/projects/"])
def test_what_is_not_as_usual_with_a_project_is_told_in_every_list(site: Site, target: str) -> None:
    site.publish(*(make_wheel(name, "1.0") for name in ("usual", "odd", "old", "kept")))
    for name, status in (("odd", "quarantined"), ("old", "deprecated"), ("kept", "archived")):
        site.repository.releases.set_status("write", name, status, "", requester=Requester(""))  # type: ignore[arg-type]

    text = site.visit(target).text

    for told in ("odd 1.0 quarantined", "old 1.0 deprecated", "kept 1.0 archived"):
        assert told in text
    assert "usual 1.0 quarantined" not in text


def test_a_yanked_release_is_told_as_that_among_the_latest(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0"), make_wheel("demo", "1.1"))
    site.repository.releases.yank("write", "demo", version="1.1", reason="", requester=Requester(""))  # type: ignore[arg-type]

    text = site.visit("/").text

    assert "demo 1.1 yanked" in text
    assert "demo 1.0 yanked" not in text


@pytest.mark.parametrize(
    "target", ["/", "/projects/", "/projects/demo/", "/projects/demo/7/", "/projects/demo/1.0/why/", "/projects/demo/manage/"]
)
def test_every_page_ends_with_the_version_of_the_program(site: Site, target: str) -> None:
    site.publish(make_wheel("demo", "1.0"))

    assert site.browser().get(target).text.endswith(f" pywharf {__version__}")


def test_an_empty_repository_says_how_to_fill_it(shared: Site) -> None:
    page = shared.visit("/")

    assert "Nothing has been uploaded yet" in page.text
    assert "0 projects 0 releases 0 files" in page.text
    assert 'TWINE_PASSWORD="$PYWHARF_SECRET" twine upload --repository-url http://localhost:8888/simple/ --username acme dist/*' in lines(
        page
    )


def test_lines_have_the_address_that_was_asked_for(shared: Site) -> None:
    page = shared.visit("/", HTTP_HOST="wheels.acme.example:8080")

    assert all("localhost" not in line for line in lines(page))
    assert "wheels.acme.example:8080/simple/" in lines(page)[-1]


def test_a_prefix_is_part_of_the_address(shared: Site) -> None:
    page = shared.visit("/", SCRIPT_NAME="/wharf")

    assert lines(page)[-1] == "http://localhost:8888/wharf/simple/"


def test_the_configured_address_goes_before_what_was_asked_for(tmp_path: Path) -> None:
    site = Site(tmp_path / "other", public_url="https://wheels.acme.example")
    try:
        shown = lines(site.visit("/", HTTP_HOST="evil.example"))
    finally:
        site.close()

    assert shown[-1] == "https://wheels.acme.example/simple/"
    assert not any("evil" in line for line in shown)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"HTTP_HOST": "box.example"}, "https://box.example/simple/"),  # browsers say Sec-Fetch-Mode over https only
        ({"HTTP_HOST": "127.0.0.1:8888"}, "http://127.0.0.1:8888/simple/"),
        ({"HTTP_HOST": "[::1]:8888"}, "http://[::1]:8888/simple/"),
        ({"HTTP_HOST": "box.example", "wsgi.url_scheme": "https"}, "https://box.example/simple/"),
        ({"HTTP_HOST": "box.example", "HTTP_VIA": "1.1 proxy"}, "https://box.example/simple/"),
    ],
)
def test_in_doubt_the_address_is_one_with_https(shared: Site, environ: dict[str, str], address: str) -> None:
    assert lines(shared.visit("/", **environ))[-1] == address


def test_over_plain_http_pip_is_told_to_trust_the_host(shared: Site) -> None:
    headers = {"Accept": NAVIGATION["Accept"]}

    page = Page(Client(shared.app, basic("acme", "read")).get("/", headers, HTTP_HOST="10.0.0.7:8888"))

    assert any(" pip install --trusted-host 10.0.0.7:8888 " in line for line in lines(page))


@pytest.mark.parametrize("host", ["", "a b", 'x"onload="', "evil.example/path", "user@evil.example", "a\\b", "$(id)", "x`id`", "é.example"])
def test_a_host_that_is_none_is_refused(shared: Site, host: str) -> None:
    assert shared.visit("/", HTTP_HOST=host).status == 400


def test_no_secret_is_on_any_page(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0"))
    browser = site.browser("write")

    for target in ("/", "/projects/", "/projects/demo/", "/projects/demo/1.0/", "/projects/demo/1.0/why/", "/projects/demo/manage/"):
        page = browser.get(target)
        assert page.status == 200
        assert 'value="write"' not in page.answer.text
        assert ":write@" not in page.answer.text


@pytest.mark.parametrize("target", ["/", "/projects/", "/projects/demo/", "/projects/nope/", "/projects/demo/1.0/why/"])
def test_pages_are_kept_by_no_cache_for_another(site: Site, target: str) -> None:
    site.publish(make_wheel("demo", "1.0"))

    headers = site.visit(target).answer.headers

    assert headers["cache-control"].startswith("private")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "Authorization" in headers["vary"]
    assert "Cookie" in headers["vary"]
