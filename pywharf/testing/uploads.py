"""The legacy upload API from the client's side: what twine sends, in as few lines as will do."""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
from collections.abc import Mapping

from pywharf.model.names import parse_filename
from pywharf.testing.distributions import Distribution


def upload_form(distribution: Distribution, fields: Mapping[str, str | None] | None = None) -> tuple[bytes, str]:
    """The body of an upload and its Content-Type. `fields` are added; None leaves a field out."""
    name = parse_filename(distribution.filename)
    form: dict[str, str | None] = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name.project,
        "version": str(name.version),
        "filetype": name.kind,
        "sha256_digest": hashlib.sha256(distribution.data).hexdigest(),
        **(fields or {}),
    }
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in form.items()
        if value is not None
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{distribution.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    return b"".join([*parts, distribution.data, f"\r\n--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def basic_auth(repository: str, secret: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{repository}:{secret}".encode()).decode()


def send_upload(connection: http.client.HTTPConnection, authorization: str, distribution: Distribution) -> tuple[int, str]:
    """Upload over an open connection; the status and the answer's text. Raises OSError, http.client.HTTPException."""
    body, content_type = upload_form(distribution)
    connection.request("POST", "/simple/", body, {"Authorization": authorization, "Content-Type": content_type})
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace")
