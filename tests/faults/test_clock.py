"""The clock on the wall jumps, stands still, or comes to where 32 bits end: what is here is served, uploads are taken, and no time goes back that may not.

What is timed (sessions, throttles, what is remembered of secrets, deadlines, the breaker) goes by the monotonic clock and has tests of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest
from faults.place import KNOWN, Place
from repository.making import settle

from pywharf.model import record
from pywharf.testing.distributions import Distribution, make_wheel

pytestmark = pytest.mark.any_python

YEAR = 365 * 86400.0
END_OF_32_BITS = 2.0**31


class Wall:
    """A clock on the wall that somebody turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by = 0.0
        self.stands_at: float | None = None
        self._time = time.time
        wall = self

        class Turned(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Turned:  # type: ignore[override]
                return cls.fromtimestamp(wall.time(), tz)

        monkeypatch.setattr(time, "time", self.time)
        monkeypatch.setattr(record, "datetime", Turned)

    def time(self) -> float:
        return self.stands_at if self.stands_at is not None else self._time() + self.by

    def set(self, at: float) -> None:
        self.by = at - self._time()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


@pytest.fixture
def place(tmp_path: Path, wall: Wall) -> Iterator[Place]:
    with Place(tmp_path / "root") as place:
        place.fill()
        yield place


def mtime(place: Place) -> int:
    return int(place.get("/index_mtime/").text)


def upload_time(place: Place, wheel: Distribution) -> datetime:
    page = json.loads(place.get(f"/simple/{wheel.filename.split('-')[0]}/").body)
    (told,) = [file["upload-time"] for file in page["files"] if file["filename"] == wheel.filename]
    return datetime.strptime(told[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)


def serial(place: Place, project: str) -> int:
    return int(json.loads(place.get(f"/simple/{project}/").body)["meta"]["_last-serial"])


@pytest.mark.parametrize("by", [YEAR, -YEAR, 20 * YEAR, -30 * YEAR], ids=["a year on", "a year back", "2046", "1996"])
def test_after_a_jump_of_the_clock_everything_goes_on(place: Place, wall: Wall, by: float) -> None:
    before, first = mtime(place), serial(place, "known")
    wall.by = by
    wheel = make_wheel("acme", "1.0")

    assert place.upload(wheel).status == 200
    place.check(wheel)
    place.check(KNOWN)
    assert mtime(place) >= before
    assert serial(place, "acme") > first  # the order is the serial's, whatever the clock says
    assert abs(upload_time(place, wheel) - datetime.fromtimestamp(wall.time(), timezone.utc)) < timedelta(minutes=5)
    assert place.get("/simple/nobody/").status == 302
    settle(lambda: place.health() == "ok")
    wall.by = 0.0
    assert mtime(place) >= before
    assert place.upload(make_wheel("acme", "2.0")).status == 200
    with Place(place.layout.root) as again:
        again.check(wheel)


def test_where_32_bits_end_nothing_does(place: Place, wall: Wall) -> None:
    for number, at in enumerate((END_OF_32_BITS - 1, END_OF_32_BITS, END_OF_32_BITS + 86400)):
        wall.set(at)
        wheel = make_wheel("acme", f"1.{number}")
        assert place.upload(wheel).status == 200
        assert upload_time(place, wheel).year == 2038
        settle(lambda at=at: mtime(place) >= int(at) - 1)  # type: ignore[misc]


def test_a_clock_that_stands_still_holds_nobody_up(place: Place, wall: Wall) -> None:
    wall.stands_at = wall.time()
    for number in range(3):
        wheel = make_wheel("acme", f"1.{number}")
        assert place.upload(wheel).status == 200
        place.check(wheel)
    assert place.get("/simple/nobody/").status == 302


def test_times_are_those_of_utc_whatever_the_time_zone_and_its_summer(place: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc).timestamp()  # an hour that comes twice in Berlin
    told = []
    for zone in ("UTC", "Europe/Berlin", "Pacific/Apia"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        wall.set(at)
        wheel = make_wheel("acme", f"1.{len(told)}")
        assert place.upload(wheel).status == 200
        told.append(upload_time(place, wheel))
    monkeypatch.undo()
    time.tzset()

    assert all(abs(one.timestamp() - at) < 60 for one in told)
