"""Uploads that are nearly right, at every level: the request, the form, the archive, its metadata. One number gives the same one always."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from random import Random

from fuzzing import damage

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

LEVELS = ("none", "request", "form", "zip", "tar", "metadata", "bytes")
PROJECTS = 12

TEXTS = (
    "", " ", "x", "demo", "demo\n", "demo\0", "../x", "\ufeff", "\u202e", "\ud7ff", "\U0010ffff", "C:\\xampp", '"', "'", "<script>", "%s%n", "{0}",
    "1.0", "1.0.0", "v1", "1!0", "1.0+x", "1.0-1", "0" * 300, "9" * 5000, "1e9", "2.1", "9.9", "bdist_wheel", "sdist", "bdist_egg", "x" * 5000,
    ">=3.8", ">=3.8,<3", "==*", ">=" + "9" * 400, "(" * 500, "((((x)))", "demo; " + "(" * 300 + "x", "demo[" + "a," * 500 + "]", "demo @ file:///x",
    "demo>=1; python_version<'3'", "demo; extra == 'x' and (os_name == 'nt' or " * 50, "demo>=" + "1." * 2000, "a" * 64, "\u212a", "\u0130",
)  # fmt: skip
FIELDS = (
    ":action", "protocol_version", "filetype", "pyversion", "metadata_version", "name", "version", "requires_python", "requires_dist",
    "md5_digest", "sha256_digest", "blake2_256_digest", "attestations", "summary", "description", "unknown", "content",
)  # fmt: skip
HEADERS = (
    "Metadata-Version", "Name", "Version", "Summary", "Keywords", "Requires-Python", "Requires-Dist", "Provides-Extra", "Dynamic", "License-File",
    "Description", "Content-Type", "MIME-Version", "Classifier", "Project-URL", "X-Unknown",
)  # fmt: skip


class Upload:
    """One request, made by chance."""

    def __init__(self, seed: int, number: int) -> None:
        self.chance = Random(f"{seed}:{number}")
        self.level = self.chance.choice(LEVELS)
        project = f"fuzzed-{self.chance.randrange(PROJECTS)}"
        # Mostly versions of their own, so that most names are free; some meet.
        self._name, self._version = project, f"1.{number if self.chance.random() < 0.9 else number // 20}"

    def request(self, authorization: str) -> bytes:
        """All of it, as it is sent. It asks for the connection to be closed."""
        distribution = self._distribution()
        body, content_type = self._form(distribution)
        lines = {
            "Host": "127.0.0.1",
            "Authorization": authorization,
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        line = f"POST {self.chance.choice(('/legacy/', '/simple/', '/', '/simple', '/legacy'))} HTTP/1.1"
        if self.level != "request":
            return _head(line, lines) + body
        return self._odd_request(line, lines, body)

    # --- the archive ------------------------------------------------------------------------------------------------

    def _distribution(self) -> Distribution:
        chance = self.chance
        kind = {"zip": chance.choice(("wheel", ".zip")), "tar": ".tar.gz"}.get(self.level) or chance.choice(
            ("wheel", "wheel", ".tar.gz", ".zip")
        )
        more = self._odd_metadata() if self.level == "metadata" else {}
        if kind == "wheel":
            files = {f"{self._name}.py": "x = 1", **self._odd_files()} if self.level == "metadata" else None
            made = make_wheel(self._name, self._version, files=files, **more)
        else:
            made = make_sdist(self._name, self._version, suffix=kind, **more)
        data = made.data
        ways: tuple[Callable[[Random, bytes], bytes], ...] = ()
        if self.level == "zip":
            ways = (damage.zip_numbers, damage.zip_members, damage.some_bytes)
        elif self.level == "tar":
            ways = (damage.tar_blocks, damage.tar_blocks, damage.tar_ends, _inside_gzip)
        elif self.level == "bytes":
            ways = (damage.some_bytes,)
        if ways:
            data = chance.choice(ways)(chance, data)
        filename = made.filename
        if self.level in ("form", "bytes") and chance.random() < 0.2:
            filename = chance.choice((filename.upper(), filename + ".asc", filename.replace("-", "_"), *damage.NAMES[:-1], *TEXTS[:20]))
        return Distribution(filename, data, made.metadata)

    def _odd_metadata(self) -> dict[str, object]:
        chance = self.chance
        headers = [(chance.choice(HEADERS), chance.choice(TEXTS).replace("\ud7ff", "x")) for _ in range(chance.choice((0, 1, 1, 2, 3000)))]
        return {
            "metadata_version": chance.choice(("2.1", "2.2", "2.4", "2.6", "2.99", "1.0", "3.0", "", "x")),
            "requires_python": chance.choice((None, ">=3.8", *TEXTS)),
            "requires_dist": [chance.choice(TEXTS) for _ in range(chance.choice((0, 0, 1, 5)))],
            "extra_headers": headers,
            "description": chance.choice(
                ("", "text", "\r\n\r\n", "\0", "x" * 200_000, "\nName: other\n", "--x\nContent-Type: multipart/mixed\n")
            ),
        }

    def _odd_files(self) -> dict[str, str | bytes]:
        chance = self.chance
        info = f"{self._name.replace('-', '_')}-{self._version}.dist-info"
        ways: tuple[dict[str, str | bytes], ...] = (
            {},
            {
                f"{info}/entry_points.txt": chance.choice(
                    ("[console_scripts]\nx = y:z\n", "[x", "[console_scripts]\n../x = y:z", "\0", "=" * 5000)
                )
            },
            {f"{info}/{chance.choice(('METADATA', 'WHEEL', 'RECORD', 'RECORD.jws', 'licenses/x'))}": chance.choice(("", "x", "\0" * 50))},
            {chance.choice(damage.NAMES[:-1]) or "x": "x"},
        )
        return chance.choice(ways)

    # --- the form ---------------------------------------------------------------------------------------------------

    def _form(self, distribution: Distribution) -> tuple[bytes, str]:
        chance = self.chance
        parts = [
            _part(name, value)
            for name, value in (
                (":action", "file_upload"),
                ("protocol_version", "1"),
                ("metadata_version", "2.1"),
                ("name", self._name),
                ("version", self._version),
                ("filetype", "bdist_wheel" if distribution.filename.endswith(".whl") else "sdist"),
                ("sha256_digest", hashlib.sha256(distribution.data).hexdigest()),
                ("description", "x" * chance.choice((0, 10, 50_000))),
            )
        ]
        head = f'Content-Disposition: form-data; name="content"; filename="{distribution.filename}"'
        parts.append((head.encode("utf-8", "surrogatepass"), distribution.data))
        boundary = b"boundary-7d1b"
        content_type = f"multipart/form-data; boundary={boundary.decode()}"
        if self.level == "form":
            self._worsen(parts)
            if chance.random() < 0.1:
                boundary = chance.choice((b"", b" ", b"x" * 300, b"a b", b"--", b'"', b"content"))
            if chance.random() < 0.1:
                content_type = chance.choice(
                    ("", "x", "multipart/form-data", "multipart/mixed; boundary=x", 'multipart/form-data; boundary="', "text/plain; charset",
                     "multipart/form-data; boundary=boundary-7d1b; charset=utf-7", "application/json")
                )  # fmt: skip
        body = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, *part) for part in parts) + b"--%b--\r\n" % boundary
        if self.level == "form" and chance.random() < 0.3:
            body = chance.choice(
                (
                    lambda: damage.some_bytes(chance, body),
                    lambda: body[: chance.randrange(len(body))],
                    lambda: body + chance.choice((b"\r\n", b"x", body)),
                    lambda: b"preamble\r\n" + body,
                    lambda: body.replace(b"\r\n", b"\n"),
                )
            )()
        return body, content_type

    def _worsen(self, parts: list[tuple[bytes, bytes]]) -> None:
        chance = self.chance
        for _ in range(chance.choice((1, 1, 2))):
            at = chance.randrange(len(parts))
            head, content = parts[at]
            way = chance.randrange(8)
            if way == 0:
                del parts[at]
                parts.append(_part("unknown", "x"))
            elif way == 1:
                parts.insert(chance.randrange(len(parts)), parts[at])
            elif way == 2:
                chance.shuffle(parts)
            elif way == 3:
                parts.append(_part(chance.choice(FIELDS), chance.choice(TEXTS)))
            elif way == 4 and at < len(parts) - 1:
                parts[at] = (head, chance.choice(TEXTS).encode())
            elif way == 5:
                more = (
                    b"Content-Length: zz", b"Content-Length: 5", b"Content-Type: ;", b"Content-Type: text/plain; charset=utf-16", b"X: \0", b"X",
                    b"Content-Transfer-Encoding: base64", b"Content-Disposition: form-data; name=x", b"X: " + b"y" * 5000, b": x", b"\xff: \xff",
                )  # fmt: skip
                parts[at] = (head + b"\r\n" + chance.choice(more), content)
            elif way == 6:
                parts[at] = (damage.some_bytes(chance, head), content)
            else:
                parts[at] = (head, damage.some_bytes(chance, content))

    # --- the request ------------------------------------------------------------------------------------------------

    def _odd_request(self, line: str, lines: dict[str, str], body: bytes) -> bytes:
        chance = self.chance
        length = len(body)
        way = chance.randrange(9)
        if way == 0:
            lengths = (
                "",
                "x",
                "-1",
                "+5",
                "1_0",
                "0",
                str(length + 10),
                str(length - 10),
                str(10**12),
                f"{length}, {length}",
                " " + str(length),
            )
            lines["Content-Length"] = chance.choice(lengths)
        elif way == 1:
            del lines[chance.choice(list(lines))]
        elif way == 2:
            lines[
                chance.choice(
                    ("Transfer-Encoding", "Expect", "Content-Encoding", "Range", "Cookie", "Accept", "X-Forwarded-For", "Upgrade")
                )
            ] = chance.choice(("chunked", "identity", "gzip, chunked", "100-continue", "x" * 3000, '"', "application/json", "\x7f", ""))
        elif way == 3:
            line = line.replace("POST", chance.choice(("PUT", "post", "GET", "DELETE", "PATCH", "P\0ST", "OPTIONS", "HEAD")))
        elif way == 4:
            line = f"POST {chance.choice(('//', '/legacy/%00', '/simple/%ff/', '/legacy/?x=%', '/../legacy/', '*', 'x', '/simple/demo/', '/health/'))} HTTP/1.1"
        elif way == 5:
            line = line.replace("HTTP/1.1", chance.choice(("HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", "")))
        elif way == 6:
            return damage.some_bytes(chance, _head(line, lines)) + body
        elif way == 7:
            return _head(line, lines) + body[: chance.randrange(length)]
        else:
            lines["Content-Type"] = chance.choice(TEXTS).replace("\n", "").replace("\0", "").encode().decode("latin-1")
        return _head(line, lines) + body


def _inside_gzip(chance: Random, data: bytes) -> bytes:
    return gzip.compress(damage.some_bytes(chance, gzip.decompress(data)), 1, mtime=0)


def _part(name: str, value: str) -> tuple[bytes, bytes]:
    return f'Content-Disposition: form-data; name="{name}"'.encode(), value.encode("utf-8", "surrogatepass")


def _head(line: str, lines: dict[str, str]) -> bytes:
    text = "\r\n".join([line, *(f"{name}: {value}" for name, value in lines.items()), "", ""])
    return text.encode("latin-1", "replace")
