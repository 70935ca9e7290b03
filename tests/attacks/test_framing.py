"""No request that can be read in two ways is executed, by our server or by the application on it; and the harness sees where one is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import basic_auth, upload_form
from pywharf.web.app import make_app
from pywharf.web.server.listening import listen
from pywharf.web.server.run import running
from pywharf.wharf import Wharf

from .framing import AMBIGUOUS, CASES, Case, Seen, exchange, judge, run
from .recording import Recording, ours, plain

PATIENCE = 30  # seconds; nothing takes them where the server is right
CONFIG = '[local]\ntype = "file_system"\nread_secret = "read"\nwrite_secret = "write"\n'


def named(case: Case) -> str:
    return f"{case.group}: {case.name}".encode("ascii", "replace").decode()


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    with ours() as recording:
        yield recording


def test_the_table_is_as_large_as_it_is_said_to_be() -> None:
    assert len(CASES) == len({named(case) for case in CASES})
    assert len(AMBIGUOUS) >= 60


@pytest.mark.parametrize("group", dict.fromkeys(case.group for case in CASES))
def test_a_request_is_read_in_the_one_way_there_is_or_refused(recording: Recording, group: str) -> None:
    address, executed = recording

    outcomes = run(address, executed, patience=PATIENCE, cases=[case for case in CASES if case.group == group])

    assert [(case.name, judge(case, outcome), outcome) for case, outcome in outcomes.items() if judge(case, outcome)] == []


@pytest.mark.any_python
def test_the_harness_sees_what_a_plain_server_takes() -> None:
    known = {
        ("Content-Length", "+5"),
        ("Content-Length", "a space before the colon"),
        ("Transfer-Encoding", "with a length"),
        ("fields", "NUL in a value"),
        ("fields", "underscores are not hyphens"),
        ("Host", "two, different"),
        ("Connection", "Close"),
        ("body", "ends early"),
        ("Expect", "in HTTP/1.0"),
    }
    cases = [case for case in CASES if (case.group, case.name) in known]
    assert len(cases) == len(known)
    with plain() as (address, executed):
        outcomes = run(address, executed, patience=PATIENCE, cases=cases)

    assert [named(case) for case, outcome in outcomes.items() if not judge(case, outcome)] == []


@pytest.mark.any_python
def test_the_harness_finds_nothing_wrong_with_a_plain_server_where_a_request_is_plain() -> None:
    known = {
        ("Host", "IPv6 and a port"),
        ("body", "whole"),
        ("body", "a request within, read"),
        ("fields", "an empty value"),
        ("Connection", "closed is not close"),
    }
    cases = [case for case in CASES if (case.group, case.name) in known]
    assert len(cases) == len(known)
    with plain() as (address, executed):
        outcomes = run(address, executed, patience=PATIENCE, cases=cases)

    assert [(named(case), outcome) for case, outcome in outcomes.items() if judge(case, outcome)] == []


def test_an_outcome_is_judged_by_what_was_executed() -> None:
    ambiguous = AMBIGUOUS[0]
    readable = next(case for case in CASES if case.readings and len(case.readings[0]) == 2)
    first, *_ = reading = readable.readings[0]

    assert judge(ambiguous, Seen(("400",), True, ())) == ""
    assert judge(ambiguous, Seen(("400",), False, ()))
    assert judge(ambiguous, Seen(("200",), True, ()))
    assert judge(ambiguous, Seen(("400", "200"), True, ("GET /marker",)))
    assert judge(ambiguous, Seen(("400",), True, ("GET /first",)))
    assert judge(ambiguous, Seen((), True, ()))
    assert judge(readable, Seen(("200", "200"), True, reading)) == ""
    assert judge(readable, Seen(("200",), True, (first,)))
    assert judge(readable, Seen(("500", "200"), True, reading))
    assert judge(readable, Seen(("100", "200", "200"), True, reading))


class AccessLog(logging.Handler):
    """The requests that reached the application, as its access log tells them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.mark.any_python
def test_nothing_smuggled_reaches_the_application_and_none_of_it_makes_it_stumble(tmp_path: Path) -> None:
    layout, settings = Layout(tmp_path), ServerSettings(extra_index_url="")
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    wheel = make_wheel("smuggled", "1.0")
    body, content_type = upload_form(wheel)
    head = f"POST /simple/ HTTP/1.1\r\nHost: a\r\nAuthorization: {basic_auth('local', 'write')}\r\nContent-Type: {content_type}\r\n"
    upload = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    log, access = AccessLog(), logging.getLogger("pywharf.access")
    access.addHandler(log)
    level = access.level
    access.setLevel(logging.INFO)
    wharf = Wharf(layout, settings)
    wharf.start()
    app, listener = make_app(wharf, settings), listen("127.0.0.1", 0)
    address = listener.getsockname()[:2]
    wrong: list[str] = []
    try:
        with running(app, listener, options={"numthreads": 4, "shutdown_timeout": 1}):
            for case in CASES:
                log.lines.clear()
                behind = Case(case.group, case.name, case.raw + upload, lone=True) if case in AMBIGUOUS and not case.lone else case
                statuses, _ = exchange(address, behind, patience=PATIENCE)
                stumbled = any(status.startswith("5") and status not in case.refusals for status in statuses)
                reached = len(log.lines) > max((len(reading) for reading in case.readings), default=0)
                if stumbled or reached:
                    wrong.append(f"{named(case)}: {statuses} {log.lines}")
            assert wrong == []
            log.lines.clear()
            exchange(address, Case("", "a client that means well", upload, lone=True), patience=PATIENCE)
            assert " status=200 repository=local " in log.lines[-1]  # it would have been taken
    finally:
        access.removeHandler(log)
        access.setLevel(level)
        app.close()
        wharf.close()
