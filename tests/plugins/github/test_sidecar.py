from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pywharf_github.sidecar import LONGEST_DOCUMENT, Body, SerialFile, Sidecar, decode

from pywharf.errors import BackendUnavailable

BODY = Body("b" * 40, "a" * 64, 12)
SIDECAR = Sidecar(7, b'{"kind":"file"}', {"demo-1.whl": BODY})


@given(st.text().map(str.encode), st.integers(0, 2**53), st.dictionaries(st.text(), st.builds(Body, st.text(), st.text(), st.integers(0))))
def test_a_sidecar_comes_back_as_it_was_written(document: bytes, serial: int, files: dict[str, Body]) -> None:
    sidecar = Sidecar(serial, document, files)

    assert decode("demo", "demo-1", sidecar.encode("demo", "demo-1")) == (sidecar, True)


@given(st.binary())
def test_whatever_lies_in_a_sidecars_place_can_be_read(raw: bytes) -> None:
    sidecar, genuine = decode("demo", "demo-1", raw)

    assert not genuine
    sidecar.document.decode()


def test_what_is_no_sidecar_at_all_is_taken_for_a_document() -> None:
    assert decode("demo", "demo-1", b'{"kind":"file"}\n')[0].document == b'{"kind":"file"}\n'


def test_a_document_changed_by_hand_is_noticed_and_its_files_are_still_known() -> None:
    raw = SIDECAR.encode("demo", "demo-1").replace(b'"file"', b'"FILE"')

    sidecar, genuine = decode("demo", "demo-1", raw)

    assert not genuine
    assert (sidecar.document, sidecar.files) == (b'{"kind":"FILE"}', SIDECAR.files)


def test_a_serial_changed_by_hand_is_noticed() -> None:
    assert not decode("demo", "demo-1", SIDECAR.encode("demo", "demo-1").replace(b":7,", b":8,"))[1]


@pytest.mark.parametrize("where", [("demo", "demo-2"), ("other", "demo-1")])
def test_a_sidecar_copied_to_another_name_is_noticed(where: tuple[str, str]) -> None:
    assert not decode(*where, SIDECAR.encode("demo", "demo-1"))[1]


@pytest.mark.parametrize("raw", [None, b"\xff\xfe", b"x" * (LONGEST_DOCUMENT + 1)])
def test_what_cannot_be_a_document_is_an_empty_one(raw: bytes | None) -> None:
    assert decode("demo", "demo-1", raw) == (Sidecar(0, b""), False)


def test_the_serial_file_comes_back() -> None:
    assert SerialFile.decode(SerialFile(12, "a" * 40).encode()) == SerialFile(12, "a" * 40)


@pytest.mark.parametrize(
    "raw", [None, b"", b"12\n", b"[]", b'{"format": 1}', b'{"format": 1, "serial": -1, "packages": ""}', b"\xff", b"[" * 9999]
)
def test_a_serial_file_that_cannot_be_read_is_as_none(raw: bytes | None) -> None:
    assert SerialFile.decode(raw) is None


def test_a_serial_out_of_all_proportion_is_not_believed() -> None:
    assert SerialFile.decode(json.dumps({"format": 1, "serial": 10**30, "packages": ""}).encode()) is None


def test_another_format_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="another version"):
        SerialFile.decode(b'{"format": 2, "serial": 1, "packages": ""}')
