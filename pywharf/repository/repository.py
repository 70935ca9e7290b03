"""One repository at work: the face that the rest of pywharf sees of this folder."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from pywharf.backend.interface import Access, Backend, FileBody, FileRef
from pywharf.backend.settings import BackendConfig
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.counting import NOT_COUNTED, Counting
from pywharf.errors import AccessDenied, BackendUnavailable, IndexNotReady, InvalidName, StorageHidden
from pywharf.keys import load_key
from pywharf.layout import Layout
from pywharf.model.names import ProjectName, matches_a_pattern, metadata_filename, parse_filename
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import ProjectStatus
from pywharf.repository.attesting import Attesting
from pywharf.repository.audit import ON_THIS_MACHINE, Audit, Requester
from pywharf.repository.breaker import Breaker, Work
from pywharf.repository.catalogue import Catalogue
from pywharf.repository.changes import Changes, Uploaded
from pywharf.repository.commits import Commits
from pywharf.repository.guarded_backend import GuardedBackend
from pywharf.repository.health import Health, health_of
from pywharf.repository.incoming import Incoming, IncomingFile
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen
from pywharf.repository.new_names import NewNames
from pywharf.repository.places import Places
from pywharf.repository.releases import Releases
from pywharf.repository.rights import Rights
from pywharf.repository.served_files import ServedFiles
from pywharf.repository.shown_storage import ShownStorage
from pywharf.repository.sync import NOT_ALLOWED_TO_READ, Synchroniser
from pywharf.repository.uploads import Uploads

if TYPE_CHECKING:
    from pywharf.api.upload import UploadForm
    from pywharf.repository.admission import Admitted

MOST_CHANGES = 16  # that wait for the storage at once: half of a server's threads, so that pages go on

Found = TypeVar("Found")

log = logging.getLogger(__name__)


class Repository:
    """One configured repository. Shared between threads; opened after fork(), by each process for itself."""

    def __init__(self, settings: RepositorySettings, layout: Layout, server: ServerSettings, counting: Counting = NOT_COUNTED) -> None:
        """Open without connecting: no thread, no question to the storage yet."""
        self.name = settings.name
        self.config: BackendConfig = settings.config
        self._server = server
        workdir = layout.workdir(self.name)
        key = load_key(layout.keys / "secrets")
        self._incoming = Incoming(settings.plugin.staging(self.config, workdir) or layout.incoming)
        self._backend = settings.plugin.open(self.config, settings.admin_secret, workdir)
        self._breaker = Breaker(self.name, counting=counting)
        self._guarded = GuardedBackend(self._backend, self._breaker)
        self._index = LocalIndex(layout.index / f"{self.name}.sqlite", self.name, NamesSeen(layout.names / self.name))
        self._served = ServedFiles(self._index)
        self._shown = ShownStorage(layout.index / f"{self.name}.storage", self.config)
        self.catalogue = Catalogue(layout.index / f"{self.name}.catalogue.sqlite", self.name, self._index, self._told)
        interval = self.config.sync_index_interval
        self._sync = Synchroniser(
            self.name, self._guarded, self._index, interval=interval, folder=layout.index, counting=counting,
            is_ours=lambda: self._shown.is_known,
        )  # fmt: skip
        commits = Commits(self.name, self._sync.sync, Audit(layout.audit / f"{self.name}.jsonl", f"repository {self.name}"))
        self._attesting = Attesting(self.name, self.config.attestations, self._index, commits, self.open_file, self.receiving)
        names = NewNames(self.config, self._index, self._sync.sync)
        self.uploads = Uploads(Changes(self.name, self._index, commits), names, self._attesting, self.receiving, self._writing)
        self.releases = Releases(self.name, self._index, commits, self._writing)
        self._rights = Rights(settings, server, workdir, key, self._guarded, self._breaker)
        self._changing = Places(MOST_CHANGES, "too many changes are waiting for it; sending this one again is safe")

    # --- who may do what --------------------------------------------------------------------------------------------

    def remembered(self, secret: str, needs: Access = Access.READ) -> Access | None:
        """What is known of a secret without asking the storage; None where nothing is."""
        return self._rights.remembered(secret, needs)

    def access(self, secret: str, needs: Access = Access.READ) -> Access:
        """What a secret may do, at least as fresh as `needs` wants it. Raises BackendUnavailable where that cannot be known."""
        return self._rights.access(secret, needs)

    def check_admin_access(self, needs: Access = Access.READ) -> None:
        """Ask whether the server itself has the right. Raises AccessDenied, StorageHidden where it has none at all, BackendUnavailable."""
        found = self._backend.access()
        if found < needs:
            raise (AccessDenied if found else StorageHidden)(needs.name.lower())

    # --- reading ----------------------------------------------------------------------------------------------------

    def project_revision(self, project: ProjectName) -> int | None:
        """The revision of a project's page; it moves whenever the page may.

        None: there is no such project here, and the storage was asked less than a second before (or could not be asked, and
        was within `redirect_max_staleness`). Raises IndexNotReady where that is not sure enough to be said.
        """
        return self._surely(lambda: self._index.project_revision(project))

    def project(self, project: ProjectName) -> ProjectDetail | None:
        with self._told():
            return self._index.project(project)

    def projects_revision(self) -> int:
        with self._told():
            return self._index.projects_revision()

    def projects(self) -> ProjectList:
        with self._told():
            return self._index.projects()

    def project_status(self, project: ProjectName) -> ProjectStatus | None:
        """A project's status; None as for `project_revision`."""
        return self._surely(lambda: self.releases.status(project))

    def find_file(self, project: ProjectName, filename: str) -> FileRef | None:
        """The body that is served under this name in this project: a distribution file or its `.metadata`.

        None as for `project_revision`; also for a file of a quarantined project, and for another spelling of a name.
        """
        suffix = metadata_filename("")
        wants_metadata = filename.endswith(suffix)
        try:
            name = parse_filename(filename[: -len(suffix)] if wants_metadata else filename)
        except InvalidName:
            return None
        if name.project != project:
            return None
        return self._surely(lambda: self._served.find(project, name, metadata=wants_metadata))

    def find_provenance(self, project: ProjectName, version: str, filename: str) -> FileRef | None:
        """The provenance object of a distribution file (PEP 740); None as for `find_file`, and where it has none."""
        return self._surely(lambda: self._attesting.find(project, version, filename))

    def open_file(self, file: FileRef) -> FileBody:
        """Open a body, with the server's own right. Raises FileMissing, BackendUnavailable."""
        try:
            return self._guarded.open_file(file)
        except AccessDenied as error:  # the caller's right is not in question
            raise BackendUnavailable(NOT_ALLOWED_TO_READ, retry_after=60) from error

    def may_leave(self, project: ProjectName) -> bool:
        """Whether a name unknown here may be sent to the extra index: never one that was ever here, nor a private one."""
        if matches_a_pattern(project, self.config.private_names):
            return False
        with self._told():
            return not self._index.ever_seen(project)

    # --- writing ----------------------------------------------------------------------------------------------------

    def receiving(self) -> contextlib.AbstractContextManager[IncomingFile]:
        """A place for the bytes of an upload; gone at the end of the `with`. Raises BackendUnavailable, also where none would be taken now."""
        self._changing.check()
        self._breaker.check(Work.CHANGES)
        return self._incoming.receive()

    def upload(self, secret: str, form: UploadForm, incoming: IncomingFile, *, requester: Requester = ON_THIS_MACHINE) -> Uploaded:
        """Admit and store one received distribution file, with the caller's own right.

        Raises UploadRejected, FileConflict, ProjectClosed, and what `Commits.carry_out` does.
        """
        incoming.finish()
        from pywharf.repository.admission import admit  # not before the first upload: it is a fifth of a server's start

        try:
            admitted = admit(form, incoming.path, self.config.admission)
        except OSError as error:  # the disk's trouble, or no descriptor left: the upload itself may be fine
            raise BackendUnavailable(f"the upload cannot be read ({error.strerror or type(error).__name__})", retry_after=30) from error
        return self.uploads.take(secret, admitted, incoming, requester)

    def adopt(self, admitted: Admitted, incoming: IncomingFile) -> Uploaded:
        """Store a file that lay in the storage without a record, with the server's own right."""
        return self.uploads.adopt(admitted, incoming, ON_THIS_MACHINE)

    @contextlib.contextmanager
    def _writing(self, secret: str | None, requester: Requester) -> Iterator[tuple[Backend, Requester]]:
        with self._told(), self._changing.taken(), self._rights.writing(secret, requester) as writing:
            yield writing

    # --- the whole of it --------------------------------------------------------------------------------------------

    @property
    def index(self) -> LocalIndex:
        """The local index, for work on all of it (adoption)."""
        return self._index

    @property
    def backend(self) -> Backend:
        """The storage, opened with the server's own right, for work on all of it (adoption)."""
        return self._backend

    def sync(self) -> None:
        """Bring the local index in step now. Raises IndexNotReady, BackendUnavailable."""
        self._sync.sync()

    def mend(self) -> None:
        """Build the local index anew: work on all of it met damage. Raises IndexNotReady, BackendUnavailable."""
        self._sync.mend_soon()
        self._sync.sync()

    def sync_soon(self) -> None:
        """Bring the local index in step without waiting for it, where the storage is followed."""
        self._sync.look_soon()

    def index_mtime(self) -> int | None:
        """Unix time of the last completed sync, by any process, also of one that found nothing; never going back."""
        at = self._sync.synced_at()
        return None if at is None else int(at)

    def health(self) -> Health:
        return health_of(self._sync, self._breaker, ready=self._index.is_ready() and self._is_shown())

    def start(self) -> None:
        """Sweep what a crash left of uploads, and begin to follow the storage. Raises ConfigInvalid where signatures cannot be verified."""
        self._attesting.load()
        try:
            self._incoming.sweep()
        except OSError as error:
            log.warning("unfinished uploads cannot be swept: repository=%s reason=%s", self.name, error.strerror)
        self._sync.look_soon()  # also where another process looks on time
        self._sync.start()

    def wait_until_ready(self, timeout: float) -> bool:
        """Whether the index was brought in step since start(), waiting `timeout` seconds for it at most.

        One that was complete before may be another storage's, which had the same name.
        """
        end = time.monotonic() + timeout
        while not self._sync.was_in_step:
            if time.monotonic() >= end or self._sync.problem:
                return False
            time.sleep(0.01)
        return True

    def stop(self) -> None:
        """No longer follow the storage; requests in flight go on."""
        self._sync.stop()

    def close(self) -> None:
        """Let go of everything. Nobody may be using it."""
        self.stop()
        self._rights.close()
        self._incoming.close()
        self.catalogue.close()
        self._index.close()
        self._backend.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _surely(self, look: Callable[[], Found | None]) -> Found | None:
        """Look; where that finds nothing, ask the storage before saying so."""
        self._check_shown()
        try:
            found = look()
            if found is not None:
                return found
            if not self._sync.look() and self._sync.staleness() > self._server.redirect_max_staleness:
                raise IndexNotReady(self.name, f"its storage has not answered for too long ({self._sync.problem})", retry_after=10)
            return look()
        except IndexDamaged as error:
            raise self._mended() from error

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """A damaged index is not the caller's business: it is being built anew, and the caller may come again.

        Nor is one that was filled from another storage, which this name stood for before.
        """
        self._check_shown()
        try:
            yield
        except IndexDamaged as error:
            raise self._mended() from error

    def _mended(self) -> IndexNotReady:
        """Have the damaged index built anew; what to say until then."""
        self._sync.mend_soon()
        return IndexNotReady(self.name, "it is damaged and being built anew")

    def _check_shown(self) -> None:
        if not self._is_shown():
            raise IndexNotReady(self.name, "it was configured anew, and its storage has not been read yet")

    def _is_shown(self) -> bool:
        """Whether the local index is this storage's."""
        if not self._shown.is_known and self._sync.was_in_step:
            self._sync.notices.forget()  # they are of the storage before
            self._shown.remember()
        return self._shown.is_known
