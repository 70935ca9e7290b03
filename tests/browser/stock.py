"""A repository as a small team has it: what the pages are shown, photographed and examined with.

The projects are made up. Between them they have everything that a page can show: wheels for several platforms, source distributions,
releases that are yanked, ahead of their time or deleted, each status, dependencies on each other, both kinds of README.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

MARKDOWN = """\
# tidetable

Heights and times of the tide for any harbour, computed offline from harmonic constants.

```python
from tidetable import Harbour

harbour = Harbour.named("Cuxhaven")
for tide in harbour.tides("2026-11-21"):
    print(tide.time, tide.height, tide.kind)
```

## Why another one

Most programs ask a service. This one has the constants of 8,400 harbours with it, and says how far it can be trusted:

| Place            | Constituents | Error, 95 % |
|------------------|-------------:|------------:|
| Open coast       |           37 |        4 cm |
| Estuary          |           60 |       11 cm |
| Behind a barrage |           12 |   not known |

> A tide table is a forecast of the moon's part. The wind has the rest.

## How it is used

1. Choose a harbour, by its name or the nearest to a position.
2. Ask for a day, or for the next high water.
3. Mind the *surge*: ask your weather service for it, and add it with `surge=`.

- [x] times with the zone's own daylight saving
- [x] heights above chart datum or above mean sea level
- [ ] currents

More is in the [handbook](https://tidetable.example/handbook), and questions go to [the list](mailto:tide@quay.example).

### A long line

```
tidetable --harbour "Cuxhaven, Steubenhöft" --from 2026-11-21T00:00 --until 2026-11-28T00:00 --datum chart --format csv --output tides.csv
```
"""

RESTRUCTURED = """\
Berth planning
==============

Puts ships of *given* lengths and draughts at quays, so that nobody waits longer than they must.

.. code-block:: python

   from berthing import Quay, plan

   plan([Quay("A", length=320, depth=14.5)], ships)

.. note::

   Draughts change with the tide; ``tidetable`` says how.

Options
-------

:``--horizon``: how far ahead is planned, in hours
:``--seed``: the same seed gives the same plan

======  ==========  =======
Ships   Quays       Seconds
======  ==========  =======
10      3           0.1
200     12          4.2
======  ==========  =======
"""

PEOPLE = [("Author", "Ines Maat"), ("Author-email", "Ines Maat <ines@quay.example>"), ("License-Expression", "MIT")]
MARKED = ("Description-Content-Type", "text/markdown; charset=UTF-8; variant=GFM")
TIDE = [
    ("Summary", "Tide heights and times for any harbour, offline"),
    ("Keywords", "tide,harbour,navigation,sea level"),
    *PEOPLE,
    MARKED,
    ("Project-URL", "Documentation, https://tidetable.example/handbook"),
    ("Project-URL", "Source, https://code.example/quay/tidetable"),
    ("Project-URL", "Changelog, https://code.example/quay/tidetable/changes"),
    ("Classifier", "Development Status :: 5 - Production/Stable"),
    ("Classifier", "Intended Audience :: Science/Research"),
    ("Classifier", "Programming Language :: Python :: 3"),
    ("Classifier", "Topic :: Scientific/Engineering :: Oceanography"),
    ("Provides-Extra", "plot"),
]
TIDE_NEEDS = ["numpy>=1.26", "quay-units<3,>=2.1", "matplotlib>=3.8; extra == 'plot'"]
TAGS = ["cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-macosx_11_0_arm64", "cp312-cp312-win_amd64"]
BIG = {"tidetable/__init__.py": "", "tidetable/constants.bin": bytes(range(256)) * 900}


def _wheel(name: str, version: str, summary: str, *more: tuple[str, str], needs: Iterable[str] = (), description: str = "") -> Distribution:
    headers = [("Summary", summary), *PEOPLE, *more]
    return make_wheel(
        name, version, metadata_version="2.4", requires_python=">=3.10", requires_dist=needs, extra_headers=headers, description=description
    )


def distributions() -> list[Distribution]:
    """All files, in the order in which they are uploaded."""
    tide = [
        make_wheel("tidetable", "2.3.0", tag=tag, metadata_version="2.4", requires_python=">=3.11", requires_dist=TIDE_NEEDS,
                   extra_headers=TIDE, description=MARKDOWN, files=BIG)
        for tag in TAGS
    ]  # fmt: skip
    return [
        _wheel("quay-units", "2.1.4", "Lengths, draughts and speeds that know their unit"),
        _wheel("tidetable", "1.9.2", TIDE[0][1], ("Keywords", "tide"), needs=TIDE_NEEDS[:2]),
        _wheel("tidetable", "2.2.0", TIDE[0][1], needs=TIDE_NEEDS[:2]),
        _wheel("tidetable", "2.2.1", TIDE[0][1], needs=TIDE_NEEDS[:2]),
        _wheel("berth-planning", "0.14.0", "Puts ships at quays, so that nobody waits longer than they must",
               ("Description-Content-Type", "text/x-rst"), needs=["tidetable>=2", "quay-units"], description=RESTRUCTURED),
        _wheel("harbour-client", "5.0.1", "Talks to the harbour office: pilots, tugs, dues", needs=["quay-units>=2"]),
        _wheel("old-crane", "1.2.0", "Drives the cranes of the north quay", needs=["harbour-client"]),
        _wheel("semaphore-signals", "0.3.0", "Flags and lights as harbour masters read them"),
        _wheel("suspicious-cargo", "0.0.1", "Nobody knows who uploaded this"),
        make_sdist("tidetable", "2.3.0", metadata_version="2.4", requires_python=">=3.11", requires_dist=TIDE_NEEDS, extra_headers=TIDE,
                   description=MARKDOWN, files=BIG),
        *tide,
        _wheel("tidetable", "2.4.0rc1", TIDE[0][1], MARKED, needs=TIDE_NEEDS[:2], description="# tidetable\n\nCurrents, at last.\n"),
    ]  # fmt: skip


CHANGES: list[tuple[str, str, Mapping[str, str]]] = [
    ("tidetable", "yank", {"version": "2.2.0", "reason": "The harbour of Emden is an hour late"}),
    ("semaphore-signals", "status", {"status": "archived", "reason": "Harbour masters read radio now"}),
    ("old-crane", "status", {"status": "deprecated", "reason": "Use harbour-client, which drives all of them"}),
    ("suspicious-cargo", "status", {"status": "quarantined", "reason": "Until we know who uploaded it"}),
    ("tidetable", "delete", {"version": "1.9.2", "reason": "Had a colleague's password in it"}),
]


def upload_all(server: LiveServer, files: Iterable[Distribution], **more: str) -> None:
    """Upload to the repository that the server made for itself. Raises AssertionError where one is refused."""
    ours = server.generated
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    for file in files:
        status, told = send_upload(connection, basic_auth(ours.name, ours.write_secret), file)
        assert status == 200, f"{file.filename}: {told}"
    connection.close()


def change(server: LiveServer, project: str, action: str, fields: Mapping[str, str]) -> None:
    """A change over the HTTP API."""
    ours = server.generated
    request = urllib.request.Request(f"{server.url}manage/{project}/{action}/", json.dumps(fields).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", basic_auth(ours.name, ours.write_secret))
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def fill(server: LiveServer) -> None:
    """Everything above, as it came to be."""
    upload_all(server, distributions())
    for project, action, fields in CHANGES:
        change(server, project, action, fields)
