"""Problems in OpenAI's shape, so that its clients raise the exceptions that fit.

Source: OpenAI API reference, "Error codes"; the official clients tell exceptions apart by status and obey
`x-should-retry`. Nobody repeats by himself what a model was already paid for.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from recall_api.errors import ProblemError

PREFIX: Final = "/v1/openai"

LONGEST_WAIT_SECONDS: Final = 60
"""A client that waits longer before it tries again has better give up."""

_KINDS: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
_CODES: Final = {"unauthorized": "invalid_api_key", "budget-spent": "insufficient_quota"}
_REPEATABLE: Final = frozenset({"busy", "model-busy", "unavailable", "budget-spent", "too-many-requests"})
"""Problems before which no model has said anything."""
_NAMES: Final = {"topP": "top_p"}


class OpenAiErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str = Field(description="A family of errors, such as `invalid_request_error`.")
    param: str | None = Field(description="The parameter that was refused.")
    code: str | None = Field(description="Stable name of the error.")


class OpenAiError(BaseModel):
    """An error as OpenAI's clients read it."""

    error: OpenAiErrorDetail


def bad_request(param: str, message: str, code: str = "unsupported_parameter") -> ProblemError:
    """Return the 400 for a parameter that cannot be obeyed."""
    refused = [{"field": f"body.{param}", "message": message, "code": code}]
    return ProblemError(400, "invalid-request", "Invalid request", message, extra={"errors": refused})


def status_of(problem: ProblemError) -> int:
    """Return the status that OpenAI's API has for `problem`."""
    if problem.slug == "model-refused":
        return 400
    if problem.status == 422:
        return 404 if _refused(problem).get("code") == "model_not_offered" else 400
    return problem.status


def answer_of(problem: ProblemError) -> OpenAiError:
    """Return `problem` in OpenAI's shape."""
    status, refused = status_of(problem), _refused(problem)
    field = str(refused.get("field", "")).removeprefix("body.").removeprefix("body")
    message = problem.detail or problem.title
    code = refused.get("code") or _CODES.get(problem.slug, problem.slug)
    return OpenAiError(
        error=OpenAiErrorDetail(
            message=message,
            type=_KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            param=_NAMES.get(field, field) or None,
            code="model_not_found" if code == "model_not_offered" else code,
        )
    )


def respond(problem: ProblemError) -> JSONResponse:
    """Return the answer to a request that failed."""
    wait = problem.headers.get("Retry-After", "0")
    repeat = problem.slug in _REPEATABLE and int(wait) <= LONGEST_WAIT_SECONDS
    headers = {"x-should-retry": "true" if repeat else "false"}
    return JSONResponse(
        answer_of(problem).model_dump(), status_code=status_of(problem), headers=headers | dict(problem.headers)
    )


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these errors for a route."""
    return {status: {"model": OpenAiError, "description": HTTPStatus(status).phrase} for status in statuses}


def _refused(problem: ProblemError) -> dict[str, Any]:
    """Return the first field that `problem` is about."""
    errors = problem.extra.get("errors")
    return dict(errors[0]) if isinstance(errors, list) and errors else {}
