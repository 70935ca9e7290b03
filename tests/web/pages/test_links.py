"""A link changes nothing, wherever it stands and wherever it leads: in a README here, on another site, in a mail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pywharf.testing.distributions import make_wheel

from .site import Site

pytestmark = pytest.mark.any_python

NAMED = {"project": "demo", "version": "1.0", "filename": "demo-1.0-py3-none-any.whl", "name": "pywharf.css"}


def kept(root: Path) -> dict[str, bytes]:
    """What is stored, and who changed it."""
    places = [*root.glob("cache/**/*"), *root.glob("audit/*"), *root.glob("*.toml")]
    return {str(path.relative_to(root)): path.read_bytes() for path in places if path.is_file()}


@pytest.mark.parametrize("site_of_link", ["same-origin", "same-site", "cross-site", ""])
def test_no_address_that_a_link_leads_to_changes_anything(site: Site, site_of_link: str) -> None:
    site.publish(make_wheel("demo", "1.0"))
    browser = site.browser("write")
    addresses = sorted({re.sub(r"<(\w+)>", lambda found: NAMED[found[1]], route.rule) for route in site.app.routes})
    before, cookie = kept(site.root), browser.cookies["pywharf"]
    query = "?version=1.0&reason=x&status=archived&done=yank&target=version+1.0&form_token=x"

    for address in addresses:
        browser.get(address + query, **{"Sec-Fetch-Site": site_of_link})
        assert browser.cookies["pywharf"] == cookie, address

    assert len(addresses) > 50
    assert browser.get("/projects/demo/manage/").status == 200
    assert kept(site.root) == before
