"""What a history of uploads and reads may never show. A function of the history alone; it knows no server.

The rules, for every file name, project and ROOT:

lost            acknowledged, or seen once: in every page, list and download that begins later on that ROOT, and after `delay` on any other
two contents    a name stands for one content, for ever, whoever asks whom
not sent        what is shown or received is what somebody sent under that name, metadata included
refused, shown  what was refused, and never taken, is shown nowhere
refused         nobody is refused without a reason: a conflict needs a rival, and the same bytes again are none
taken           a file that breaks a rule is never taken
serial          of a project never goes back on one ROOT; one serial is one page, everywhere; a later one shows all that an earlier one did
answer          nothing else is ever answered: no 500, no 401 to a right secret, no half of a page
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .recording import Event, Shown

NEVER = float("inf")
UPLOAD_STATUS = {True: {200, 409}, False: {400}}  # of a valid file, of another; besides 503
READ_STATUS = {200, 206, 304, 404}


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, and the event that shows it."""

    rule: str
    message: str
    event: Event

    def __str__(self) -> str:
        return f"{self.rule}: {self.message} [{self.event}]"


@dataclass
class Knowledge:
    """What is known of a storage after one history, for the next one on it."""

    content: dict[str, str] = field(default_factory=dict)  # sha256 by file name, once it was acknowledged or seen
    sent: dict[str, dict[str, _Sent]] = field(default_factory=dict)  # by file name, by sha256
    files: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # known names by project
    due: dict[str, float] = field(default_factory=dict)  # when a file was first known, or "<project>/" in the list, anywhere
    due_on: dict[tuple[str, str], float] = field(default_factory=dict)  # the same of (root, what): known there
    serial: dict[tuple[str, str], int] = field(default_factory=dict)  # the greatest seen of (root, project)
    newest: dict[str, tuple[int, Mapping[str, Shown]]] = field(default_factory=dict)  # the page of the greatest serial, by project


@dataclass
class _Sent:
    """One content of a name: the first try, and what is known of all tries."""

    began: float
    metadata_sha256: str
    may_be_stored: bool = False  # not each try was refused


def check(history: Iterable[Event], *, delay: float, known: Knowledge | None = None) -> list[Violation]:
    """The violations in a history. delay: seconds until one ROOT has what was acknowledged on another.

    known: of earlier histories on the same storage, all of which ended before this one began; it is brought up to date.
    """
    events = sorted(history, key=lambda event: event.ended)
    checking = _Checking(Knowledge() if known is None else known, delay)
    checking.note_sent(events)
    checking.note_contents(events)
    for event in events:
        checking.look_at(event)
    checking.look_at_serials(events)
    return checking.found


def _listed(project: str) -> str:
    """What stands for a project in the list, where names of files stand for themselves."""
    return f"{project}/"


