"""The client that waits."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import EventSource

from recall_client import calls
from recall_client.errors import NotReachedError, ProblemError, TruncatedError, problem_of
from recall_client.models import ChatEvent, Done, ExportFormat, Found, ImportFormat, ImportReport, Memory, Stored
from recall_client.retries import wait_before
from recall_client.settings import TIMEOUT, headers, token_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Answer = TypeVar("Answer")


class Recall:
    """One user's Recall. Use it as a context manager, or `close` it.

    Args:
        base_url: Where the API is, such as `https://api.beta.example.org`.
        token: A personal access token or an access token; a function that returns one is asked for each request.
        transport: httpx's transport, for proxies and tests.
    """

    def __init__(
        self, base_url: str, token: str | Callable[[], str], *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._token = token_source(token)
        self._http = httpx.Client(base_url=base_url, timeout=TIMEOUT, transport=transport)
        self.memories = Memories(self)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def recall(self, query: str, **filters: Unpack[calls.RecallFilters]) -> Found:
        """Find memories by words and by meaning."""
        return self.send(calls.recall(query, filters))

    @contextmanager
    def chat(self, message: str, **options: Unpack[calls.ChatOptions]) -> Iterator[Iterator[ChatEvent]]:
        """Ask a question; leaving the context stops the model.

        Raises:
            ProblemError: it was refused, or failed while it was written.
            TruncatedError: it broke off.
        """
        with self._stream(calls.chat(message, options)) as response:
            yield _events(response)

    def import_memories(
        self, content: bytes | Iterable[bytes], file_format: ImportFormat, *, dry_run: bool = False
    ) -> ImportReport:
        """Store the memories of a file; `dry_run` only tells what would be stored."""
        return self.send(calls.import_memories(content, file_format, dry_run=dry_run))

    @contextmanager
    def export_memories(self, file_format: ExportFormat = "ndjson") -> Iterator[Iterator[bytes]]:
        """Read all memories as a file, piece by piece."""
        with self._stream(calls.export_memories(file_format)) as response:
            yield _pieces(response)

    def send(self, call: calls.Call[Answer]) -> Answer:
        """Send a call and return its answer.

        Raises:
            ProblemError: the API refused or failed.
            NotReachedError: it could not be reached.
        """
        response = self._answered(call, stream=False)
        return call.read(response)

    @contextmanager
    def _stream(self, call: calls.Call[Any]) -> Iterator[httpx.Response]:
        response = self._answered(call, stream=True)
        try:
            yield response
        finally:
            response.close()

    def _answered(self, call: calls.Call[Any], *, stream: bool) -> httpx.Response:
        attempt = 1
        while True:
            error: httpx.TransportError | ProblemError
            try:
                request = self._http.build_request(**call.arguments())
                request.headers.update(headers(self._token()))
                response = self._http.send(request, stream=stream)
                if response.is_success or (attempt > 1 and response.status_code == call.done_by_first):
                    return response
                response.read()
                error = problem_of(response)
            except httpx.TransportError as lost:
                error = lost
            attempt += 1
            wait = wait_before(attempt, error, repeatable=call.repeatable)
            if wait is None:
                if isinstance(error, ProblemError):
                    raise error
                raise NotReachedError(f"{call.method} {call.path}: {type(error).__name__}") from error
            time.sleep(wait)


class Memories:
    """The memories of a `Recall`."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall

    def create(self, text: str, **fields: Unpack[calls.MemoryFields]) -> Stored:
        """Store a memory; one that says the same is returned as it is, as a `duplicate`."""
        return self._recall.send(calls.create(text, fields))

    def get(self, memory_id: str) -> Memory:
        """Return a memory."""
        return self._recall.send(calls.get(memory_id))

    def update(self, memory: Memory | str, **changes: Unpack[calls.MemoryChanges]) -> Memory:
        """Change a memory, and return what it is now.

        Args:
            memory: What you read, to be changed only if it still is that; or an id, to be changed whatever it is.
            changes: Fields that are absent stay as they are; `occurred_at=None` takes the time away.

        Raises:
            ChangedError: it is not what you read any more.
            DuplicateError: another memory says the same.
        """
        return self._recall.send(calls.update(memory, changes))

    def delete(self, memory: Memory | str, *, permanently: bool = False) -> None:
        """Delete a memory, which can be restored for 30 days unless `permanently`; `memory` is as in `update`."""
        self._recall.send(calls.delete(memory, permanently=permanently))

    def restore(self, memory: Memory | str) -> Memory:
        """Undo a delete."""
        return self._recall.send(calls.restore(memory))

    def list(self, *, page_size: int = 100, **filters: Unpack[calls.MemoryFilters]) -> Iterator[Memory]:
        """Yield all memories, the newest first; pages are read as they are needed."""
        cursor: str | None = None
        while True:
            page = self._recall.send(calls.page(filters, limit=page_size, cursor=cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return


def _events(response: httpx.Response) -> Iterator[ChatEvent]:
    try:
        for sent in EventSource(response).iter_sse():
            event = calls.event_of(sent)
            if event is not None:
                yield event
            if isinstance(event, Done):
                return
    except httpx.TransportError as error:
        raise TruncatedError("The connection broke before the answer was complete.") from error
    raise TruncatedError("The answer ended before it was complete.")


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.TransportError as error:
        raise TruncatedError("The connection broke before the file was complete.") from error
