"""A distribution file that asks to be taken, as the checks see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path

from pywharf.api.attestations import Attestation, parse_attestations
from pywharf.api.core_metadata import CoreMetadata, CoreMetadataInvalid, parse_core_metadata
from pywharf.api.upload import UploadForm
from pywharf.backend.settings import AdmissionRules, Strictness
from pywharf.errors import UploadRejected
from pywharf.model.names import DistributionName
from pywharf.repository.archives.sdist import SourceTree, tar_source_tree, zip_source_tree
from pywharf.repository.archives.wheel import RecordRow, dist_info_folder, read_record
from pywharf.repository.archives.zip_members import ZipArchive

Check = Callable[["Candidate"], None]  # raises UploadRejected


@dataclass(frozen=True)
class Candidate:
    """The file, its name, and what was said about it. The archive is opened by the first check that asks for its content."""

    form: UploadForm  # without fields where nobody filled in a form: then nothing is claimed that could be wrong
    path: Path  # where the file lies, complete, under any name
    name: DistributionName
    rules: AdmissionRules
    warnings: list[str] = field(default_factory=list)  # what is wrong with it and taken all the same, a clause each

    def object(self, strictness: Strictness, reason: str) -> None:
        """Refuse the file, note a warning, or do nothing, as the rules have it. Raises UploadRejected."""
        if strictness == "refuse":
            raise UploadRejected("content", reason)
        if strictness == "warn":
            self.warnings.append(reason)

    @property
    def is_wheel(self) -> bool:
        return self.name.kind == "bdist_wheel"

    @property
    def is_zip(self) -> bool:
        return self.is_wheel or self.name.filename.endswith(".zip")

    def close(self) -> None:
        if "zip" in self.__dict__:
            self.zip.close()

    @cached_property
    def zip(self) -> ZipArchive:
        """The file as a ZIP archive, where it is one. What it is asked for raises UploadRejected."""
        return ZipArchive(self.path, self.rules)

    @cached_property
    def dist_info(self) -> str:
        """The name of a wheel's .dist-info folder. Raises UploadRejected."""
        return dist_info_folder(self.zip, self.name)

    @cached_property
    def wheel_file(self) -> bytes:
        """The content of a wheel's WHEEL. Raises UploadRejected."""
        return self.zip.read(f"{self.dist_info}/WHEEL")

    @cached_property
    def source_tree(self) -> SourceTree:
        """What a source distribution holds, all of which is walked through. Raises UploadRejected."""
        if self.is_zip:
            return zip_source_tree(self.zip, self.name)
        return tar_source_tree(self.path, self.name, self.rules)

    @cached_property
    def attestations(self) -> tuple[Attestation, ...]:
        """What came with the file; each is about this file. Raises UploadRejected."""
        return parse_attestations(self.form.one("attestations"), self.name, self.form.sha256)

    @cached_property
    def record(self) -> tuple[RecordRow, ...]:
        """The rows of a wheel's RECORD; none where it is missing. Raises UploadRejected."""
        return read_record(self.zip, self.dist_info, self.rules)

    @cached_property
    def metadata_bytes(self) -> bytes:
        """METADATA or PKG-INFO, exactly. Raises UploadRejected."""
        if self.is_wheel:
            return self.zip.read(f"{self.dist_info}/METADATA")
        return self.source_tree.metadata

    @cached_property
    def metadata(self) -> CoreMetadata:
        """Raises UploadRejected."""
        try:
            return parse_core_metadata(self.metadata_bytes)
        except CoreMetadataInvalid as error:
            raise UploadRejected("content", f"in {self.metadata_label}: {error}") from error

    @property
    def metadata_label(self) -> str:
        return "METADATA" if self.is_wheel else "PKG-INFO"


def of_zip(check: Check) -> Check:
    """A check of wheels and of source distributions that are ZIP archives; others pass."""

    @wraps(check)
    def checked(candidate: Candidate) -> None:
        if candidate.is_zip:
            check(candidate)

    return checked


def of_sdist(check: Check) -> Check:
    """A check of source distributions; others pass."""

    @wraps(check)
    def checked(candidate: Candidate) -> None:
        if not candidate.is_wheel:
            check(candidate)

    return checked


def of_tar(check: Check) -> Check:
    """A check of source distributions that are tar archives; others pass."""

    @wraps(check)
    def checked(candidate: Candidate) -> None:
        if not candidate.is_zip:
            check(candidate)

    return checked


def of_wheel(check: Check) -> Check:
    """A check of wheels; others pass."""

    @wraps(check)
    def checked(candidate: Candidate) -> None:
        if candidate.is_wheel:
            check(candidate)

    return checked
