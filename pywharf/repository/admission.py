"""The checks a distribution file passes before anything is stored, in their order, and the record made of it.

Pure but for reading the file: no HTTP, no backend. What depends on what the repository already holds (a name that is taken, a second
sdist of one release, an archived project) is decided in `changes.py`, where it can be decided exactly.

Cheap comes before costly, and nothing from inside the archive is looked at before its digests are known to be right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pywharf.api.attestations import Attestation
from pywharf.api.core_metadata import reliable_for_sdist
from pywharf.api.file_digests import FileDigests
from pywharf.api.metadata_facts import required_project
from pywharf.api.upload import UploadForm, check_form
from pywharf.backend.settings import AdmissionRules
from pywharf.errors import InvalidName, UploadRejected
from pywharf.model.names import DistributionName, metadata_filename, parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, now
from pywharf.repository.archives.import_names import bounded, import_names
from pywharf.repository.checks.attestations import attestations_are_of_this_file
from pywharf.repository.checks.candidate import Candidate
from pywharf.repository.checks.file_metadata import (
    metadata_agrees_on_name,
    metadata_agrees_on_version,
    metadata_can_be_read,
    requires_python_is_valid,
)
from pywharf.repository.checks.form_and_filename import form_agrees_on_filetype, form_agrees_on_name, form_agrees_on_version
from pywharf.repository.checks.form_and_metadata import form_agrees_on_requires_dist, form_agrees_on_requires_python
from pywharf.repository.checks.sdist_format import tar_has_nothing_behind, tar_is_no_zip, tar_is_read_one_way
from pywharf.repository.checks.sdist_links import tar_links_stay_inside, tar_members_are_files_folders_and_links
from pywharf.repository.checks.sdist_paths import (
    sdist_has_one_top_folder,
    sdist_has_pkg_info_once,
    tar_names_are_plain,
    tar_names_are_unique,
    tar_names_do_not_collide,
)
from pywharf.repository.checks.wheel_folders import (
    wheel_data_folder_is_known,
    wheel_has_one_dist_info,
    wheel_tags_agree_with_filename,
    wheel_version_is_known,
)
from pywharf.repository.checks.wheel_record import (
    record_can_be_read,
    record_hashes_are_strong,
    record_is_right,
    record_lists_every_file_once,
    record_paths_stay_inside,
)
from pywharf.repository.checks.wheel_scripts import entry_points_can_be_installed
from pywharf.repository.checks.zip_frame import (
    zip_can_be_read,
    zip_content_is_what_it_says,
    zip_ends_agree,
    zip_has_no_comments,
    zip_has_nothing_behind,
    zip_has_nothing_in_front,
    zip_has_one_end,
    zip_is_no_bomb,
    zip_is_no_tar,
    zip_members_lie_end_to_end,
)
from pywharf.repository.checks.zip_members import (
    zip64_fields_agree,
    zip_descriptors_agree,
    zip_extra_fields_are_plain,
    zip_headers_agree,
    zip_members_are_files_or_folders,
    zip_members_are_not_encrypted,
    zip_members_can_be_inflated,
)
from pywharf.repository.checks.zip_names import (
    zip_names_are_plain,
    zip_names_are_unique,
    zip_names_are_utf8,
    zip_names_do_not_collide,
    zip_names_stay_inside,
)

CHECKS: tuple[Callable[[Candidate], None], ...] = (
    form_agrees_on_filetype,
    form_agrees_on_name,
    form_agrees_on_version,
    attestations_are_of_this_file,
    # a ZIP archive's directory
    zip_can_be_read,
    zip_has_one_end,
    zip_has_no_comments,
    zip_has_nothing_behind,
    zip_has_nothing_in_front,
    zip_ends_agree,
    zip_is_no_tar,
    zip_is_no_bomb,
    zip_names_are_utf8,
    zip_names_are_plain,
    zip_names_stay_inside,
    zip_names_are_unique,
    zip_names_do_not_collide,
    zip_members_are_files_or_folders,
    zip_members_are_not_encrypted,
    zip_members_can_be_inflated,
    # what the directory points to
    zip_extra_fields_are_plain,
    zip64_fields_agree,
    zip_headers_agree,
    zip_descriptors_agree,
    zip_members_lie_end_to_end,
    # what a wheel says about itself
    wheel_has_one_dist_info,
    wheel_version_is_known,
    wheel_tags_agree_with_filename,
    wheel_data_folder_is_known,
    entry_points_can_be_installed,
    record_can_be_read,
    record_paths_stay_inside,
    record_lists_every_file_once,
    record_hashes_are_strong,
    # a source distribution
    tar_is_no_zip,
    tar_is_read_one_way,
    tar_has_nothing_behind,
    tar_names_are_plain,
    tar_members_are_files_folders_and_links,
    tar_names_are_unique,
    tar_names_do_not_collide,
    tar_links_stay_inside,
    sdist_has_one_top_folder,
    sdist_has_pkg_info_once,
    metadata_can_be_read,
    metadata_agrees_on_name,
    metadata_agrees_on_version,
    requires_python_is_valid,
    form_agrees_on_requires_python,
    form_agrees_on_requires_dist,
    # all of its content
    zip_content_is_what_it_says,
    record_is_right,
)

DEFAULT_RULES = AdmissionRules()

MAX_TEXT = 2_000  # characters of summary and of keywords that are kept in a record, which has 32 KiB for everything

_READ_BYTES = 1024 * 1024
_NO_LINE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Admitted:
    """A distribution file that may be stored."""

    name: DistributionName
    record: DistributionRecord
    metadata_bytes: bytes | None  # to be stored as the record's `metadata` file; None: not served
    warnings: tuple[str, ...] = ()  # what is wrong with it and was taken all the same, a clause each
    attestations: tuple[Attestation, ...] = ()  # that came with it and are about it; nobody has asked yet who signed them


def admit(form: UploadForm, path: Path, rules: AdmissionRules = DEFAULT_RULES) -> Admitted:
    """Check an upload.

    path: where its bytes lie, complete. Raises UploadRejected.
    """
    check_form(form)
    return _admit(form, path, now(), rules)


def admit_file(path: Path, filename: str, upload_time: datetime, rules: AdmissionRules = DEFAULT_RULES) -> Admitted:
    """Check a distribution file that no form came with: one that was found in the storage.

    filename: its name as a distribution, whatever `path` is called. upload_time: what its record shall say.
    Raises UploadRejected; OSError where it cannot be read.
    """
    return _admit(_unclaimed(path, filename), path, upload_time, rules)


def _admit(form: UploadForm, path: Path, upload_time: datetime, rules: AdmissionRules) -> Admitted:
    try:
        name = parse_filename(form.filename)
    except InvalidName as error:
        raise UploadRejected("content", f"the file's name {error}") from error
    with closing(Candidate(form, path, name, rules)) as candidate:
        for check in CHECKS:
            try:
                check(candidate)
            except UploadRejected as error:
                error.rule = check.__name__
                raise
        served = name.kind == "bdist_wheel" or reliable_for_sdist(candidate.metadata)
        metadata_bytes = candidate.metadata_bytes if served else None
        record = _record(candidate, metadata_bytes, upload_time)
    return Admitted(name, record, metadata_bytes, tuple(candidate.warnings), candidate.attestations)


def _record(candidate: Candidate, metadata_bytes: bytes | None, upload_time: datetime) -> DistributionRecord:
    form, name, metadata = candidate.form, candidate.name, candidate.metadata
    side = None
    if metadata_bytes is not None:
        digest = Sha256(hashlib.sha256(metadata_bytes).hexdigest())
        side = SideFile(metadata_filename(name.filename), digest, len(metadata_bytes))
    return DistributionRecord(
        filename=name.filename,
        kind=name.kind,
        name=metadata.name,
        version=metadata.version,
        sha256=Sha256(form.sha256),
        size=form.size,
        upload_time=upload_time,
        requires_python=metadata.requires_python,
        metadata=side,
        summary=_line(metadata.summary),
        keywords=_line(metadata.keywords),
        digests={name: digest for name, digest in (("md5", form.md5), ("blake2b_256", form.blake2b_256)) if digest},
        import_names=import_names(metadata, candidate.zip.names if candidate.is_wheel else ()),
        requires=bounded(sorted({required_project(one) for one in metadata.requires_dist} - {""})),
    )


def _line(text: str) -> str:
    return _NO_LINE.sub(" ", text[: 2 * MAX_TEXT]).strip()[:MAX_TEXT]


def _unclaimed(path: Path, filename: str) -> UploadForm:
    """A form without fields, with the measures of the file at `path`."""
    digests = FileDigests()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digests.update(chunk)
    return UploadForm({}, filename, digests.size, digests.sha256, digests.md5, digests.blake2b_256)
