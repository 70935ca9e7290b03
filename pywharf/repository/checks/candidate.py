"""A distribution file that asks to be taken, as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pywharf.api.core_metadata import CoreMetadata, CoreMetadataInvalid, parse_core_metadata
from pywharf.api.upload import UploadForm
from pywharf.errors import UploadRejected
from pywharf.model.names import DistributionName
from pywharf.repository.archives.metadata_file import read_core_metadata


@dataclass(frozen=True)
class Candidate:
    """The file, its name, and what was said about it. The archive is opened by the first check that asks for its metadata."""

    form: UploadForm  # without fields where nobody filled in a form: then nothing is claimed that could be wrong
    path: Path  # where the file lies, complete, under any name
    name: DistributionName

    @cached_property
    def metadata_bytes(self) -> bytes:
        """METADATA or PKG-INFO, exactly. Raises UploadRejected."""
        return read_core_metadata(self.path, self.name)

    @cached_property
    def metadata(self) -> CoreMetadata:
        """Raises UploadRejected."""
        try:
            return parse_core_metadata(self.metadata_bytes)
        except CoreMetadataInvalid as error:
            raise UploadRejected("content", f"in {self.metadata_label}: {error}") from error

    @property
    def metadata_label(self) -> str:
        return "METADATA" if self.name.kind == "bdist_wheel" else "PKG-INFO"
