from __future__ import annotations

import pytest

from pywharf.testing.distributions import make_sdist, make_wheel

from .site import Site

pytestmark = pytest.mark.any_python


def test_each_file_of_a_release_is_explained(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0", requires_python=">=3.9"), make_sdist("demo", "1.0"), make_wheel("demo", "2.0"))

    page = site.visit("/projects/demo/1.0/why/")

    assert page.status == 200
    assert [heading.text for heading in page.all("h2")] == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
    for told in (
        "satisfies >=3.9",
        "There is 2.0, which is newer",
        "It is a wheel for Python 3, any platform",
        "It is a source distribution",
    ):
        assert told in page.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda releases: releases.yank(None, "demo", version="1.0", reason="broken <b>"), 'It is yanked: installers pass over it, unless exactly this version is asked for (==). The reason given: “broken <b>”'),
        (lambda releases: releases.set_status(None, "demo", "quarantined", "odd"), 'nothing of it is listed or served, whoever asks. The reason given: “odd”'),
        (lambda releases: releases.set_status(None, "demo", "archived"), "no new files are taken"),
        (lambda releases: releases.delete(None, "demo", version="1.0", reason="a key"), 'Its name stays taken: no file can be uploaded under it again. The reason given: “a key”'),
    ],
)  # fmt: skip
def test_what_was_done_to_a_release_is_told(site: Site, change: object, told: str) -> None:
    site.publish(make_wheel("demo", "1.0"))
    change(site.repository.releases)  # type: ignore[operator]

    page = site.visit("/projects/demo/1.0/why/")

    assert page.status == 200
    assert told in page.text


def test_it_agrees_with_what_installers_are_shown(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0"), make_sdist("demo", "1.0"))
    site.repository.releases.delete(None, "demo", filename="demo-1.0.tar.gz")

    listed = site.reader.get("/simple/demo/").text
    page = site.visit("/projects/demo/1.0/why/")

    assert ("demo-1.0.tar.gz" in listed, "demo-1.0-py3-none-any.whl" in listed) == (False, True)
    assert "demo-1.0-py3-none-any.whl offered" in page.text
    assert "demo-1.0.tar.gz not offered" in page.text


def test_a_pre_release_is_offered_on_request(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0rc1"), make_wheel("demo", "1.0.dev1"))

    assert "It is of a pre-release" in site.visit("/projects/demo/1.0rc1/why/").text
    assert "It is of a development release" in site.visit("/projects/demo/1.0.dev1/why/").text


@pytest.mark.parametrize("target", ["/projects/demo/9.9/why/", "/projects/nope/1.0/why/", "/projects/demo/manage/why/"])
def test_what_never_was_is_404(site: Site, target: str) -> None:
    site.publish(make_wheel("demo", "1.0"))

    assert site.visit(target).status == 404


def test_another_spelling_leads_to_the_page(site: Site) -> None:
    site.publish(make_wheel("demo", "1.0"))

    for target in ("/projects/Demo/1.0/why/", "/projects/demo/v1.0.0/why/", "/projects/demo/1.0/why"):
        answer = site.reader.get(target)
        assert (answer.status, site.reader.follow(target, answer.headers["location"])) == (301, "/projects/demo/1.0/why/")
