"""What a file_system repository is told: who may read, who may write, and where its folder is."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pywharf.backend.settings import AcceptedSecret, BackendConfig, BackendSecret, absolute_path

_RANDOM_BYTES = 20  # of a generated secret; 40 hex digits: none begins with "-", which a command line takes for an option


class FileSystemConfig(BackendConfig):
    """A repository's table in the configuration."""

    type: Literal["file_system"] = "file_system"
    read_secret: tuple[AcceptedSecret, ...] = Field(
        default=(), description='Who may read: a secret, {env = "VARIABLE"}, {sha256 = "64 hex digits"}, or a list of these.'
    )
    write_secret: tuple[AcceptedSecret, ...] = Field(
        default=(), description="Who may read and upload, written like read_secret. Without one nobody can upload."
    )
    path: Path | None = Field(
        default=None, description="The folder to keep the packages in, from the root of the file system. Default: a folder under ROOT."
    )

    @field_validator("read_secret", "write_secret", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return given if isinstance(given, (list, tuple)) else (given,)

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute_path(path)

    @model_validator(mode="after")
    def _somebody(self) -> FileSystemConfig:
        if not self.read_secret and not self.write_secret:
            raise ValueError('opens for nobody: give it a read_secret, a write_secret, or both, e.g. write_secret = "..."')
        return self

    @classmethod
    def with_random_secrets(cls) -> FileSystemConfig:
        """The configuration of a repository that nobody has configured: one random secret to read, one to write."""
        return cls.model_validate({right: secrets.token_hex(_RANDOM_BYTES) for right in ("read_secret", "write_secret")})


class FileSystemSecret(BackendSecret):
    """What a caller shows."""

    type: Literal["file_system"] = "file_system"
