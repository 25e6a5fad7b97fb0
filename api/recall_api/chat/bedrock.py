"""ConverseStream: its events as they come, and an end that really ends it.

A client that reads slowly slows the reading down, by nothing but TCP. Closing the generator hangs up, and Bedrock stops
generating. Attempts are repeated only before the first event.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    EventStreamError,
    ReadTimeoutError,
)

from recall_api.errors import ProblemError, error_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from botocore.eventstream import EventStreamMessage

    from recall_api.aws import Aws

ATTEMPTS: Final = 4
FIRST_WAIT_SECONDS: Final = 0.2

_BUSY: Final = frozenset({"throttlingexception", "toomanyrequestsexception", "servicequotaexceededexception"})
_PASSING: Final = _BUSY | {
    "internalserverexception",
    "modelnotreadyexception",
    "modelstreamerrorexception",
    "serviceunavailableexception",
}
"""Codes after which another attempt may do better; in lower case, because streams write them differently."""


class TruncatedError(Exception):
    """The stream ended without its last event: what came is not all, and what it cost is unknown."""


def is_worth_repeating(error: BaseException) -> bool:
    """Say whether the same request may succeed a moment later, and was certainly not paid for."""
    if isinstance(error, ClientError):
        return error_code(error).lower() in _PASSING
    return isinstance(error, ConnectTimeoutError | EndpointConnectionError)


def as_problem(error: BaseException) -> ProblemError:
    """Return what a user is told about a failed answer. AWS's own words stay out: they may quote the prompt."""
    code = error_code(error).lower()
    if code in _BUSY:
        return ProblemError(
            429,
            "model-busy",
            "The model is busy",
            "Bedrock takes no more requests for this model at the moment; try again in a moment.",
        )
    if isinstance(error, TruncatedError):
        return ProblemError(
            502, "answer-truncated", "The answer was cut off", "The model's stream ended early; ask again."
        )
    if isinstance(error, ReadTimeoutError) or code == "modeltimeoutexception":
        return ProblemError(504, "model-silent", "The model does not answer", "The model fell silent; ask again.")
    if code in {"accessdeniedexception", "resourcenotfoundexception"}:
        return ProblemError(
            502,
            "model-not-available",
            "The model is not available",
            "This instance may not use the model; choose another, or ask its administrator to enable it.",
        )
    if code == "validationexception":
        return ProblemError(
            502,
            "model-refused",
            "The model refused the request",
            "The conversation may be too long for the model; shorten it, or choose another model.",
        )
    return ProblemError(502, "model-failed", "The model failed", "The model could not finish its answer; ask again.")


async def model_stream(aws: Aws, request: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield Bedrock's events until the last one. Closing it early stops the model.

    Raises:
        botocore.exceptions.ClientError: Bedrock refused, or broke off with an error (an `EventStreamError`).
        botocore.exceptions.BotoCoreError: it could not be reached, hung up, or fell silent.
        TruncatedError: it ended without its last event.
    """
    attempt = 0
    while True:
        attempt += 1
        begun = False
        try:
            async with aclosing(_one_attempt(aws, request)) as events:
                async for event in events:
                    begun = True
                    yield event
        except (BotoCoreError, ClientError) as error:
            if begun or attempt == ATTEMPTS or not is_worth_repeating(error):
                raise
        else:
            return
        longest = FIRST_WAIT_SECONDS * 2**attempt
        await asyncio.sleep(random.uniform(longest / 4, longest))  # noqa: S311 - jitter


async def _one_attempt(aws: Aws, request: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    complete = False
    buffer = EventStreamBuffer()
    async with aws.converse_stream(request) as pieces:
        async for piece in pieces:
            buffer.add_data(piece)
            for message in buffer:
                event = _event(message)
                complete = complete or "metadata" in event
                yield event
    if not complete:
        raise TruncatedError


def _event(message: EventStreamMessage) -> dict[str, Any]:
    """Return an event of the stream; its form is in the Amazon Bedrock API reference, `ConverseStream`."""
    headers = cast("Mapping[str, str]", message.headers)
    kind = headers[":message-type"]
    if kind == "event":
        return {headers[":event-type"]: json.loads(message.payload)}
    code = headers.get(":exception-type") or headers.get(":error-code", "Unknown")
    raise EventStreamError({"Error": {"Code": code, "Message": ""}}, "ConverseStream")