class _Checking:
    def __init__(self, known: Knowledge, delay: float) -> None:
        self._known = known
        self._delay = delay
        self.found: list[Violation] = []

    def _tell(self, rule: str, message: str, event: Event) -> None:
        self.found.append(Violation(rule, message, event))

    # --- what there is to be known ----------------------------------------------------------------------------------

    def note_sent(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.operation == "upload":
                contents = self._known.sent.setdefault(event.filename, {})
                sent = contents.setdefault(event.sha256, _Sent(event.began, event.metadata_sha256))
                sent.began = min(sent.began, event.began)
                sent.may_be_stored |= event.result != "fail"

    def note_contents(self, events: Iterable[Event]) -> None:
        """When each name was known where, and that it is known for one content."""
        for event in events:
            if event.result != "ok":
                continue
            if event.operation == "projects":
                for project in event.projects:
                    self._note_due(event, _listed(project))
            elif event.operation == "page":
                for filename, shown in event.files.items():
                    self._note(event, filename, shown.sha256)
            elif event.filename and event.sha256:
                self._note(event, event.filename, event.sha256)

    def _note(self, event: Event, filename: str, sha256: str) -> None:
        known = self._known
        content = known.content.setdefault(filename, sha256)
        if content != sha256:
            self._tell("two contents", f"{filename} is {sha256[:8]} here and {content[:8]} elsewhere", event)
            return
        known.files[event.project].add(filename)
        self._note_due(event, filename)
        self._note_due(event, _listed(event.project))

    def _note_due(self, event: Event, what: str) -> None:
        due, due_on = self._known.due, self._known.due_on
        due[what] = min(event.ended, due.get(what, NEVER))
        due_on[event.root, what] = min(event.ended, due_on.get((event.root, what), NEVER))

    def _is_due(self, event: Event, what: str) -> bool:
        """Whether a read has to find that file name, or that project in the list."""
        there = self._known.due_on.get((event.root, what), NEVER)
        return min(there, self._known.due.get(what, NEVER) + self._delay) < event.began

    # --- one event --------------------------------------------------------------------------------------------------

    def look_at(self, event: Event) -> None:
        if event.operation == "upload":
            self._upload(event)
        elif event.result != "unknown":
            if event.status and event.status not in READ_STATUS:
                self._tell("answer", f"{event.status} to a reader", event)
            elif event.fault:
                self._tell("answer", event.fault, event)
            elif event.operation == "projects":
                self._projects(event)
            elif event.operation == "page":
                self._page(event)
            else:
                self._file(event)

    def _upload(self, event: Event) -> None:
        if event.result == "unknown":
            return
        if event.result == "ok" and not event.is_valid:
            self._tell("taken", f"{event.filename} breaks a rule", event)
        elif event.status and event.status not in UPLOAD_STATUS[event.is_valid]:
            self._tell("answer", f"{event.status} to an upload", event)
        elif event.result == "fail" and event.is_valid:
            if self._known.content.get(event.filename) == event.sha256 and self._known.due[event.filename] < event.began:
                self._tell("refused", f"{event.filename} was here, with the same bytes", event)
            rivals = [
                sent.began for sha256, sent in self._known.sent[event.filename].items() if sha256 != event.sha256 and sent.may_be_stored
            ]
            if not any(began < event.ended for began in rivals):
                self._tell("refused", f"{event.filename} had no rival", event)

    def _projects(self, event: Event) -> None:
        for what in self._known.due:
            if what.endswith("/") and what[:-1] not in event.projects and self._is_due(event, what):
                self._tell("lost", f"project {what[:-1]} is not in the list", event)

    def _page(self, event: Event) -> None:
        for filename in self._known.files.get(event.project, ()):
            if filename not in event.files and self._is_due(event, filename):
                self._tell("lost", f"{filename} is not on the page", event)
        for filename, shown in event.files.items():
            self._shown(event, filename, shown.sha256, shown.metadata_sha256)

    def _file(self, event: Event) -> None:
        if event.result == "fail":
            if self._is_due(event, event.filename):
                self._tell("lost", f"{event.filename} is not found", event)
            return
        self._shown(event, event.filename, event.sha256, event.metadata_sha256)

    def _shown(self, event: Event, filename: str, sha256: str, metadata_sha256: str) -> None:
        """A content that came out has gone in. sha256 is "" where only the metadata were asked for."""
        contents = self._known.sent.get(filename, {})
        sent = contents.get(sha256 or self._known.content.get(filename, ""))
        if sent is None:
            if sha256:
                self._tell("not sent", f"{filename} with {sha256[:8]}", event)
            elif metadata_sha256 not in {one.metadata_sha256 for one in contents.values()}:
                self._tell("not sent", f"metadata of {filename} with {metadata_sha256[:8]}", event)
            return
        if metadata_sha256 and metadata_sha256 != sent.metadata_sha256:
            self._tell("not sent", f"metadata of {filename} with {metadata_sha256[:8]}", event)
        if not sent.may_be_stored:
            self._tell("refused, shown", filename, event)

    # --- serials ----------------------------------------------------------------------------------------------------

    def look_at_serials(self, events: Sequence[Event]) -> None:
        """events: in the order of their ends."""
        reads = [event for event in events if event.serial is not None and event.result == "ok"]
        ended = iter(reads)
        upcoming = next(ended, None)
        for event in sorted(reads, key=lambda event: event.began):
            while upcoming is not None and upcoming.ended < event.began:
                self._reach(upcoming)
                upcoming = next(ended, None)
            before = self._known.serial.get((event.root, event.project), -1)
            if event.serial is not None and event.serial < before:
                self._tell("serial", f"went back from {before} to {event.serial}", event)
        while upcoming is not None:
            self._reach(upcoming)
            upcoming = next(ended, None)
        self._look_at_pages(reads)

    def _reach(self, event: Event) -> None:
        place = (event.root, event.project)
        self._known.serial[place] = max(event.serial or 0, self._known.serial.get(place, -1))

    def _look_at_pages(self, reads: Iterable[Event]) -> None:
        """Of each project: one serial is one page, and pages only grow with it."""
        pages = sorted((event for event in reads if event.operation == "page"), key=lambda event: event.serial or 0)
        for event in pages:
            serial, files = self._known.newest.get(event.project, (-1, {}))
            reached = event.serial or 0
            if reached == serial and event.files != files:
                self._tell("serial", f"{serial} has two pages of {event.project}", event)
            elif reached > serial:
                if missing := files.keys() - event.files.keys():
                    self._tell("serial", f"{reached} shows less of {event.project} than {serial} did: {sorted(missing)[:3]}", event)
                self._known.newest[event.project] = (reached, event.files)
