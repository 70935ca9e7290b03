"""A real nginx in front of a real server, configured as docs/how-to/run-behind-a-proxy.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from live.documented_proxies import CLIENT, DEMO, FILE, FORGED, LIAR, TAG, WRITER, Proxy, documented, logged, nginx, served, with_lines

from pywharf.testing.distributions import make_sdist
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

pytestmark = pytest.mark.live

LIES = {**FORGED, "X-Real-IP": LIAR, "Via": "1.1 evil.example"}
OURS = ("ETag", "Content-Type", "Content-Disposition", "Cache-Control", "Vary", "X-Content-Type-Options", "Accept-Ranges", "Content-Length")


def config_for(upstream: LiveServer) -> str:
    return documented("nginx").replace("127.0.0.1:8888", urlsplit(upstream.url).netloc)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with served(tmp_path_factory.mktemp("upstream") / "root", "--trusted_proxies", "127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def proxy(upstream: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with nginx(tmp_path_factory.mktemp("proxy") / "nginx", config_for(upstream)) as running:
        running.upload(DEMO)
        yield running


def test_what_was_uploaded_comes_back_whole_and_in_parts(proxy: Proxy) -> None:
    whole, body = proxy.ask("GET", FILE)
    part, piece = proxy.ask("GET", FILE, {"Range": "bytes=10-19", "If-Range": TAG})
    known, nothing = proxy.ask("GET", FILE, {"If-None-Match": TAG})

    assert (whole.status, body, whole.headers["ETag"]) == (200, DEMO.data, TAG)
    assert (part.status, piece, part.headers["Content-Range"]) == (206, DEMO.data[10:20], f"bytes 10-19/{len(DEMO.data)}")
    assert (known.status, nothing) == (304, b"")
    assert proxy.ask("GET", f"{FILE}.metadata")[1].startswith(b"Metadata-Version")
    assert f">{DEMO.filename}</a>".encode() in proxy.ask("GET", "/simple/demo/")[1]


def test_the_clients_address_is_known_and_cannot_be_made_up(proxy: Proxy, upstream: LiveServer) -> None:
    proxy.ask("GET", "/simple/?plain")
    proxy.ask("GET", "/index_mtime/", LIES, client="127.0.0.6")

    assert logged(upstream, r"GET /simple/ status=200 .* peer=(\S+)")[1] == CLIENT
    assert logged(upstream, r"GET /index_mtime/ status=200 .* peer=(\S+)")[1] == "127.0.0.6"


def test_addresses_are_those_that_clients_know_whatever_they_say(proxy: Proxy) -> None:
    for headers in ({}, LIES):
        urls = json.loads(proxy.ask("GET", "/pypi/demo/json", headers)[1])["urls"]
        assert [one["url"] for one in urls] == [f"{proxy.url.rstrip('/')}{FILE}"]
    moved, _ = proxy.ask("GET", "/simple//Demo", LIES)
    assert (moved.status, moved.headers["Location"]) == (301, "/simple/demo/")


def test_guesses_are_counted_for_each_client_and_not_for_the_proxy(proxy: Proxy) -> None:
    wrong = basic_auth("local", "a guess")
    statuses = [
        proxy.ask("GET", "/simple/", {"X-Forwarded-For": f"203.0.113.{number}"}, auth=wrong, client="127.0.0.7")[0].status
        for number in range(64)
    ]

    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert proxy.ask("GET", "/simple/", auth=basic_auth("local", "another guess"), client="127.0.0.8")[0].status == 401


def test_a_browser_logs_in_with_cookies_for_https_alone(proxy: Proxy) -> None:
    shown, page = proxy.ask("GET", "/login/", auth=None)
    nonce = shown.headers["Set-Cookie"]
    (token,) = re.findall(rb'name="form_token" value="([^"]*)"', page)
    form = {"pkg_repo_name": "local", "pkg_repo_secret_raw": "read-it-please", "form_token": token.decode(), "next": "/simple/"}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": nonce.partition(";")[0],
        "Origin": proxy.url.rstrip("/"),
        "Accept": "text/html,application/xhtml+xml",
    }
    entered, _ = proxy.ask("POST", "/login/", headers, urlencode(form).encode(), auth=None)
    foreign, _ = proxy.ask(
        "POST", "/login/", {**headers, "Origin": f"https://evil.example:{proxy.port}"}, urlencode(form).encode(), auth=None
    )

    assert nonce.startswith("__Host-pywharf-login=")
    assert "; Secure" in nonce
    assert (entered.status, foreign.status) == (303, 403)
    session = [value for name, value in entered.headers.items() if name == "Set-Cookie" and value.startswith("__Host-pywharf=")]
    assert "; Secure" in session[0]
    assert proxy.ask("GET", "/simple/", {"Cookie": session[0].partition(";")[0]}, auth=None)[0].status == 200


def test_an_upload_that_is_refused_is_told_so_and_not_that_the_gateway_is_bad(proxy: Proxy) -> None:
    body, content_type = upload_form(make_sdist("large", "1.0", files={"x": "y"}))
    large = body + b"x" * 20_000_000

    for auth, status in ((None, 401), (basic_auth("local", "read-it-please"), 403)):
        answer, told = proxy.ask("POST", "/simple/", {"Content-Type": content_type}, large, auth=auth)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8"), told
    repeated, _ = proxy.ask("POST", "/simple/", {"Content-Type": upload_form(DEMO)[1]}, b"", auth=WRITER)
    assert repeated.status == 400


def test_nobody_initialises_through_the_proxy_without_the_token(proxy: Proxy) -> None:
    for headers in ({}, {"Host": "localhost"}, {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}):
        answer, _ = proxy.ask("POST", "/initialize/", headers, b"config=x&admin_secret=y", auth=None, client="127.0.0.1")
        assert answer.status == 401


def test_a_prefix_is_in_redirects_cookies_and_addresses(proxy: Proxy, upstream: LiveServer, tmp_path: Path) -> None:
    with nginx(tmp_path / "nginx", with_lines(config_for(upstream), documented("nginx", "prefix"))) as prefixed:
        page, html = prefixed.ask("GET", "/wharf/simple/demo/")
        moved, _ = prefixed.ask("GET", "/wharf/simple//demo")  # of which nginx, where it takes off a prefix, makes one slash
        urls = json.loads(prefixed.ask("GET", "/wharf/pypi/demo/json", LIES)[1])["urls"]
        cookie = prefixed.ask("GET", "/wharf/login/", auth=None)[0].headers["Set-Cookie"]
        outside, _ = prefixed.ask("GET", "/simple/")
        body = prefixed.ask("GET", f"/wharf{FILE}")[1]

    assert page.status == 200
    assert b'href="/' not in html
    assert moved.headers["Location"] == "/wharf/simple/demo/"
    assert urls[0]["url"] == f"{prefixed.url}wharf{FILE}"
    assert re.match(r"__Secure-pywharf-login=\S+; Path=/wharf; .*Secure", cookie)
    assert (outside.status, body) == (404, DEMO.data)


# --- by a unix socket, with files that nginx sends --------------------------------------------------------------------


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, LiveServer]]:
    folder = tmp_path_factory.mktemp("sending")
    options = ("--unix_socket", str(folder / "s"), "--trusted_proxies", "unix", "--sendfile", "x-accel-redirect=/pywharf-files/")
    config = with_lines(documented("nginx"), documented("nginx", "unix")).replace("/run/pywharf/pywharf.sock", str(folder / "s"))
    config = config.rstrip().removesuffix("}") + documented("nginx", "sendfile").replace("/srv/pywharf/", f"{folder}/served/") + "}\n"
    with served(folder / "served", *options) as upstream, nginx(folder / "nginx", config) as proxy:
        proxy.upload(DEMO)
        yield proxy, upstream


def test_the_bytes_are_the_same_and_none_of_them_passes_through_the_server(
    sending: tuple[Proxy, LiveServer], proxy: Proxy, upstream: LiveServer
) -> None:
    answer, body = sending[0].ask("GET", FILE)
    ordinary, _ = proxy.ask("GET", FILE)

    assert (answer.status, body) == (200, DEMO.data)
    assert {name: answer.headers.get_all(name) for name in OURS} == {name: ordinary.headers.get_all(name) for name in OURS}
    assert not {"X-Accel-Redirect", "X-Sendfile", "Last-Modified"} & set(answer.headers)
    told = logged(sending[1], rf"GET {re.escape(FILE)} status=200 repository=local bytes=(\d+) .* peer=(\S+)")
    assert (told[1], told[2]) == ("0", CLIENT)
    assert logged(upstream, rf"GET {re.escape(FILE)} status=200 repository=local bytes=(\d+) ")[1] == str(len(DEMO.data))
    assert sending[0].ask("GET", f"{FILE}.metadata")[1] == proxy.ask("GET", f"{FILE}.metadata")[1]


@pytest.mark.parametrize(
    ("headers", "status", "first", "behind"),
    [
        ({"Range": "bytes=10-19"}, 206, 10, 20),
        ({"Range": "bytes=-7"}, 206, len(DEMO.data) - 7, len(DEMO.data)),
        ({"Range": "bytes=100-", "If-Range": TAG}, 206, 100, len(DEMO.data)),
        ({"Range": "bytes=100-", "If-Range": '"sha256:other"'}, 200, 0, len(DEMO.data)),
        ({"Range": "bytes=0-1,5-6"}, 200, 0, len(DEMO.data)),
        ({"If-None-Match": '"other"'}, 200, 0, len(DEMO.data)),
        ({"If-None-Match": TAG}, 304, 0, 0),
        ({"Range": f"bytes={len(DEMO.data)}-"}, 416, None, None),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200, 0, len(DEMO.data)),
    ],
)
def test_parts_and_conditions_are_answered_as_the_server_would(
    sending: tuple[Proxy, LiveServer], proxy: Proxy, headers: dict[str, str], status: int, first: int | None, behind: int | None
) -> None:
    answer, body = sending[0].ask("GET", FILE, headers)
    ordinary, _ = proxy.ask("GET", FILE, headers)

    assert (answer.status, ordinary.status) == (status, status)
    assert answer.headers["Content-Range"] == ordinary.headers["Content-Range"]
    assert first is None or body == DEMO.data[first:behind]


def test_who_may_not_read_gets_no_file_and_nobody_reaches_the_files_but_by_an_answer(sending: tuple[Proxy, LiveServer]) -> None:
    proxy, upstream = sending
    (stored,) = (upstream.root / "cache" / "local" / "storage" / "objects").glob("*/" + TAG[8:-1] + "*")
    place = f"/pywharf-files/{stored.relative_to(upstream.root)}"

    for auth in (None, basic_auth("local", "wrong"), basic_auth("other", "read-it-please")):
        answer, body = proxy.ask("GET", FILE, {"X-Accel-Redirect": place}, auth=auth)
        assert (answer.status, DEMO.data[:100] in body) == (401, False)
    for target in (
        place,
        "/pywharf-files/config.toml",
        "/pywharf-files/cache/../config.toml",
        "/pywharf-files/cache/..%2f..%2fconfig.toml",
    ):
        answer, body = proxy.ask("GET", target, {"X-Accel-Redirect": place})
        assert (answer.status, DEMO.data[:100] in body, b"write_secret" in body) == (404, False, False), target


def test_a_head_is_answered_by_the_server(sending: tuple[Proxy, LiveServer]) -> None:
    answer, body = sending[0].ask("HEAD", FILE)

    assert (answer.status, answer.headers["Content-Length"], answer.headers["ETag"], body) == (200, str(len(DEMO.data)), TAG, b"")
