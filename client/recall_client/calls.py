"""Requests as values: what is sent, whether it may be sent twice, and how the answer is read. Nothing here waits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from recall_client.errors import problem
from recall_client.models import (
    EVENTS,
    ChatEvent,
    ExportFormat,
    Found,
    ImportFormat,
    ImportReport,
    Memory,
    Page,
    Stored,
)

if TYPE_CHECKING:
    import httpx
    from httpx_sse import ServerSentEvent

Answer = TypeVar("Answer")
Content = bytes | Iterable[bytes] | AsyncIterable[bytes]


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request."""

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: Content | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    """Whether doing it twice is the same as doing it once."""
    done_by_first: int | None = None
    """Status that tells a second attempt that the first one, whose answer was lost, has done it."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of httpx's `build_request`."""
        given: dict[str, Any] = {"method": self.method, "url": self.path, "params": self.query}
        if self.body is not None:
            given["json"] = self.body
        if self.content is not None:
            given["content"] = self.content
        return given | {"headers": dict(self.headers)}


class MemoryFields(TypedDict, total=False):
    """What can be said about a memory beside its text."""

    tags: Iterable[str]
    occurred_at: datetime | None
    """With its offset."""
    pinned: bool
    never_send_to: Iterable[str]


class MemoryChanges(MemoryFields, total=False):
    """What can be changed."""

    text: str


class MemoryFilters(TypedDict, total=False):
    """Which memories a list holds."""

    tag: Iterable[str]
    """All of these."""
    any_tag: Iterable[str]
    pinned: bool
    source: str
    text: str
    occurred_after: datetime
    occurred_before: datetime
    created_after: datetime
    created_before: datetime


class RecallFilters(TypedDict, total=False):
    """What a memory must be to be found, and how the query is meant."""

    limit: int
    tags: Iterable[str]
    occurred_after: datetime
    occurred_before: datetime
    time_zone: str


class ChatOptions(TypedDict, total=False):
    """How a question is answered; see `docs/reference/chat.md`."""

    conversation_id: str
    replaces: str
    incognito: bool
    history: Iterable[Mapping[str, str]]
    model: str
    memory: bool
    max_memories: int
    temperature: float
    top_p: float


def create(text: str, fields: MemoryFields) -> Call[Stored]:
    """Store a memory. The API answers the same text with the memory that is there, so asking twice stores one."""
    return Call("POST", "/v1/memories", _model(Stored), body={"text": text, **_wire(fields)}, repeatable=True)


def get(memory_id: str) -> Call[Memory]:
    """Read a memory."""
    return Call("GET", _memory_path(memory_id), _model(Memory), repeatable=True)


def update(memory: Memory | str, changes: MemoryChanges) -> Call[Memory]:
    """Change a memory; one that was read only if it still is what was read."""
    return Call("PATCH", _memory_path(memory), _model(Memory), body=_wire(changes), headers=_only_if_unchanged(memory))


def delete(memory: Memory | str, *, permanently: bool) -> Call[None]:
    """Delete a memory; one that was read only if it still is what was read."""
    return Call(
        "DELETE",
        _memory_path(memory),
        _nothing,
        query={"permanently": "true"} if permanently else {},
        headers=_only_if_unchanged(memory),
        repeatable=True,
        done_by_first=404,
    )


def restore(memory: Memory | str) -> Call[Memory]:
    """Undo a delete."""
    return Call("POST", _memory_path(memory, "/restore"), _model(Memory), repeatable=True)


def page(filters: MemoryFilters, *, limit: int, cursor: str | None) -> Call[Page]:
    """Read one page of the list."""
    query = {name: _flag(value) for name, value in _wire(filters).items()} | {"limit": limit}
    return Call(
        "GET", "/v1/memories", _model(Page), query=query | ({"cursor": cursor} if cursor else {}), repeatable=True
    )


def recall(query: str, filters: RecallFilters) -> Call[Found]:
    """Find memories."""
    return Call("POST", "/v1/recall", _model(Found), body={"query": query, **_wire(filters)}, repeatable=True)


def chat(message: str, options: ChatOptions) -> Call[None]:
    """Ask a question; its answer is a stream."""
    return Call(
        "POST",
        "/v1/chat",
        _nothing,
        body={"message": message, **_wire(options)},
        headers={"Accept": "text/event-stream"},
    )


def import_memories(content: Content, file_format: ImportFormat, *, dry_run: bool) -> Call[ImportReport]:
    """Send a file. The API stores nothing twice; a file that is in memory can be sent again."""
    return Call(
        "POST",
        "/v1/imports",
        _model(ImportReport),
        query={"format": file_format, "dryRun": _flag(dry_run)},
        content=content,
        headers={"Content-Type": "application/octet-stream"},
        repeatable=isinstance(content, bytes),
    )


def export_memories(file_format: ExportFormat) -> Call[None]:
    """Read all memories as a file; its answer is a stream."""
    return Call("GET", "/v1/exports/memories", _nothing, query={"format": file_format}, repeatable=True)


def event_of(sent: ServerSentEvent) -> ChatEvent | None:
    """Return an event of an answer; none for one that this version does not know.

    Raises:
        ProblemError: the answer failed.
    """
    if sent.event == "error":
        document = json.loads(sent.data)
        raise problem(int(document.get("status", 500)), document)
    model = EVENTS.get(sent.event)
    return model.model_validate_json(sent.data) if model is not None else None


_Model = TypeVar("_Model", bound=BaseModel)


def _model(model: type[_Model]) -> Callable[[httpx.Response], _Model]:
    return lambda response: model.model_validate_json(response.content)


def _nothing(_response: httpx.Response) -> None:
    return None


def _memory_path(memory: Memory | str, rest: str = "") -> str:
    identifier = memory.id if isinstance(memory, Memory) else memory
    return f"/v1/memories/{quote(identifier, safe='')}{rest}"


def _only_if_unchanged(memory: Memory | str) -> dict[str, str]:
    return {"If-Match": memory.etag} if isinstance(memory, Memory) else {}


def _wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {to_camel(name): _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | None) else list(value)


def _flag(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
