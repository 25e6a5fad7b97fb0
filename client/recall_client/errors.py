"""What can go wrong: problems that the API tells (RFC 9457), and answers that never came, or not whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


class RecallError(Exception):
    """Base of all errors of this client."""


class NotReachedError(RecallError):
    """The API could not be reached, or the connection broke; what was asked for may have been done."""


class TruncatedError(RecallError):
    """A stream ended before its end: what came is not all of it."""


class ProblemError(RecallError):
    """The API refused, or failed, and says why."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        """Stable name of the kind of problem, such as `urn:recall:problem:not-found`."""
        self.title = str(document.get("title", f"HTTP status {status}"))
        self.detail = document.get("detail")
        self.request = document.get("instance")
        """Names the request in the API's logs."""
        self.document = dict(document)
        """The whole problem document."""
        self.retry_after = retry_after
        """Seconds to wait before another attempt; none when the API does not say."""
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title)


class UnauthorizedError(ProblemError):
    """The token is missing, wrong, or has expired (401)."""


class ForbiddenError(ProblemError):
    """The token may not do this (403)."""


class NotFoundError(ProblemError):
    """There is no such thing, or it is somebody else's (404)."""


class DuplicateError(ProblemError):
    """Another memory says the same (409)."""

    @property
    def memory_id(self) -> str | None:
        """Id of the other memory."""
        found = self.document.get("memoryId")
        return found if isinstance(found, str) else None


class ChangedError(ProblemError):
    """The memory is not what was read any more (412)."""


class InvalidRequestError(ProblemError):
    """A field is wrong (422)."""

    @property
    def errors(self) -> list[dict[str, str]]:
        """Field, message and code of each part that was refused."""
        return list(self.document.get("errors") or ())


class RateLimitedError(ProblemError):
    """Too much was asked, or the month's budget is spent (429)."""


class UnavailableError(ProblemError):
    """Something behind the API does not answer at the moment (502, 503, 504)."""


_KINDS: dict[int, type[ProblemError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: DuplicateError,
    412: ChangedError,
    422: InvalidRequestError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def problem(status: int, document: Any, retry_after: float | None = None) -> ProblemError:
    """Return the error for a problem document."""
    return _KINDS.get(status, ProblemError)(status, document if isinstance(document, Mapping) else {}, retry_after)


def problem_of(response: httpx.Response) -> ProblemError:
    """Return the error that `response`, which is read, tells; also when something before the API made it."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    return problem(response.status_code, document, _seconds(response.headers.get("Retry-After")))


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header) if header is not None else None
    except ValueError:
        return None
    return seconds if seconds is None or (math.isfinite(seconds) and seconds >= 0) else None
