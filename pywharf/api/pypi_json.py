"""The JSON API of the public index: /pypi/<project>/json and /pypi/<project>/<version>/json.

No standard, and tools are leaving it for the Simple API; served for those that have not. Keys that the public index keeps for old
clients only are constants here too (downloads, has_sig, bugtrack_url, docs_url, comment_text).

Source: PyPI's own documentation of its JSON API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timezone

from pywharf.api.core_metadata import CoreMetadata, CoreMetadataInvalid, parse_core_metadata
from pywharf.api.releases import Release, choose_release, releases_of
from pywharf.model.project import ProjectDetail
from pywharf.model.record import DistributionRecord, time_text

Json = dict[str, object]


def choose_described_file(detail: ProjectDetail, version: str | None) -> DistributionRecord | None:
    """The file whose core metadata is to be read for `render_pypi_json`.

    version: any spelling of it (1.0 is 1.0.0); None asks for the newest release: a final one before a pre-release, either before a
    yanked one. Of its files a wheel is preferred, and one whose core metadata is kept.
    None: no such release, or no file is offered.
    """
    release = choose_release(releases_of(detail.offered_files), version)
    return release.described_file if release else None


def render_pypi_json(
    detail: ProjectDetail, version: str | None, core_metadata: bytes | None, *, file_url: Callable[[str], str], page_url: str
) -> bytes | None:
    """The answer; None where there is no such release, or no file is offered.

    version: None asks for the project: its newest release, and all releases.
    core_metadata: of the file that `choose_described_file` names. None, or not readable: the record's own fields are shown.
    file_url: makes the URL of a file from its name. page_url: of the project's page for people. Clients want both absolute.
    """
    releases = releases_of(detail.offered_files)
    chosen = choose_release(releases, version)
    if chosen is None:
        return None
    answer: Json = {
        "info": _info(chosen, _parse(core_metadata), page_url),
        "last_serial": detail.serial,
        "urls": [_file(record, file_url) for record in chosen.files],
        "vulnerabilities": [],
        "ownership": {"roles": [], "organization": None},
    }
    if version is None:
        answer["releases"] = {release.spelling: [_file(record, file_url) for record in release.files] for release in releases}
    # Text of a record may hold a lone surrogate, which no client could read; it becomes "?".
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def _parse(core_metadata: bytes | None) -> CoreMetadata | None:
    try:
        return None if core_metadata is None else parse_core_metadata(core_metadata)
    except CoreMetadataInvalid:  # a file adopted by an older version; its record still says the most
        return None


def _info(release: Release, metadata: CoreMetadata | None, page_url: str) -> Json:
    record = release.described_file
    info: Json = {
        "name": record.name,
        "version": release.spelling,
        "summary": record.summary,
        "keywords": record.keywords,
        "requires_python": record.requires_python,
        "package_url": page_url,
        "project_url": page_url,
        "release_url": page_url,  # a release has no page of its own
        "yanked": release.yanked,
        "yanked_reason": (record.yanked or None) if release.yanked else None,
        "bugtrack_url": None,
        "docs_url": None,
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
    }
    return {**info, **(_described(metadata) if metadata else _UNDESCRIBED)}


def _described(metadata: CoreMetadata) -> Json:
    return {
        "summary": metadata.summary,
        "keywords": metadata.keywords,
        "description": metadata.description,
        "description_content_type": metadata.description_content_type or None,
        "author": metadata.author,
        "author_email": metadata.author_email,
        "maintainer": metadata.maintainer,
        "maintainer_email": metadata.maintainer_email,
        "home_page": metadata.home_page,
        "download_url": metadata.download_url,
        "license": metadata.license,
        "license_expression": metadata.license_expression or None,
        "license_files": list(metadata.license_files) or None,
        "classifiers": list(metadata.classifiers),
        "platform": ", ".join(metadata.platforms) or None,
        "project_urls": {label or url: url for label, url in metadata.project_urls} or None,
        "requires_dist": list(metadata.requires_dist) or None,
        "provides_extra": list(metadata.provides_extra) or None,
        "dynamic": list(metadata.dynamic) or None,
    }


# The same keys where nothing is known of them: as of metadata that has none of these fields, but for those that a record keeps.
_UNDESCRIBED = {
    key: value
    for key, value in _described(CoreMetadata(metadata_version="", name="", version="", fields={})).items()
    if key not in ("summary", "keywords")
}


def _file(record: DistributionRecord, file_url: Callable[[str], str]) -> Json:
    return {
        "filename": record.filename,
        "packagetype": record.kind,
        "python_version": _python_tag(record),
        "requires_python": record.requires_python,
        "size": record.size,
        "url": file_url(record.filename),
        "digests": {**record.digests, "sha256": record.sha256},
        "md5_digest": record.digests.get("md5"),
        "core-metadata": {"sha256": record.metadata.sha256} if record.metadata else False,
        "upload_time": record.upload_time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": time_text(record.upload_time),
        "yanked": record.yanked is not None,
        "yanked_reason": record.yanked or None,
        "comment_text": "",
        "downloads": -1,
        "has_sig": False,
    }


def _python_tag(record: DistributionRecord) -> str:
    """As PyPI has it: the first tag of a wheel ("py3", "cp311"), "source" for an sdist."""
    parts = record.filename.split("-")
    return parts[-3] if record.kind == "bdist_wheel" and len(parts) >= 5 else "source"
