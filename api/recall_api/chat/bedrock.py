"""ConverseStream from an event loop: one thread a stream, a bounded queue, and an end that really ends it.

boto3's stream blocks, so a thread reads it and hands events over. The queue is bounded: a client that reads slowly
slows the reading down. Closing shuts the socket's receiving side, which wakes the thread; it then closes the
connection, and Bedrock stops generating. Attempts are repeated only before the first event.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from recall_api.errors import ProblemError, error_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from concurrent.futures import Executor

    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

QUEUE_LENGTH: Final = 64
"""Events that may wait for a client that reads slowly."""
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


class ModelStream:
    """One streamed answer. Use it as an asynchronous context manager, and iterate over its events."""

    def __init__(self, client: BedrockRuntimeClient, request: dict[str, Any], executor: Executor) -> None:
        self._client = client
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._waiting: deque[Any] = deque()
        self._room = threading.Semaphore(QUEUE_LENGTH)
        self._cancelled = threading.Event()
        self._raw: Any = None
        self._done = executor.submit(self._run)

    async def __aenter__(self) -> Self:
        """Return the stream, which runs already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the model, unless it has finished."""
        self.close()

    def close(self) -> None:
        """Stop the model; never blocks."""
        self._cancelled.set()
        self._done.cancel()
        self._room.release()
        raw = self._raw
        if raw is not None:
            # urllib3 made this for use from another thread; it fails when the thread has closed it already.
            with contextlib.suppress(Exception):
                raw.shutdown()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Yield Bedrock's events until the last one.

        Raises:
            Exception: what boto3 raised, or `TruncatedError`.
        """
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._room.release()
                if event is None:
                    return
                if isinstance(event, BaseException):
                    raise event
                yield event
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()

    def _run(self) -> None:
        """Read the stream, on a thread."""
        try:
            for event in self._events():
                if not self._hand_over(event):
                    return
            self._hand_over(None)
        except Exception as error:
            self._hand_over(error)

    def _hand_over(self, event: Any) -> bool:
        """Put an event into the queue when there is room; say whether anybody still wants events."""
        self._room.acquire()
        if self._cancelled.is_set():
            return False
        self._waiting.append(event)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._arrived.set)
        return True

    def _events(self) -> Iterator[dict[str, Any]]:
        attempt = 0
        while not self._cancelled.is_set():
            attempt += 1
            begun = False
            try:
                for event in self._one_attempt():
                    begun = True
                    yield event
            except (BotoCoreError, ClientError) as error:
                if begun or attempt == ATTEMPTS or not is_worth_repeating(error):
                    raise
                longest = FIRST_WAIT_SECONDS * 2**attempt
                self._cancelled.wait(random.uniform(longest / 4, longest))  # noqa: S311 - jitter
            else:
                return

    def _one_attempt(self) -> Iterator[dict[str, Any]]:
        stream = self._client.converse_stream(**self._request)["stream"]
        # botocore offers no public way to the response below; `close` alone would not wake a blocked read.
        self._raw = getattr(stream, "_raw_stream", None)
        complete = False
        try:
            if self._cancelled.is_set():
                return
            for event in stream:
                complete = complete or "metadata" in event
                if self._cancelled.is_set():
                    return
                yield dict(event)
            if not complete:
                raise TruncatedError
        finally:
            self._raw = None
            stream.close()
