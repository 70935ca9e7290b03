from __future__ import annotations

import gzip
import threading
import time
from functools import partial

import pytest

from pywharf.web.page_cache import Page, PageCache, PageKey, make_page


def key(project: str = "demo", variant: str = "text/html") -> PageKey:
    return PageKey(1, "local", project, variant)


def page(revision: int, content: bytes = b"x") -> Page:
    return make_page(content, "text/html", revision=revision, serial=1)


def test_a_page_is_rendered_once_per_revision() -> None:
    cache, rendered = PageCache(), []

    def render() -> Page:
        rendered.append(revision)
        return page(revision)

    for revision in (1, 1, 2, 2, 2):
        assert cache.get(key(), revision, render).revision == revision

    assert rendered == [1, 2]


def test_pages_of_other_projects_formats_repositories_and_generations_are_others() -> None:
    cache = PageCache()
    keys = [key(), key("other"), key(variant="json"), PageKey(2, "local", "demo", "text/html"), PageKey(1, "b", "demo", "text/html")]

    for number, one in enumerate(keys):
        cache.get(one, 1, partial(page, 1, b"%d" % number))

    assert [cache.get(one, 1, lambda: page(1, b"again")).plain for one in keys] == [b"0", b"1", b"2", b"3", b"4"]


def test_many_who_ask_at_once_cause_one_rendering() -> None:
    cache, rendered, found = PageCache(), [], []

    def render() -> Page:
        rendered.append(1)
        time.sleep(0.05)
        return page(1)

    threads = [threading.Thread(target=lambda: found.append(cache.get(key(), 1, render))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(rendered), len(found)) == (1, 20)


def test_trouble_reaches_all_who_wait_and_is_not_kept() -> None:
    cache, raised = PageCache(), []
    begun = threading.Event()

    def fail() -> Page:
        begun.set()
        time.sleep(0.05)
        raise OSError("trouble")

    def ask() -> None:
        try:
            cache.get(key(), 1, fail)
        except OSError:
            raised.append(1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(raised) == 3
    assert cache.get(key(), 1, lambda: page(1)).revision == 1


def test_a_page_that_has_gone_is_not_kept() -> None:
    cache = PageCache()

    assert cache.get(key(), 1, lambda: None) is None
    assert cache.get(key(), 1, lambda: page(1)) is not None


def test_the_weight_is_bounded_and_the_least_recently_used_leaves() -> None:
    cache = PageCache(max_bytes=10_000)
    for number in range(4):
        cache.get(key(f"p{number}"), 1, lambda: page(1, b"x" * 200))
        cache.get(key("p0"), 1, lambda: pytest.fail("p0 was in use"))

    for number in range(4, 50):
        cache.get(key(f"p{number}"), 1, lambda: page(1, b"x" * 200))
        cache.get(key("p0"), 1, lambda: pytest.fail("p0 was in use"))

    assert 5_000 < cache.weight <= 10_000
    assert cache.get(key("p1"), 1, lambda: page(1, b"again")).plain == b"again"


def test_a_page_larger_than_the_cache_is_served_and_not_kept() -> None:
    cache = PageCache(max_bytes=2_000)
    cache.get(key(), 1, lambda: page(1, b"small"))

    assert len(cache.get(key("large"), 1, lambda: page(1, bytes(range(256)) * 100)).plain) == 25_600
    assert cache.get(key(), 1, lambda: pytest.fail("the small one was kept")).plain == b"small"


def test_one_key_weighs_once_whatever_its_revision() -> None:
    cache = PageCache()
    for revision in range(100):
        cache.get(key(), revision, partial(page, revision))

    assert cache.weight == key().weight + page(1).weight


def test_what_a_client_chose_of_the_key_is_weighed_too() -> None:
    cache = PageCache(max_bytes=100_000)
    for number in range(50):
        cache.get(key(variant=f"json {'1.0' * 10_000}{number}"), 1, lambda: page(1))

    assert sum(len(one.variant) for one in cache._pages) <= cache.weight <= 100_000


def test_tags_come_from_the_content_and_part_the_variants() -> None:
    html, json = (make_page(b"x" * 1000, kind, revision=1, serial=1) for kind in ("text/html", "json"))
    again = make_page(b"x" * 1000, "text/html", revision=99, serial=77)

    assert len({html.plain_etag, html.compressed_etag, json.plain_etag}) == 3
    assert (again.plain_etag, again.compressed_etag) == (html.plain_etag, html.compressed_etag)
    assert html.compressed is not None
    assert gzip.decompress(html.compressed) == html.plain


def test_what_compression_cannot_shrink_stays_plain() -> None:
    assert make_page(b"x" * 100, "text/html", revision=1, serial=1).compressed is None
