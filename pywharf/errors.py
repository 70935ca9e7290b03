"""Every error that pywharf raises on purpose, in one tree.

An error says what is wrong in one sentence that is safe to show to the person who caused it: no path of the
server, no secret, no traceback. It knows nothing of HTTP; `web/responses.py` alone maps types to statuses, and
`cli/main.py` alone maps them to exit codes.
"""

from __future__ import annotations


class WharfError(Exception):
    """Something pywharf refuses or cannot do, told in one sentence."""


# --- configuration ---------------------------------------------------------------------------------------------


class ConfigInvalid(WharfError):
    """A configuration or admin secret cannot be used as it is written."""

    def __init__(self, source: str, reason: str, *, table: str = "", key: str = "") -> None:
        self.source = source  # what was read, as a person knows it: a file's path as given, or "config", "admin_secret"
        self.table = table  # the repository's name, or "" where the whole text is at fault
        self.key = key  # the key in that table, or ""
        self.reason = reason  # one clause that says what is wrong and what to do
        where = source + (f", [{table}]" if table else "") + (f", {key}" if key else "")
        super().__init__(f"{where}: {reason}")


class PluginUnusable(WharfError):
    """A backend type is not installed, is installed twice, or its plugin cannot be loaded."""

    def __init__(self, type_: str, reason: str) -> None:
        self.type = type_
        self.reason = reason
        super().__init__(f"backend type {type_!r}: {reason}")


class LayoutUnusable(WharfError):
    """ROOT is not a folder that this version of pywharf can work with."""


# --- uploads and changes -----------------------------------------------------------------------------------------


class UploadRejected(WharfError):
    """The upload breaks a rule of the index; sending it again unchanged cannot succeed."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field  # the form field or archive member at fault, e.g. "sha256_digest"
        self.reason = reason  # one clause, no final stop, safe to show to the uploader
        self.rule = ""  # the check of admission that it comes from, once that is known
        super().__init__(f"{field}: {reason}")


class FileTooLarge(WharfError):
    """The file, or the form around it, is larger than the repository takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes
        super().__init__(f"File too large: this repository takes files of at most {limit} bytes (max_file_bytes)")


class StorageTakesLess(FileTooLarge):
    """The storage takes no file as large, although the repository's configuration lets it pass."""

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(size - 1)  # or less
        self.reason = reason  # the storage's own words, safe to show
        self.args = (f"File too large for the repository's storage: {reason}",)


class FileConflict(WharfError):
    """The name of this distribution file is taken: by other bytes, by another sdist, or for ever by a deleted file."""

    def __init__(self, filename: str, reason: str) -> None:
        self.filename = filename
        self.reason = reason
        super().__init__(f"File already exists ({filename}): {reason}")


class ProjectClosed(WharfError):
    """The project's status (PEP 792) does not allow uploads."""

    def __init__(self, project: str, status: str) -> None:
        self.project = project
        self.status = status
        super().__init__(f"Project {project} is {status} and takes no uploads")


class ChangeRejected(WharfError):
    """What was asked to be done to a release or project is not something that can be done."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field  # what is at fault, e.g. "reason", "version"
        self.reason = reason  # one clause, no final stop, safe to show
        super().__init__(f"{field}: {reason}")


class ReleaseMissing(WharfError):
    """The project, release or file that was to be changed is not here, or not any more."""


class AuditUnavailable(WharfError):
    """The audit cannot be written, so nothing is changed."""

    def __init__(self, subject: str, reason: str, *, retry_after: int = 30) -> None:
        self.subject = subject  # e.g. "repository local"
        self.reason = reason
        self.retry_after = retry_after  # seconds
        super().__init__(f"Nothing was changed: the audit of {subject} cannot be written ({reason})")


class NotRecorded(WharfError):
    """A change is made, and its line in the audit is not. Neither done nor refused: sending it again is safe."""

    def __init__(self, subject: str, reason: str, *, retry_after: int = 30) -> None:
        self.subject = subject
        self.reason = reason
        self.retry_after = retry_after  # seconds
        super().__init__(f"The change is made, but the audit of {subject} could not be written ({reason}); sending it again is safe")


class InvalidName(WharfError, ValueError):
    """A project, file or repository name that pywharf does not take."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name[:200]!r}: {reason}")


# --- import ------------------------------------------------------------------------------------------------------


class SourceUnusable(WharfError):
    """What files are to be imported from cannot be read, or is not what it should be."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source  # a folder's path as given, or a URL without credentials and query
        self.reason = reason  # one clause
        super().__init__(f"{source}: {reason}")


# --- another server ----------------------------------------------------------------------------------------------


class ServerUnusable(WharfError):
    """A running server that was asked for something cannot be reached, or refuses it."""

    def __init__(self, server: str, reason: str) -> None:
        self.server = server  # its address as given
        self.reason = reason  # one clause, or the sentence that the server said
        super().__init__(f"{server}: {reason}")


# --- storage -----------------------------------------------------------------------------------------------------


class Moved(WharfError):
    """What a change was decided upon has changed since: sync and decide again. Never leaves `repository/`."""


class FileMissing(WharfError):
    """The storage does not hold this file."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"No such file: {name}")


class AccessDenied(WharfError):
    """The secret does not carry the right that the operation needs."""

    def __init__(self, needed: str) -> None:
        self.needed = needed  # "read" or "write"
        super().__init__(f"The secret does not allow to {needed}")


class StorageHidden(AccessDenied):
    """The secret opens nothing at all there: the storage is elsewhere, or the secret is not one of its own. Hosts do not tell these apart."""

    def __init__(self, needed: str) -> None:
        super().__init__(needed)
        where = "Either the storage is not where the configuration says, or the secret is not one of its own"
        self.args = (f"The secret does not allow to {needed}: nothing opens with it there. {where}",)


class ChangeRefused(AccessDenied):
    """A rule of the storage refuses the change, though the secret may write there. Sent again unchanged it is refused again."""

    def __init__(self, reason: str) -> None:
        super().__init__("write")
        self.reason = reason  # the storage's own words, safe to show
        self.args = (f"The repository's storage refuses the change: {reason}",)


class BackendUnavailable(WharfError):
    """The storage cannot be asked, or cannot promise what was asked. Trying again later may succeed."""

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        self.reason = reason
        self.retry_after = retry_after  # seconds
        super().__init__(f"The repository's storage is unavailable: {reason}")


class NotAsked(BackendUnavailable):
    """The storage has failed several times in a row and is left alone for a while: it was not even asked, so nothing has happened."""


class IndexNotReady(WharfError):
    """The local index cannot answer yet: the first sync is not complete, or it is being rebuilt, or it is too old."""

    def __init__(self, repository: str, reason: str, *, retry_after: int = 2) -> None:
        self.repository = repository
        self.reason = reason
        self.retry_after = retry_after  # seconds
        super().__init__(f"The index of repository {repository} cannot answer now: {reason}")


class IndexBehind(IndexNotReady):
    """A change is stored, and the local index cannot show it yet. Neither done nor refused: sending it again is safe."""

    def __init__(self, repository: str, reason: str) -> None:
        super().__init__(repository, f"the change is stored but not listed yet ({reason}); sending it again is safe", retry_after=5)


class TooBusy(WharfError):
    """A change lost against others too often in a row to go on trying."""

    def __init__(self, project: str, *, retry_after: int = 2) -> None:
        self.project = project
        self.retry_after = retry_after  # seconds
        super().__init__(f"Project {project} is being changed by too many others at once; try again")
