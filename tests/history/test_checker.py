"""The checker sees each kind of violation, and none in what a right server shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .checker import Knowledge, check
from .recording import Event, Shown, tally

pytestmark = pytest.mark.any_python

DELAY = 10.0
A, B, WRONG = "a" * 64, "b" * 64, "f" * 64


def metadata_of(sha256: str) -> str:
    return sha256[::-1].replace("a", "1").replace("b", "2")


def done(
    operation: Any, at: float, until: float | None = None, *, root: str = "one", result: Any = "ok", status: int = 200, **more: Any
) -> Event:
    return Event(0, operation, root, at, at + 0.5 if until is None else until, result, status, project="demo", **more)


def upload(at: float, name: str = "demo-1.whl", sha256: str = A, *, result: Any = "ok", **more: Any) -> Event:
    status = {"ok": 200, "fail": 409, "unknown": 0}[result]
    return done(
        "upload",
        at,
        result=result,
        **{"status": status, "filename": name, "sha256": sha256, "metadata_sha256": metadata_of(sha256), **more},
    )


def page(at: float, files: Mapping[str, str], *, serial: int = 1, **more: Any) -> Event:
    return done("page", at, files={name: Shown(sha256, metadata_of(sha256)) for name, sha256 in files.items()}, serial=serial, **more)


def projects(at: float, *names: str, serial: int = 1, **more: Any) -> Event:
    return replace(done("projects", at, projects=frozenset(names), serial=serial, **more), project="")


def download(at: float, sha256: str = A, *, name: str = "demo-1.whl", **more: Any) -> Event:
    return done("download", at, filename=name, sha256=sha256, **more)


NOT_FOUND = {"result": "fail", "status": 404}
STORED = {"demo-1.whl": A}


BROKEN = {
    "an acknowledged file that no page shows": ("lost", [upload(0), page(1, {})]),
    "an acknowledged project that is not listed": ("lost", [upload(0), projects(1)]),
    "a project that was listed and then is not": ("lost", [projects(1, "demo"), projects(2)]),
    "a project that is not found at all": ("lost", [upload(0), done("page", 1, **NOT_FOUND)]),
    "an acknowledged file that is not found": ("lost", [upload(0), done("download", 1, filename="demo-1.whl", **NOT_FOUND)]),
    "metadata that are not found": ("lost", [upload(0), done("metadata", 1, filename="demo-1.whl", **NOT_FOUND)]),
    "a file that was seen and then is not": ("lost", [upload(0, result="unknown"), page(1, STORED), page(2, {})]),
    "a file that was received and then is not listed": ("lost", [upload(0, result="unknown"), download(1), page(2, {})]),
    "one that another ROOT never shows": ("lost", [upload(0), page(1 + DELAY, {}, root="other")]),
    "one that another ROOT showed and then does not": ("lost", [upload(0), page(1, STORED, root="other"), page(2, {}, root="other")]),
    "two contents acknowledged": ("two contents", [upload(0), upload(1, sha256=B)]),
    "another content shown": ("two contents", [upload(0), upload(0, sha256=B, result="unknown"), page(1, {"demo-1.whl": B})]),
    "another content received": ("two contents", [upload(0), upload(0, sha256=B, result="unknown"), download(1, B)]),
    "another content told by HEAD": ("two contents", [upload(0), upload(0, sha256=B, result="unknown"), replace(download(1, B), operation="head")]),
    "another content on another ROOT": ("two contents", [upload(0), upload(0, sha256=B, result="unknown"), page(1, {"demo-1.whl": B}, root="other")]),
    "bytes that nobody sent": ("not sent", [upload(0, result="unknown"), download(1, WRONG)]),
    "a name that nobody sent": ("not sent", [page(1, STORED)]),
    "metadata of something else, on the page": ("not sent", [upload(0), replace(page(1, {}), files={"demo-1.whl": Shown(A, WRONG)})]),
    "metadata of something else, received": ("not sent", [upload(0), done("metadata", 1, filename="demo-1.whl", metadata_sha256=WRONG)]),
    "metadata of what nobody knows": ("not sent", [upload(0, result="unknown"), done("metadata", 1, filename="demo-1.whl", metadata_sha256=WRONG)]),
    "a refused file, shown": ("refused, shown", [upload(0, result="fail", status=400, is_valid=False), page(1, STORED)]),
    "a conflict that shows after all": ("refused, shown", [upload(0, result="fail"), upload(0, sha256=B, result="unknown"), download(1)]),
    "the same bytes refused": ("refused", [upload(0), upload(0, sha256=B, result="unknown"), upload(1, result="fail")]),
    "a conflict with nothing": ("refused", [upload(0, result="fail")]),
    "a conflict with what came later": ("refused", [upload(0, result="fail"), upload(1, sha256=B)]),
    "a conflict of two that both were refused": ("refused", [upload(0, result="fail"), upload(0, sha256=B, result="fail")]),
    "a bad file taken": ("taken", [upload(0, is_valid=False)]),
    "a serial that goes back": ("serial", [upload(0), page(1, STORED, serial=5), page(2, STORED, serial=4)]),
    "a list's serial that goes back": ("serial", [projects(1, serial=5), projects(2, serial=4)]),
    "one serial with two pages": ("serial", [upload(0, result="unknown"), page(1, STORED, serial=5), page(1, {}, serial=5)]),
    "one serial with two pages, on two ROOTs": ("serial", [upload(0, result="unknown"), page(1, STORED, serial=5), page(1, {}, serial=5, root="other")]),
    "a later serial that shows less": ("serial", [upload(0, result="unknown"), page(1, STORED, serial=5), page(1, {}, serial=6)]),
    "a server error to an uploader": ("answer", [upload(0, result="fail", status=500)]),
    "a good file refused as bad": ("answer", [upload(0, result="fail", status=400)]),
    "a right secret that is none": ("answer", [done("page", 0, result="fail", status=401)]),
    "half a page": ("answer", [done("page", 0, fault="half a page")]),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_history_that_breaks_a_rule_is_found_out_whatever_the_order_it_is_told_in(case: str) -> None:
    rule, history = BROKEN[case]
    assert rule in {violation.rule for violation in check(history, delay=DELAY)}
    assert rule in {violation.rule for violation in check(reversed(history), delay=DELAY)}


@pytest.mark.parametrize("case", [case for case, (_, history) in BROKEN.items() if len(history) > 1])
def test_it_is_found_out_also_where_the_last_event_comes_in_a_history_of_its_own(case: str) -> None:
    rule, history = BROKEN[case]
    known = Knowledge()
    *before, last = sorted(history, key=lambda event: event.ended)
    assert rule in {violation.rule for part in (before, [last]) for violation in check(part, delay=DELAY, known=known)}


ALLOWED = {
    "a read that began before the answer": [upload(0, until=3), page(1, {}, serial=0)],
    "a read while the answer came": [upload(0, until=3), page(1, STORED), page(2, {}, serial=0, root="other")],
    "two reads at once, of which one sees": [upload(0, result="unknown"), done("page", 1, 4, files={"demo-1.whl": Shown(A)}, serial=1),
                                            done("page", 3, 4, files={}, serial=0)],
    "another ROOT before its interval": [upload(0), page(DELAY, {}, serial=0, root="other")],
    "an upload without an answer that is there": [upload(0, result="unknown"), page(1, STORED), page(2, STORED)],
    "an upload without an answer that is not": [upload(0, result="unknown"), page(1, {}, serial=0)],
    "the same bytes twice": [upload(0), upload(1), page(2, STORED)],
    "a conflict with what was there": [upload(0), upload(1, sha256=B, result="fail"), page(2, STORED)],
    "a conflict with what got no answer": [upload(0, result="unknown"), upload(1, sha256=B, result="fail")],
    "a conflict with one sent at the same time": [upload(0, result="fail"), upload(0, sha256=B)],
    "a refusal, and then nobody finds it": [upload(0, result="fail", status=400, is_valid=False), done("page", 1, **NOT_FOUND), download(1, result="fail", status=404, sha256="")],
    "no answers at all": [upload(0, result="unknown"), done("page", 1, result="unknown", status=503), done("page", 1, result="unknown", status=0)],
    "serials of two reads at once": [done("page", 1, 4, serial=5), done("page", 3, 3.5, serial=4)],
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
def test_what_may_happen_is_no_violation(case: str) -> None:
    assert check(ALLOWED[case], delay=DELAY) == []


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Of a right storage: each operation takes effect at one moment between its begin and its end; another ROOT lags behind."""
    history: list[Event] = []
    stored: dict[str, tuple[str, float]] = {}  # sha256, and when
    synced = 0.0  # until when another ROOT knows
    moments = draw(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=30))
    for moment, before, after in sorted(moments):
        span = {"at": moment - before, "until": moment + after}
        name = draw(st.sampled_from(["demo-1.whl", "demo-2.whl", "demo-3.whl"]))
        root = draw(st.sampled_from(["one", "other"]))
        synced = max(synced, moment - draw(st.floats(0, DELAY - 6)))
        there = {one: sha256 for one, (sha256, when) in stored.items() if when <= (moment if root == "one" else synced)}
        what = draw(st.sampled_from(["upload", "upload", "page", "download", "projects"]))
        if what == "upload":
            sha256 = draw(st.sampled_from([A, B]))
            is_winner = stored.setdefault(name, (sha256, moment))[0] == sha256
            result = draw(st.sampled_from(["ok", "ok", "unknown"] if is_winner else ["fail", "fail", "unknown"]))
            history.append(upload(name=name, sha256=sha256, result=result, root=root, **span))
        elif what == "page":
            history.append(page(files=there, serial=len(there), root=root, **span))
        elif what == "projects":
            history.append(projects(span["at"], *(["demo"] if there else []), serial=len(there), until=span["until"], root=root))
        elif name in there:
            history.append(download(sha256=there[name], name=name, root=root, **span))
        else:
            history.append(done("download", filename=name, root=root, **NOT_FOUND, **span))
    return history


@given(histories())
def test_a_right_storage_breaks_no_rule_however_its_clients_meet(history: list[Event]) -> None:
    assert check(history, delay=DELAY) == []


@given(histories(), st.data())
def test_a_file_taken_back_from_a_page_is_missed(history: list[Event], data: st.DataObject) -> None:
    last = max((event.ended for event in history), default=0.0)
    stored = {event.filename: event.sha256 for event in history if event.operation == "upload" and event.result == "ok"}
    if not stored:
        return
    gone = data.draw(st.sampled_from(sorted(stored)))
    root = data.draw(st.sampled_from(["one", "other"]))
    files = {name: sha256 for name, sha256 in stored.items() if name != gone}
    found = check([*history, page(last + DELAY + 1, files, serial=99, root=root)], delay=DELAY)
    assert "lost" in {violation.rule for violation in found}


def test_what_was_done_is_counted() -> None:
    counted = tally([upload(0), upload(1), upload(2, result="unknown", status=503), page(1, {})])
    assert counted == {"upload ok": 2, "upload unknown": 1, "503": 1, "page ok": 1}
