from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.core_metadata import parse_core_metadata
from pywharf.repository.archives.import_names import MOST_BYTES, MOST_NAMES, import_names

PLAIN = parse_core_metadata(b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n")


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (["demo.py", "demo-1.0.dist-info/METADATA"], ("demo",)),
        (["demo/__init__.py", "demo/part.py", "demo/deep/__init__.py"], ("demo",)),
        (["acme/http/__init__.py", "acme/http/client.py", "acme/tools.py"], ("acme.http", "acme.tools")),
        (["fast.cpython-311-x86_64-linux-gnu.so", "other.abi3.so", "third.pyd", "typed.pyi"], ("fast", "other", "third", "typed")),
        (["demo-1.0.data/purelib/pure.py", "demo-1.0.data/platlib/plat/__init__.py", "demo-1.0.data/scripts/run.py"], ("plat", "pure")),
        (["demo/__init__.cpython-311-darwin.so"], ("demo",)),
        (["_speedups.so", "demo/__init__.py"], ("demo",)),
        (["_only.so"], ("_only",)),
        (["not-a-name.py", "1x.py", "a b/__init__.py", "data/readme.txt", "demo.libs/libx.so.1", "x.pth"], ()),
        (["demo-1.0.dist-info/hidden.py"], ()),
        (["größe.py"], ("größe",)),
        ([], ()),
    ],
)
def test_the_top_of_a_wheel_says_what_can_be_imported(members: list[str], found: tuple[str, ...]) -> None:
    assert import_names(PLAIN, members) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("Import-Name: acme.http\nImport-Name: _inner ; private\n", ("_inner", "acme.http")),
        ("Import-Namespace: acme\n", ("acme",)),
        ("Import-Name: not a name\n", ()),
    ],
)
def test_what_the_metadata_say_goes_before_what_is_seen(lines: str, found: tuple[str, ...]) -> None:
    said = parse_core_metadata(f"Metadata-Version: 2.5\nName: demo\nVersion: 1.0\n{lines}".encode())

    assert import_names(said, ["seen.py"]) == found


def test_as_many_are_kept_as_a_record_has_room_for() -> None:
    assert len(import_names(PLAIN, [f"module{number}.py" for number in range(1000)])) == MOST_NAMES
    long = import_names(PLAIN, [f"{'x' * 1000}{number}.py" for number in range(50)])
    assert sum(map(len, long)) <= MOST_BYTES
    assert long


@given(st.lists(st.text()))
def test_any_names_of_members_can_be_looked_at(members: list[str]) -> None:
    import_names(PLAIN, [f"{member}.py" for member in members])
