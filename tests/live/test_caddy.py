"""A real Caddy in front of a real server, configured as docs/how-to/run-behind-a-proxy.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from live.documented_proxies import CLIENT, DEMO, FILE, FORGED, TAG, Proxy, caddy, documented, logged, served

from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

pytestmark = pytest.mark.live


def config_for(upstream: LiveServer, *, sends: bool = False) -> str:
    config = documented("caddy").replace("127.0.0.1:8888", urlsplit(upstream.url).netloc)
    if not sends:
        return config
    upon = "        transport http {"
    assert config.count(upon) == 1
    return config.replace(upon, documented("caddy", "sendfile").replace("/srv/pywharf", str(upstream.root)) + upon)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    options = ("--trusted_proxies", "127.0.0.1", "--sendfile", "x-accel-redirect=/pywharf-files/")
    with served(tmp_path_factory.mktemp("upstream") / "root", *options) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(upstream: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with caddy(tmp_path_factory.mktemp("proxy") / "caddy", config_for(upstream, sends=True)) as running:
        running.upload(DEMO)
        yield running


def test_a_file_is_sent_by_caddy_whole_and_in_parts(proxy: Proxy, upstream: LiveServer) -> None:
    whole, body = proxy.ask("GET", FILE)
    part, piece = proxy.ask("GET", FILE, {"Range": "bytes=10-19"})
    known, _ = proxy.ask("GET", FILE, {"If-None-Match": TAG})

    assert (whole.status, body) == (200, DEMO.data)
    assert (part.status, piece, part.headers["Content-Range"]) == (206, DEMO.data[10:20], f"bytes 10-19/{len(DEMO.data)}")
    assert known.status == 304
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Disposition"] == "attachment"
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Accel-Redirect" not in whole.headers
    told = logged(upstream, rf"GET {re.escape(FILE)} status=200 repository=local bytes=(\d+) .* peer=(\S+)")
    assert (told[1], told[2]) == ("0", CLIENT)


def test_who_may_not_read_gets_no_file_and_nobody_reaches_the_files_but_by_an_answer(proxy: Proxy) -> None:
    assert proxy.ask("GET", FILE, auth=None)[0].status == 401
    for target in ("/pywharf-files/cache/local/storage/journal.jsonl", "/pywharf-files/config.toml", "/cache/local/storage/journal.jsonl"):
        answer, body = proxy.ask("GET", target)
        assert (answer.status, b"{" in body) == (404, False)


def test_what_clients_say_of_themselves_is_not_believed(proxy: Proxy, upstream: LiveServer) -> None:
    urls = json.loads(proxy.ask("GET", "/pypi/demo/json", FORGED)[1])["urls"]
    cookie = proxy.ask("GET", "/login/", FORGED, auth=None)[0].headers["Set-Cookie"]
    proxy.ask("GET", "/index_mtime/", FORGED, client="127.0.0.6")

    assert urls[0]["url"] == f"{proxy.url.rstrip('/')}{FILE}"
    assert re.match("__Host-pywharf-login=.*; Secure", cookie)
    assert logged(upstream, r"GET /index_mtime/ status=200 .* peer=(\S+)")[1] == "127.0.0.6"


def test_an_upload_that_is_refused_is_told_so(proxy: Proxy) -> None:
    body, content_type = upload_form(DEMO)

    answer, told = proxy.ask("POST", "/simple/", {"Content-Type": content_type}, body * 20, auth=basic_auth("local", "wrong"))

    assert (answer.status, answer.headers["Content-Type"]) == (401, "text/plain; charset=utf-8"), told


def test_a_prefix_is_known(proxy: Proxy, upstream: LiveServer, tmp_path: Path) -> None:
    config = config_for(upstream).replace("header_up -X-Forwarded-Prefix", "header_up X-Forwarded-Prefix /wharf")
    config = config.replace("    reverse_proxy", "    handle_path /wharf/* {\n    reverse_proxy", 1).rstrip() + "\n}\n"
    with caddy(tmp_path / "caddy", config) as prefixed:
        urls = json.loads(prefixed.ask("GET", "/wharf/pypi/demo/json", FORGED)[1])["urls"]
        moved, _ = prefixed.ask("GET", "/wharf/simple/Demo")

    assert urls[0]["url"] == f"{prefixed.url}wharf{FILE}"
    assert moved.headers["Location"] == "/wharf/simple/demo/"
