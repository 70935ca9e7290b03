"""What every backend's configuration and secret have in common, as pydantic models a plugin extends.

Where secrets may come from the environment, the validation context says so: `{"environ": {...}}` names the variables;
`{"environ": None}` forbids them (text that came over the network); without a context it is the process's environment.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from pywharf.errors import InvalidName
from pywharf.model.names import normalize_pattern
from pywharf.model.publisher import TrustedPublisher, parse_publisher

Strictness = Literal["refuse", "warn", "allow"]

_FORMS = 'a secret is "text", {env = "VARIABLE"} or {sha256 = "64 hex digits"}: exactly one of them'


def absolute_path(path: Path | None) -> Path | None:
    """A path of the server as a configuration may give it. Raises ValueError for a relative one."""
    # Relative to what? The folder that a server happens to be started in decides nothing here.
    if path is not None and not path.is_absolute():
        raise ValueError('has to begin with "/": a relative path would depend on where the server is started')
    return path


class AdmissionRules(BaseModel):
    """How strict a repository is about the files it takes: the table `[NAME.admission]`. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    record: Strictness = Field(default="refuse", description="A wheel whose RECORD is incomplete, or whose hashes are wrong.")
    colliding_names: Strictness = Field(default="refuse", description="Two names in an archive that are one name on some systems.")
    standard_library_names: Strictness = Field(
        default="refuse", description="A new project named like a module of Python's standard library."
    )
    confusable_names: Strictness = Field(default="warn", description="A new project whose name looks like that of another one here.")
    max_members: int = Field(default=100_000, gt=0, le=1_000_000, description="Most members of an archive.")
    max_inflated_bytes: int = Field(default=8 * 1024**3, gt=0, le=1024**4, description="Most bytes that an archive inflates to, in all.")
    max_ratio: int = Field(
        default=50, gt=1, le=1100, description="How many times its size an archive inflates to at most, from 64 MiB inflated on."
    )
    max_metadata_bytes: int = Field(default=16 * 1024**2, gt=0, le=256 * 1024**2, description="Most bytes of METADATA, PKG-INFO or RECORD.")


class AttestationRules(BaseModel):
    """Whose signatures a repository takes: the table `[NAME.attestations]`. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    require: bool = Field(default=False, description="Refuse an upload that comes without an attestation.")
    trusted_publishers: tuple[str, ...] = Field(default=(), max_length=100, description="Who may sign; none: signatures are not verified.")
    trusted_root: Path | None = Field(default=None, description="The keys of Sigstore, as a file of its trusted_root.json.")

    @property
    def publishers(self) -> tuple[TrustedPublisher, ...]:
        return tuple(parse_publisher(text) for text in self.trusted_publishers)

    @field_validator("trusted_publishers")
    @classmethod
    def _readable(cls, publishers: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for text in publishers:
                parse_publisher(text)
        except InvalidName as error:
            raise ValueError(str(error)) from error
        return publishers

    @field_validator("trusted_root")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute_path(path)

    @model_validator(mode="after")
    def _of_use(self) -> AttestationRules:
        if self.require and not self.trusted_publishers:
            raise ValueError("require is of no use without trusted_publishers: anybody could sign")
        if self.trusted_root is not None and not self.trusted_publishers:
            raise ValueError("trusted_root is of no use without trusted_publishers: no signature is verified")
        return self


class BackendConfig(BaseModel):
    """One repository's table in the configuration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)

    type: str = Field(description="The backend's type.")
    max_file_bytes: int = Field(default=1024**3, gt=0, description="Largest distribution file taken, in bytes.")
    sync_index_interval: float = Field(
        default=1.0, gt=0, le=86400, description="How often changes made elsewhere are looked for, in seconds."
    )
    private_names: tuple[str, ...] = Field(
        default=(), description='Patterns of project names that are never sent to the extra index, e.g. "acme-*".'
    )

    admission: AdmissionRules = Field(default=AdmissionRules(), description="How strict the checks of an upload are.")
    attestations: AttestationRules = Field(default_factory=AttestationRules, description="Whose signatures are taken.")

    @field_validator("private_names")
    @classmethod
    def _normalise(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(normalize_pattern(pattern) for pattern in patterns)
        except InvalidName as error:
            raise ValueError(str(error)) from error


class BackendSecret(BaseModel):
    """A secret that opens a repository: exactly one of `raw` and `env`. Never shown by repr() or str()."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str
    raw: SecretStr | None = Field(default=None, description="The secret itself.")
    env: str | None = Field(default=None, description="The environment variable that holds the secret.")

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, data: Any, info: ValidationInfo) -> Any:
        return resolve_environment(data, info) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> BackendSecret:
        if self.raw is None or not self.raw.get_secret_value():
            raise ValueError('needs the secret: exactly one of raw = "..." and env = "VARIABLE", and it may not be empty')
        return self

    def reveal(self) -> str:
        """The secret itself. Keep it out of logs, messages, URLs and argv."""
        assert self.raw is not None  # noqa: S101 - guaranteed by the validator above; for the type checker
        return self.raw.get_secret_value()


class AcceptedSecret(BaseModel):
    """A secret that a configuration accepts: its text, the variable that holds it, or its sha256."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    raw: SecretStr | None = None
    env: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$", repr=False)
    label: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9 ._@-]*$", description="What the logs call it.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(data, str):
            data = {"raw": data}
        if not isinstance(data, Mapping | AcceptedSecret):
            raise ValueError(_FORMS)
        return resolve_environment(data, info) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> AcceptedSecret:
        if (self.raw is None) == (self.sha256 is None):
            raise ValueError(_FORMS)
        try:
            empty = self.matches("")
        except UnicodeEncodeError as error:
            raise ValueError("a secret is Unicode text") from error
        if empty:
            raise ValueError("a secret may not be empty")
        return self

    def digest(self) -> bytes:
        """The sha256 of the secret, 32 bytes."""
        if self.sha256 is not None:
            return bytes.fromhex(self.sha256)
        assert self.raw is not None  # noqa: S101 - guaranteed by the validator above; for the type checker
        return _digest(self.raw.get_secret_value())

    def matches(self, secret: str) -> bool:
        """Whether this is the secret, compared in constant time over digests of one length."""
        return hmac.compare_digest(self.digest(), _digest(secret))


def _digest(secret: str) -> bytes:
    # Passwords and variables are bytes; those that are no UTF-8 arrive as escaped surrogates.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def resolve_environment(data: Mapping[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """Replace `env = "VARIABLE"` by the variable's value as `raw`. Raises ValueError naming the variable."""
    resolved = dict(data)
    variable = resolved.get("env")
    if variable is None:
        return resolved
    if resolved.get("raw") is not None:
        raise ValueError("has both raw and env: exactly one of them")
    environ: Mapping[str, str] | None = os.environ
    if isinstance(info.context, Mapping) and "environ" in info.context:
        environ = info.context["environ"]
    if environ is None:
        raise ValueError("may not name environment variables of the server in text sent over the network: give the secret itself")
    if not isinstance(variable, str) or not environ.get(variable):
        raise ValueError(f"the environment variable {variable!r} is not set, or empty")
    resolved["raw"] = environ[variable]
    return resolved
