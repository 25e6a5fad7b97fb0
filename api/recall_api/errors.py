"""Errors as RFC 9457 problem documents: one shape for everything that is not an answer.

`type` is stable and meant for programs; `title` and `detail` are meant for people and may change. What a user sent
is never echoed: a memory's text must not come back in an error, nor reach a log through one.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Shape = Callable[["ProblemError"], JSONResponse]
    """Makes the answer for an error."""

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:recall:problem:"
"""Types are URNs, so that they stay the same whatever the instance's host name is."""


class InvalidField(BaseModel):
    """One part of a request that was refused."""

    field: str = Field(description="Where it is, such as `body.text` or `query.limit`.")
    message: str
    code: str = Field(description="Stable name of the rule that it breaks.")


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable name of the kind of problem.", examples=[TYPE_PREFIX + "not-found"])
    title: str
    status: int
    detail: str | None = None
    instance: str | None = Field(default=None, description="The request, as it is named in the logs.")
    errors: list[InvalidField] | None = Field(default=None, description="Parts of the request that were refused.")


@dataclass  # not frozen: Python sets the traceback of what is raised
class ProblemError(Exception):
    """Raised anywhere below a route to answer with a problem document."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self, instance: str | None = None) -> dict[str, Any]:
        """Return the problem document, without members that say nothing."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            **self.extra,
        }
        return {name: value for name, value in members.items() if value is not None}


def not_found(what: str) -> ProblemError:
    """Return the error for `what` (such as `memory`) that is not there, or is another user's."""
    return ProblemError(404, "not-found", "Not found", f"There is no such {what}.")


def unavailable(what: str, retry_after: int = 2) -> ProblemError:
    """Return the error for a service behind the API (`what`) that does not answer; try again in `retry_after` s."""
    return ProblemError(
        503,
        "unavailable",
        "Temporarily unavailable",
        f"{what} does not answer at the moment; try again.",
        headers={"Retry-After": str(retry_after)},
    )


def invalid(location: str, message: str, code: str) -> ProblemError:
    """Return the error for a value at `location` (such as `query.cursor`) that a schema cannot check."""
    refused = InvalidField(field=location, message=message, code=code)
    return ProblemError(422, "invalid-request", "Invalid request", message, extra={"errors": [refused.model_dump()]})


def error_code(error: BaseException) -> str:
    """Return AWS's code for `error`, or the class's name for one that never reached AWS."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


_TRANSIENT: frozenset[str] = frozenset(
    {
        "InternalServerError",
        "InternalServerException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def as_problem(error: ClientError) -> ProblemError | None:
    """Return the 503 for an error that passes by itself; none for one that is a fault of ours."""
    return unavailable("Storage") if error_code(error) in _TRANSIENT else None


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these problem answers for a route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def request_urn(request: Request) -> str | None:
    """Return the name of this request in logs and problems."""
    request_id = request.scope.get("recall.request_id")
    return f"urn:recall:request:{request_id}" if request_id else None


def respond(request: Request, error: ProblemError) -> JSONResponse:
    """Return the answer that tells `error` to whom sent `request`."""
    shapes: Mapping[str, Shape] = request.app.state.error_shapes
    for prefix, shape in shapes.items():
        if request.scope["path"].startswith(prefix + "/"):
            return shape(error)
    return JSONResponse(
        error.document(request_urn(request)),
        status_code=error.status,
        headers=dict(error.headers),
        media_type=PROBLEM_MEDIA_TYPE,
    )


INTERNAL: Final = ProblemError(
    500, "internal", "Internal error", "This is a fault of Recall; `instance` names it in the logs."
)

SLOWEST_BODY: Final = 5_000
"""Bytes a second: what has come of a body buys it so much time (as `MinRate` of Apache's mod_reqtimeout does)."""

_TITLES: Final = {
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("too-slow", "Request too slow"),
    413: ("too-large", "Request too large"),
}


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - the handler is registered for this type only
    return respond(request, error)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    slug, title = _TITLES.get(error.status_code, ("http-error", HTTPStatus(error.status_code).phrase))
    return respond(request, ProblemError(error.status_code, slug, title, headers=error.headers or {}))


def _printable(text: str) -> str:
    """Return `text` as UTF-8 can hold it: names of fields are what a client sent, whole characters or not."""
    return text.encode(errors="backslashreplace").decode()[:200]


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    refused = [
        InvalidField(
            field=_printable(".".join(map(str, item["loc"]))), message=_printable(item["msg"]), code=item["type"]
        ).model_dump()
        for item in error.errors()
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in refused[:3])
    return respond(request, ProblemError(422, "invalid-request", "Invalid request", detail, extra={"errors": refused}))


class UnexpectedErrors:
    """ASGI middleware, the innermost one: a fault of ours is logged and answered with a problem like any other.

    Starlette's own place for this lies outside of all middleware, where an answer gets neither CORS nor security
    headers: a browser could not read it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; an answer that has begun is broken off, so that its reader sees that it is incomplete."""
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.exception("unexpected error", request_id=scope.get("recall.request_id"))
            if started:
                raise
            problem = as_problem(error) if isinstance(error, ClientError) else None
            await respond(Request(scope), problem or INTERNAL)(scope, receive, send)


class BodyLimit:
    """ASGI middleware: refuses bodies that are too large, announced or not, or too slow, with a problem like any other.

    A request takes a place (`limits.ConcurrencyLimit`) while its body comes, and nobody knows yet who sends it: bodies
    that never end would take them all. Only the time that we wait is counted, not what we do with an import meanwhile.

    FastAPI's own limit lies outside of all middleware (see `UnexpectedErrors`) and answers in plain text.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int], seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.larger = larger
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; lifespan and the like pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.max_bytes)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > limit:
            await respond(Request(scope), self._too_large(limit))(scope, receive, send)
            return
        size, waited, more = 0, 0.0, True

        async def receive_counted() -> Message:
            # Raises the one exception that FastAPI lets through while it reads a body.
            nonlocal size, waited, more
            began = time.monotonic()
            # Once the body is there, what is waited for is that the client leaves.
            patience = self.seconds + size / SLOWEST_BODY - waited if more else None
            try:
                async with asyncio.timeout(patience):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            waited += time.monotonic() - began
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > limit:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_counted, send)

    @staticmethod
    def _too_large(limit: int) -> ProblemError:
        return ProblemError(413, "too-large", "Request too large", f"A request may have {limit:,} bytes.")


def install(
    app: FastAPI,
    max_body_bytes: int,
    larger: Mapping[str, int],
    shapes: Mapping[str, Shape] | None = None,
    *,
    body_seconds: float,
) -> None:
    """Make `app` answer every error with a problem document, bodies beyond `max_body_bytes` too.

    `larger` has the limits of the paths that take more, `shapes` how errors look below a path whose clients expect
    something else, `body_seconds` how long a body is waited for, beside the time that its bytes buy.
    """
    app.state.error_shapes = shapes or {}
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(BodyLimit, max_bytes=max_body_bytes, larger=larger, seconds=body_seconds)
