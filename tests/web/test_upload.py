from __future__ import annotations

import json
from typing import Any

import pytest

from pywharf.errors import (
    AccessDenied,
    BackendUnavailable,
    FileConflict,
    IndexNotReady,
    InvalidName,
    ProjectClosed,
    TooBusy,
    UploadRejected,
)
from pywharf.testing.distributions import Distribution
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App

from .client import Answer, Client, Unreadable, basic
from .fakes import WRITE, FakeRepository

FILE = Distribution("demo-1.0-py3-none-any.whl", b"the file", b"")
ADDRESSES = ["/simple/", "/simple", "/", "/legacy/", "/legacy"]
MIB = 1024 * 1024


def send(client: Client, address: str = "/legacy/", headers: dict[str, str] | None = None, **more: Any) -> Answer:
    fields = more.pop("fields", None)
    body, content_type = upload_form(more.pop("file", FILE), fields)
    return client.send("POST", address, {"Content-Type": content_type, **(headers or {})}, body=more.pop("body", body), **more)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_file_is_received_at_every_address(writer: Client, repository: FakeRepository, address: str) -> None:
    answer = send(writer, address)

    assert (answer.status, answer.reason, answer.headers["content-type"]) == (200, "OK", "text/plain; charset=utf-8")
    ((secret, form, data),) = repository.uploads
    assert (secret, form.filename, data) == (WRITE, FILE.filename, b"the file")


def test_the_same_bytes_again_are_200(writer: Client, repository: FakeRepository) -> None:
    repository.upload_result = False

    answer = send(writer)

    assert answer.status == 200
    assert "already" in answer.text


def test_what_is_wrong_with_a_file_that_is_taken_all_the_same_is_in_the_answer(writer: Client, repository: FakeRepository) -> None:
    repository.upload_warnings = ("RECORD does not name 'x.py' (record)", "the name looks like that of\n\x1b[2J another")

    answer = send(writer)

    assert (answer.status, answer.reason) == (200, "OK")
    assert "is published. Warning: RECORD does not name 'x.py' (record). Warning: the name looks like" in answer.text
    assert "\x1b" not in answer.text


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("user", "secret", "status"), [(None, None, 401), ("local", "wrong", 401), ("nobody", WRITE, 401), ("local", "read-me", 403)]
)
def test_who_may_not_write_is_refused_before_a_byte_is_read(
    app: App, repository: FakeRepository, address: str, user: str | None, secret: str | None, status: int
) -> None:
    client = Client(app, basic(user, secret) if user and secret else None)

    answer = send(client, address, body=Unreadable(), length=10**9)

    assert answer.status == status
    assert repository.received == []


def test_a_body_without_a_length_is_411(writer: Client, repository: FakeRepository) -> None:
    assert send(writer, body=Unreadable(), length="").status == 411
    assert send(writer, body=Unreadable(), length=10, headers={"Transfer-Encoding": "chunked"}).status == 411
    assert repository.received == []


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "0x10", "5, 5", " 5", "five", "9" * 30])
def test_a_length_that_is_no_number_is_400(writer: Client, length: str) -> None:
    assert send(writer, body=Unreadable(), length=length).status == 400


