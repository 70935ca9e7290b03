"""Group commit: the changes of one token that wait go to the host in one push, a commit each, by compare-and-swap.

Whoever waits first leads: takes the turn that all processes share, then everything that has gathered, decides each change against
the newest tip, and pushes. Changes of different tokens never share a push, which carries one right.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dulwich.pack import UnpackedObject

from pywharf.backend.interface import Change, Cursor, StagedFile
from pywharf.errors import AccessDenied, BackendUnavailable, Moved, WharfError
from pywharf_github.draft import Draft, base_of, check_names
from pywharf_github.feed import Feed
from pywharf_github.mirror import Mirror
from pywharf_github.pack_objects import blob_from_file, blob_id, from_object
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import PushMoved, PushRefused, PushUnanswered
from pywharf_github.sidecar import Body
from pywharf_github.staging import LARGE, Staging
from pywharf_github.turn import PushTurn, busy

PATIENCE = 60.0  # seconds a change may take, once its large files are staged
EMPTY = Cursor("empty")  # of a branch that nobody has committed to
TEXT = (".metadata", ".provenance")  # suffixes of bodies that are worth compressing

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Upload:
    """A change on its way."""

    change: Change
    after: Cursor
    bodies: dict[str, tuple[StagedFile, Body]]  # by name
    staged: list[bytes] = field(default_factory=list)  # refs that hold large bodies
    done: bool = False
    failure: WharfError | None = None

    @property
    def largest(self) -> int:
        """Bytes of its largest body."""
        return max((body.size for _, body in self.bodies.values()), default=0)

    def end(self, failure: WharfError | None = None) -> None:
        self.done, self.failure = True, failure


class Committer:
    """Commits with one token. Shared between threads."""

    def __init__(
        self, remote: GitRemote, mirror: Mirror, feed: Feed, turn: PushTurn, look: Callable[[], bytes | None], author: Callable[[], str]
    ) -> None:
        """look: the branch's tip, in the mirror. author: of the commits, e.g. "Jane Doe <jane@example.org>"."""
        self._remote = remote
        self._mirror = mirror
        self._feed = feed
        self._turn = turn
        self._look = look
        self._author = author
        self._staging = Staging(remote)
        self._leading = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Upload] = []

    def commit(self, change: Change, after: Cursor) -> None:
        """Raises Moved, AccessDenied, ChangeRefused, StorageTakesLess, BackendUnavailable, OSError for a staged file that cannot be read."""
        check_names(change)
        with self._turn.seat():
            upload = _Upload(change, after, {staged.ref.name: (staged, _body(staged)) for staged in change.files})
            try:
                self._stage(upload)
                self._wait(upload)
            finally:
                if not upload.done or upload.failure is not None:
                    self._staging.remove(upload.staged)
        if upload.failure is not None:
            raise upload.failure

    def commit_file(self, make: Callable[[bytes], tuple[Draft, Callable[[], Sequence[UnpackedObject]]] | None]) -> None:
        """Commit something beside the packages. make: the draft upon a tip, and its further objects; None: there is nothing to do."""
        deadline = time.monotonic() + PATIENCE
        with self._turn.taken(deadline):
            for _ in _attempts(deadline):
                tip = self._look()
                made = make(tip) if tip else None
                if made is None or self._push(tip, made[0], made[1]()):
                    return

    def sweep(self) -> int:
        return self._staging.sweep()

    # --- one change -------------------------------------------------------------------------------------------------

    def _stage(self, upload: _Upload) -> None:
        large = [(staged, body) for staged, body in upload.bodies.values() if body.size > LARGE]
        if large:
            tip = self._look()
            base = base_of(self._mirror, tip, upload.after, EMPTY)
            if Draft(self._mirror, self._feed, tip, "").disturbed(upload.change, base):
                raise Moved(upload.change.project)
        for staged, body in large:
            try:
                upload.staged.append(self._staging.put(staged.path, body.blob.encode(), body.size))
            except PushRefused as refused:
                raise refused.translated(body.size) from refused

    def _wait(self, upload: _Upload) -> None:
        deadline = time.monotonic() + PATIENCE
        with self._guard:
            self._waiting.append(upload)
        try:
            if not self._leading.acquire(timeout=PATIENCE):
                with self._guard:
                    if upload in self._waiting:
                        self._waiting.remove(upload)
                        raise busy(0)
                # It is in a push already: how that ends has to be told, and comes within the bounds of whoever pushes.
                self._leading.acquire()
            try:
                if not upload.done:
                    self._lead(deadline)
            finally:
                self._leading.release()
        finally:
            with self._guard, contextlib.suppress(ValueError):
                self._waiting.remove(upload)

    # --- all that wait ----------------------------------------------------------------------------------------------

    def _lead(self, deadline: float) -> None:
        with self._turn.taken(deadline):
            with self._guard:
                uploads, self._waiting = self._waiting, []
            try:
                self._commit_all(uploads, deadline)
            finally:
                for upload in uploads:
                    if not upload.done:
                        upload.end(BackendUnavailable("the commit was interrupted; sending it again is safe"))

    def _commit_all(self, uploads: list[_Upload], deadline: float) -> None:
        try:
            for attempt in _attempts(deadline):
                tip = self._known_tip() if attempt == 0 else None
                tip = tip or self._look()
                draft = Draft(self._mirror, self._feed, tip, self._author())
                taken = [upload for upload in uploads if self._take(upload, tip, draft)]
                if not taken or self._push(tip, draft, _bodies(taken), [ref for upload in taken for ref in upload.staged]):
                    for upload in taken:
                        upload.end()
                    return
        except PushRefused as refused:
            if len(taken) == 1:
                taken[0].end(refused.translated(taken[0].largest))
            else:  # one of them is to blame; the others shall not suffer
                for upload in taken:
                    self._commit_all([upload], deadline)
        except WharfError as error:
            for upload in uploads:
                if not upload.done:
                    upload.end(_alike(error))

    def _known_tip(self) -> bytes | None:
        """Where the branch was last seen: mostly it is still there, which the push makes sure of, and a question is spared."""
        tip = self._mirror.tip()
        return tip if tip is not None and self._mirror.holds(tip) else None

    def _take(self, upload: _Upload, tip: bytes | None, draft: Draft) -> bool:
        if upload.done:
            return False
        try:
            if draft.disturbed(upload.change, base_of(self._mirror, tip, upload.after, EMPTY)):
                raise Moved(upload.change.project)
        except Moved as moved:
            upload.end(moved)
            return False
        draft.add(upload.change, {name: body for name, (_, body) in upload.bodies.items()})
        return True

    def _push(self, tip: bytes | None, draft: Draft, bodies: Sequence[UnpackedObject], staged: Sequence[bytes] = ()) -> bool:
        """False: not there, since others were faster or the push was lost on its way. Raises PushRefused, AccessDenied, BackendUnavailable."""
        new, objects = draft.tip, draft.objects
        assert new is not None  # noqa: S101 - for the type checker: a draft that is pushed has a commit
        try:
            self._remote.push(tip, new, [*map(from_object, objects), *bodies], delete=staged)
        except PushMoved:
            return False
        except PushUnanswered as error:
            log.warning("a push was not answered, looking whether it happened: reason=%s", error.reason)
            if not self._arrived(new):  # should it arrive yet, the next try finds its keys changed, and that is Moved
                return False
        self._turn.pushed()
        self._mirror.take(tip, new, objects)
        return True

    def _arrived(self, commit: bytes) -> bool:
        """Whether a push whose answer was lost has happened. Raises BackendUnavailable where that cannot be known."""
        tip = self._look()
        return tip is not None and self._mirror.descends(tip, commit)


def _attempts(deadline: float) -> Iterator[int]:
    """Tries of a push against others, with growing pauses between them. Raises BackendUnavailable at the deadline."""
    attempt = 0
    while True:
        yield attempt
        time.sleep(random.uniform(0.0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311
        attempt += 1
        if time.monotonic() >= deadline:
            raise busy(0)


def _body(staged: StagedFile) -> Body:
    blob, size = blob_id(staged.path)
    return Body(blob.decode(), staged.ref.sha256, size)


def _bodies(uploads: Sequence[_Upload]) -> list[UnpackedObject]:
    """The bodies that the host does not have yet, each once."""
    found = {
        body.blob: blob_from_file(staged.path, body.blob.encode(), body.size, level=6 if name.endswith(TEXT) else 0)
        for upload in uploads
        for name, (staged, body) in upload.bodies.items()
        if body.size <= LARGE
    }
    return list(found.values())


def _alike(error: WharfError) -> WharfError:
    """The same error anew, for each thread that it is told to."""
    if isinstance(error, AccessDenied):
        return AccessDenied("write")
    if isinstance(error, BackendUnavailable):
        return BackendUnavailable(error.reason, retry_after=error.retry_after)
    return BackendUnavailable(str(error))
