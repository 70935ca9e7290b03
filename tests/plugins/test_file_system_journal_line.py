"""A line says what was written into it, whichever way it is taken apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pywharf_file_system import journal_line
from pywharf_file_system.journal_line import checksum, entries_of, sealed, unsealed

from pywharf.backend.interface import Entry
from pywharf.errors import BackendUnavailable

TEXTS = st.text(st.sampled_from('a1"\\,:{}[]/ \n\t\0\x7fé\u2028'), max_size=12) | st.text(max_size=20)
DOCUMENT = '{"kind":"file","name":"demo","requires_python":">=3.8"}'


def line(documents: dict[str, str], *, project: str = "demo", serial: int = 7) -> dict[str, Any]:
    """As the journal writes it."""
    return {"serial": serial, "after": "b7f3a905b6686791", "project": project, "documents": documents}


def as_written(content: dict[str, Any]) -> list[Entry]:
    return [Entry(content["project"], key, content["serial"], text.encode()) for key, text in content["documents"].items()]


@given(st.dictionaries(TEXTS, TEXTS, max_size=4), TEXTS, st.integers(0, 2**63))
@example({"k": DOCUMENT, "l": DOCUMENT}, "demo", 1)
@example({"k": '{"summary":"a \\"quoted\\" word"}'}, "demo", 1)
@example({"k": '","l":"'}, "demo", 1)
def test_entries_are_what_was_written(documents: dict[str, str], project: str, serial: int) -> None:
    content = line(documents, project=project, serial=serial)

    assert list(entries_of(sealed(content)) or ()) == as_written(content)


def test_usual_lines_are_taken_apart_at_their_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the property above would say nothing of it."""
    monkeypatch.setattr(journal_line, "_read", lambda text: pytest.fail("it was read slowly"))
    content = line({f"demo-1.{number}": DOCUMENT for number in range(5)})

    assert list(entries_of(sealed(content)) or ()) == as_written(content)


@pytest.mark.parametrize(
    "text",
    [
        '{"serial":7,"after":"b","project":"demo","documents":{"k":"one","k":"two"}}',
        '{"serial":7,"after":"b","project":"demo","documents":{"k":"two"},"more":"x"}',
        '{"serial":7,"after":"b","project":"demo","more":"x","documents":{"k":"two"}}',
        '{"serial": 7, "after": "b", "project": "demo", "documents": {"k": "two"}}',
        '{"project":"demo","serial":7,"after":"b","documents":{"k":"two"}}',
    ],
)
def test_a_line_that_is_written_otherwise_says_the_same(text: str) -> None:
    raw = f"{text} {checksum(text.encode())}\n".encode()

    assert list(entries_of(raw) or ()) == as_written(json.loads(text)) == [Entry("demo", "k", 7, b"two")]


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_line_says_nothing(at: int, by: int) -> None:
    raw = bytearray(sealed(line({"k": DOCUMENT})))
    raw[at % (len(raw) - 1)] ^= by

    assert entries_of(bytes(raw)) is None
    assert unsealed(bytes(raw)) is None


def test_a_line_of_a_later_format_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="another version of pywharf"):
        entries_of(sealed({"serial": 0, "format": 99}))


def test_the_first_line_holds_no_entries() -> None:
    assert entries_of(sealed({"serial": 0, "format": 1, "storage": "6d750416"})) == []
