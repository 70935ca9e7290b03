from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pywharf import errors
from pywharf.errors import WharfError
from pywharf.web import errors as web_errors
from pywharf.web.responses import MAX_REASON, STATUS, Response, printable, status_of

BELOW_THE_WEB: list[type[WharfError]] = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WharfError)]
OF_THE_WEB: list[type[WharfError]] = [kind for kind in vars(web_errors).values() if isinstance(kind, type) and issubclass(kind, WharfError)]
TOLD_ELSEWHERE: set[type[WharfError]] = {  # on the command line only
    WharfError,
    errors.LayoutUnusable,
    errors.ServerUnusable,
    errors.SourceUnusable,
}


@pytest.mark.parametrize("kind", [kind for kind in (*BELOW_THE_WEB, *OF_THE_WEB) if kind not in TOLD_ELSEWHERE])
def test_every_error_has_a_status(kind: type[WharfError]) -> None:
    assert any(one in STATUS for one in kind.__mro__)


def test_an_error_of_a_known_kind_has_its_status() -> None:
    class Rejected(errors.UploadRejected):
        pass

    assert status_of(Rejected("name", "no")) == 400
    assert status_of(ValueError()) == 500


@given(st.text())
@example("x" * 500)
def test_any_sentence_is_a_safe_reason(sentence: str) -> None:
    line = Response(400, reason=sentence).status_line

    assert line.startswith("400 ")
    assert len(line) <= 4 + MAX_REASON
    assert line.isascii()
    assert line.isprintable()
    assert len(line) > 4


@given(st.text())
def test_any_sentence_is_printable(sentence: str) -> None:
    assert not set(printable(sentence)) & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}
