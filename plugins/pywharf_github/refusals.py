"""What a git host answers to a push or a fetch besides what `pywharf.errors` has words for.

No message here holds a token: what the host wrote is cleaned before it gets in (`Transport.clean`).
"""

from __future__ import annotations

import re

from pywharf.errors import BackendUnavailable, ChangeRefused, StorageTakesLess, WharfError

_TOO_LARGE = "GH001"  # GitHub's code for it
_IN_EACH_OTHERS_WAY = ("failed to update ref", "cannot lock ref", "unable to lock", "incorrect old value", "stale info", "fetch first")

# What a rule's refusal looks like: GitHub's codes, and the words of git, GitHub and GitLab. Anything else is trouble of the host's.
_RULE = re.compile(r"declined|protected|not allowed|refusing to|prohibited|den(y|ied)|\bGH\d{3}\b", re.IGNORECASE)
_TROUBLE = re.compile(
    r"internal|unavailable|unreachable|temporar|time[d-]* ?out|try again|maintenance|read-only|no space|quota|unpack", re.IGNORECASE
)


class HostUnavailable(BackendUnavailable):
    """The git host cannot be asked, or answers something that is no answer."""

    def __init__(self, reason: str, *, refused: bool = False, retry_after: int = 5) -> None:
        self.refused = refused  # the host answered, and has done nothing for sure
        super().__init__(reason, retry_after=retry_after)


class TooMuchSent(HostUnavailable):
    """The host sent more than was asked for, or than can be right. What came was thrown away."""


class TooMuchGiven(HostUnavailable):
    """The host takes no request as large as this one."""


class PushUnanswered(HostUnavailable):
    """The whole push was sent, and no answer came that could be understood: it may or may not have happened. Look at the ref."""


class PushMoved(WharfError):
    """The ref is not (or no longer) where the push began: nothing was changed. Build on the new tip and push again."""

    def __init__(self, tip: bytes | None) -> None:
        self.tip = tip  # 40 hex digits; None: there is no such ref. As expected, where two pushes only stood in each other's way
        super().__init__("The branch has moved meanwhile")


class PushRefused(WharfError):
    """The host does not take this push, and would not take it again unchanged: a rule of the branch, a file too large, ..."""

    def __init__(self, reason: str, told: str = "", *, too_large: bool = False) -> None:
        self.too_large = too_large or _TOO_LARGE in reason or _TOO_LARGE in told  # a file, or the whole push
        self.reason = reason  # the host's own words for the ref, e.g. "protected branch hook declined"
        self.told = told  # what its hooks printed: several lines, bounded, safe to show; "" where nothing
        self.words = reason + (f" ({' '.join(told.split())})" if told else "")  # on one line
        super().__init__(f"The git host refused the change: {self.words}")

    @property
    def in_each_others_way(self) -> bool:
        """Whether another push held the ref at this moment."""
        return any(mark in self.reason for mark in _IN_EACH_OTHERS_WAY)

    @property
    def by_rule(self) -> bool:
        """Whether it is somebody's will, and not trouble that may be over soon."""
        said = f"{self.reason} {self.told}"
        return _RULE.search(said) is not None and _TROUBLE.search(said) is None

    def translated(self, largest: int = 0) -> WharfError:
        """As the contract has it. largest: bytes of the largest file in the push; 0: there is none.

        A client comes again after a BackendUnavailable, with all of the file: so only where that can help.
        """
        if self.too_large and largest:
            return StorageTakesLess(largest, self.words)
        return ChangeRefused(self.words) if self.by_rule else BackendUnavailable(str(self), retry_after=60)


class ObjectsMissing(WharfError):
    """The host does not hold an object that was asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The git host does not hold what was asked for: {reason}")