def test_an_upload_that_no_storage_would_take_now_is_503_unread(
    writer: Client, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise BackendUnavailable("too many changes are waiting for it", retry_after=5)

    monkeypatch.setattr(repository, "receiving", full)

    answer = send(writer, body=Unreadable(), length=1000)

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_more_than_file_and_form_may_have_is_413_unread(writer: Client, repository: FakeRepository) -> None:
    limit = repository.config.max_file_bytes + 16 * MIB

    answer = send(writer, body=Unreadable(), length=limit + 1)

    assert answer.status == 413
    assert "1000 bytes" in answer.reason
    assert repository.received == []


def test_as_much_as_file_and_form_may_have_is_read(writer: Client, repository: FakeRepository) -> None:
    answer = send(writer, length=repository.config.max_file_bytes + 16 * MIB)

    assert (answer.status, answer.reason) == (400, "The body is shorter than its Content-Length: nothing was changed")


@pytest.mark.parametrize(("size", "status"), [(999, 200), (1000, 200), (1001, 413), (5000, 413)])
def test_the_limit_is_exact(writer: Client, repository: FakeRepository, size: int, status: int) -> None:
    answer = send(writer, file=Distribution(FILE.filename, b"x" * size, b""))

    assert answer.status == status
    assert len(repository.received[0].data) <= 1000


def test_a_body_that_ends_early_stores_nothing(writer: Client, repository: FakeRepository) -> None:
    body, _ = upload_form(FILE)

    for cut in (1, 2, 10, len(body) // 2, len(body)):
        answer = send(writer, body=body[: len(body) - cut], length=len(body))
        assert answer.status == 400

    assert repository.uploads == []


def test_a_connection_that_breaks_off_stores_nothing(writer: Client, repository: FakeRepository) -> None:
    class Broken(Unreadable):
        def read(self, size: int | None = -1) -> bytes:
            raise TimeoutError("timed out")

    assert send(writer, body=Broken(), length=100).status == 400
    assert repository.uploads == []


@pytest.mark.parametrize("field", [":action", "name", "version", "filetype", "metadata_version"])
def test_a_missing_field_is_named(writer: Client, repository: FakeRepository, field: str) -> None:
    answer = send(writer, fields={field: None})

    assert answer.status == 400
    assert answer.reason.startswith(f"{field}:")
    assert answer.text.startswith(f"{field}:")
    assert repository.uploads == []


def test_a_wrong_digest_is_refused(writer: Client, repository: FakeRepository) -> None:
    answer = send(writer, fields={"sha256_digest": "0" * 64})

    assert (answer.status, answer.reason.startswith("sha256_digest:")) == (400, True)
    assert repository.uploads == []


def test_a_long_description_is_no_trouble(writer: Client, repository: FakeRepository) -> None:
    answer = send(writer, fields={"description": "x" * 5_000_000})

    assert answer.status == 200


REFUSALS = [
    (UploadRejected("version", "it is not 1.0"), 400, "version: it is not 1.0"),
    (InvalidName("x/y", "no slash"), 400, "'x/y': no slash"),
    (FileConflict("demo-1.0.tar.gz", "with other bytes"), 409, "File already exists (demo-1.0.tar.gz): with other bytes"),
    (ProjectClosed("demo", "archived"), 403, "Project demo is archived and takes no uploads"),
    (AccessDenied("write"), 403, "The secret does not allow to write"),
    (BackendUnavailable("it is away"), 503, "The repository's storage is unavailable: it is away"),
    (IndexNotReady("local", "it is new"), 503, "The index of repository local cannot answer now: it is new"),
    (TooBusy("demo"), 503, "Project demo is being changed by too many others at once; try again"),
]


@pytest.mark.parametrize(("error", "status", "sentence"), REFUSALS, ids=[type(error).__name__ for error, _, _ in REFUSALS])
def test_a_refusal_says_its_sentence_in_body_and_reason(
    writer: Client, repository: FakeRepository, error: Exception, status: int, sentence: str
) -> None:
    repository.upload_result = error

    answer = send(writer)

    assert (answer.status, answer.reason, answer.text) == (status, sentence, sentence)
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize(("error", "status", "sentence"), REFUSALS, ids=[type(error).__name__ for error, _, _ in REFUSALS])
def test_uv_gets_a_refusal_as_a_problem_document(
    writer: Client, repository: FakeRepository, error: Exception, status: int, sentence: str
) -> None:
    repository.upload_result = error

    answer = send(writer, headers={"Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"})

    assert (answer.headers["content-type"], answer.reason) == ("application/problem+json", sentence)
    problem = json.loads(answer.body)
    assert (problem["status"], problem["detail"]) == (status, sentence)
    assert problem.get("field") == ("version" if isinstance(error, UploadRejected) else None)


def test_twine_and_poetry_take_a_conflict_for_already_there(writer: Client, repository: FakeRepository) -> None:
    repository.upload_result = FileConflict("demo-1.0.tar.gz", "with other bytes")

    answer = send(writer)

    assert answer.status == 409
    assert "already exist" in answer.reason.lower()
    assert answer.text.startswith("File already exists")


def test_hostile_text_neither_forges_lines_nor_becomes_html(writer: Client, repository: FakeRepository) -> None:
    repository.upload_result = UploadRejected("name", "<script>\r\nX-Evil: yes\x00\x1b[2J\u2028ü" + "x" * 500)

    answer = send(writer)

    assert "x-evil" not in answer.headers
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.reason) == 200
    assert answer.text.isprintable()
    assert "ü" in answer.text
    assert answer.text.endswith("x" * 500)
