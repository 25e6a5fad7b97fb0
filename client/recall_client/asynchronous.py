"""The client for an event loop: `synchronous`, awaited."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import EventSource

from recall_client import calls
from recall_client.errors import NotReachedError, ProblemError, TruncatedError, problem_of
from recall_client.models import ChatEvent, Done, ExportFormat, Found, ImportFormat, ImportReport, Memory, Stored
from recall_client.retries import wait_before
from recall_client.settings import TIMEOUT, headers, token_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

Answer = TypeVar("Answer")


class AsyncRecall:
    """One user's Recall. Use it as an asynchronous context manager, or `close` it.

    Args:
        base_url: Where the API is, such as `https://api.beta.example.org`.
        token: A personal access token or an access token; a function that returns one is asked for each request.
        transport: httpx's transport, for proxies and tests.
    """

    def __init__(
        self, base_url: str, token: str | Callable[[], str], *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._token = token_source(token)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, transport=transport)
        self.memories = AsyncMemories(self)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def recall(self, query: str, **filters: Unpack[calls.RecallFilters]) -> Found:
        """Find memories by words and by meaning."""
        return await self.send(calls.recall(query, filters))

    @asynccontextmanager
    async def chat(self, message: str, **options: Unpack[calls.ChatOptions]) -> AsyncIterator[AsyncIterator[ChatEvent]]:
        """Ask a question; leaving the context stops the model.

        Raises:
            ProblemError: it was refused, or failed while it was written.
            TruncatedError: it broke off.
        """
        async with self._stream(calls.chat(message, options)) as response:
            yield _events(response)

    async def import_memories(
        self, content: bytes | AsyncIterable[bytes], file_format: ImportFormat, *, dry_run: bool = False
    ) -> ImportReport:
        """Store the memories of a file; `dry_run` only tells what would be stored."""
        return await self.send(calls.import_memories(content, file_format, dry_run=dry_run))

    @asynccontextmanager
    async def export_memories(self, file_format: ExportFormat = "ndjson") -> AsyncIterator[AsyncIterator[bytes]]:
        """Read all memories as a file, piece by piece."""
        async with self._stream(calls.export_memories(file_format)) as response:
            yield _pieces(response)

    async def send(self, call: calls.Call[Answer]) -> Answer:
        """Send a call and return its answer.

        Raises:
            ProblemError: the API refused or failed.
            NotReachedError: it could not be reached.
        """
        response = await self._answered(call, stream=False)
        return call.read(response)

    @asynccontextmanager
    async def _stream(self, call: calls.Call[Any]) -> AsyncIterator[httpx.Response]:
        response = await self._answered(call, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _answered(self, call: calls.Call[Any], *, stream: bool) -> httpx.Response:
        attempt = 1
        while True:
            error: httpx.TransportError | ProblemError
            try:
                request = self._http.build_request(**call.arguments())
                request.headers.update(headers(self._token()))
                response = await self._http.send(request, stream=stream)
                if response.is_success or (attempt > 1 and response.status_code == call.done_by_first):
                    return response
                await response.aread()
                error = problem_of(response)
            except httpx.TransportError as lost:
                error = lost
            attempt += 1
            wait = wait_before(attempt, error, repeatable=call.repeatable)
            if wait is None:
                if isinstance(error, ProblemError):
                    raise error
                raise NotReachedError(f"{call.method} {call.path}: {type(error).__name__}") from error
            await asyncio.sleep(wait)


class AsyncMemories:
    """The memories of a `AsyncRecall`."""

    def __init__(self, recall: AsyncRecall) -> None:
        self._recall = recall

    async def create(self, text: str, **fields: Unpack[calls.MemoryFields]) -> Stored:
        """Store a memory; one that says the same is returned as it is, as a `duplicate`."""
        return await self._recall.send(calls.create(text, fields))

    async def get(self, memory_id: str) -> Memory:
        """Return a memory."""
        return await self._recall.send(calls.get(memory_id))

    async def update(self, memory: Memory | str, **changes: Unpack[calls.MemoryChanges]) -> Memory:
        """Change a memory, and return what it is now.

        Args:
            memory: What you read, to be changed only if it still is that; or an id, to be changed whatever it is.
            changes: Fields that are absent stay as they are; `occurred_at=None` takes the time away.

        Raises:
            ChangedError: it is not what you read any more.
            DuplicateError: another memory says the same.
        """
        return await self._recall.send(calls.update(memory, changes))

    async def delete(self, memory: Memory | str, *, permanently: bool = False) -> None:
        """Delete a memory, which can be restored for 30 days unless `permanently`; `memory` is as in `update`."""
        await self._recall.send(calls.delete(memory, permanently=permanently))

    async def restore(self, memory: Memory | str) -> Memory:
        """Undo a delete."""
        return await self._recall.send(calls.restore(memory))

    async def list(self, *, page_size: int = 100, **filters: Unpack[calls.MemoryFilters]) -> AsyncIterator[Memory]:
        """Yield all memories, the newest first; pages are read as they are needed."""
        cursor: str | None = None
        while True:
            page = await self._recall.send(calls.page(filters, limit=page_size, cursor=cursor))
            for memory in page.items:
                yield memory
            cursor = page.next_cursor
            if cursor is None:
                return


async def _events(response: httpx.Response) -> AsyncIterator[ChatEvent]:
    try:
        async for sent in EventSource(response).aiter_sse():
            event = calls.event_of(sent)
            if event is not None:
                yield event
            if isinstance(event, Done):
                return
    except httpx.TransportError as error:
        raise TruncatedError("The connection broke before the answer was complete.") from error
    raise TruncatedError("The answer ended before it was complete.")


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in response.aiter_bytes():
            yield piece
    except httpx.TransportError as error:
        raise TruncatedError("The connection broke before the file was complete.") from error
