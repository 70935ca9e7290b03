"""What only the web layer refuses: a request without a caller, for nothing, or cut short.

Like every error here they are one sentence for a person; `responses.py` maps them to statuses.
"""

from __future__ import annotations

from pywharf.errors import WharfError


class NotAuthenticated(WharfError):
    """Nobody, or nobody we know. One sentence for all of it: whether a repository exists is not told to strangers."""

    def __init__(self, scheme: str = "Basic") -> None:
        self.scheme = scheme  # what to authenticate with: "Basic" for a repository, "Bearer" for /initialize/
        super().__init__(
            "Unauthorized: the user is the repository's name and the password is its secret"
            if scheme == "Basic"
            else "Unauthorized: this needs the initialise token as Authorization: Bearer"
        )


class Throttled(WharfError):
    """Too many wrong secrets from one address."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after  # seconds
        super().__init__("Too many wrong secrets from this address; try again later")


class NotFound(WharfError):
    """There is nothing here, told to an authenticated caller only."""

    def __init__(self, reason: str = "There is no such page") -> None:
        super().__init__(f"Not found: {reason}")


class MethodNotAllowed(WharfError):
    """The page is there, but not for this method."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"This page takes {', '.join(allowed)} only")


class RequestInvalid(WharfError):
    """The request is malformed; sending it again unchanged cannot succeed."""


class LengthRequired(WharfError):
    """A body without a Content-Length, which is what refusing it unread and noticing its loss depend on."""

    def __init__(self) -> None:
        super().__init__("The request needs a Content-Length; chunked bodies are not taken")


class BodyCutShort(WharfError):
    """The body ended, or stopped arriving, before its Content-Length: nothing of it counts."""

    def __init__(self) -> None:
        super().__init__("The body is shorter than its Content-Length: nothing was changed")


class BodyTooSlow(BodyCutShort):
    """The body came too slowly, or stopped coming: nothing of it counts."""

    def __init__(self) -> None:
        WharfError.__init__(self, "The body came too slowly: nothing was changed; sending it again is safe")


class BodyTooLarge(WharfError):
    """The body is larger than this route takes; it was not read."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes
        super().__init__(f"The body is too large: at most {limit} bytes are taken here")


class MediaTypeNotTaken(WharfError):
    """The body is of another kind than this route takes; it was not read."""

    def __init__(self, media_type: str) -> None:
        super().__init__(f"The body has to be {media_type}, and the Content-Type has to say so")


class RangeNotSatisfiable(WharfError):
    """The Range that was asked for lies outside the file."""

    def __init__(self, size: int) -> None:
        self.size = size  # bytes
        super().__init__(f"The range lies outside the file, which has {size} bytes")


class LoginNeeded(WharfError):
    """A page whose forms change something was asked for with Basic authentication, which browsers send without being asked."""

    def __init__(self) -> None:
        super().__init__("This page is for a browser that is logged in: open /login/ first. Programs use /manage/<project>/ instead")


class FormNotOurs(WharfError):
    """A form that no page of this server sent, or one that is too old: nothing was done."""

    def __init__(self) -> None:
        super().__init__(
            "This form was not sent from a page of this server, or is too old: open the page again, with cookies allowed, and send it from there"
        )
