"""Chat events on the wire: server-sent events (WHATWG HTML, 9.2), with comments while nothing happens."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, assert_never, cast

from anyio import CancelScope
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from recall_api.chat.model import ChatEvent, Citation, Delta, Done, Failed, Guarded, Proposed, Recalled, Started
from recall_api.chat.schemas import (
    CitationEvent,
    DeltaEvent,
    DoneEvent,
    GuardrailEvent,
    ProposalEvent,
    RecalledEvent,
    RecalledMemory,
    StartedEvent,
    UsageView,
)
from recall_api.memories.schemas import MemoryView
from recall_api.search.schemas import Explanation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Send


def encode(event: ChatEvent, instance: str | None) -> bytes:
    """Return one event as it is sent; `instance` names the request in a problem."""
    match event:
        case Delta(text):
            name, data = "delta", DeltaEvent(text=text).model_dump_json()
        case Citation():
            name = "citation"
            data = CitationEvent(
                number=event.number,
                memory_id=event.memory_id,
                start=event.start,
                end=event.end,
                answer_offset=event.answer_offset,
            ).model_dump_json(by_alias=True)
        case Recalled(hits, by_meaning):
            name = "recalled"
            memories = [
                RecalledMemory(**dict(MemoryView.of(hit.memory)), number=number, explanation=Explanation.of(hit))
                for number, hit in enumerate(hits, 1)
            ]
            data = RecalledEvent(memories=memories, by_meaning=by_meaning).model_dump_json(by_alias=True)
        case Started(model, conversation_id, message_id, answer_id):
            name = "started"
            data = StartedEvent(
                model=model,
                stored=conversation_id is not None,
                conversation_id=conversation_id,
                message_id=message_id,
                answer_id=answer_id,
            ).model_dump_json(by_alias=True)
        case Guarded(stop_reason):
            name, data = "guardrail", GuardrailEvent(stop_reason=stop_reason).model_dump_json(by_alias=True)
        case Proposed(identifier, proposal, message_id):
            name = "proposal"
            data = ProposalEvent(
                id=identifier, text=proposal.text, start=proposal.start, end=proposal.end, message_id=message_id
            ).model_dump_json(by_alias=True)
        case Done(model, stop_reason, usage, latency_ms, cost):
            name = "done"
            data = DoneEvent(
                model=model,
                stop_reason=stop_reason,
                usage=UsageView(
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cache_read_tokens=usage.cache_read_tokens,
                    cache_write_tokens=usage.cache_write_tokens,
                ),
                latency_ms=latency_ms,
                cost_micro_dollars=cost,
            ).model_dump_json(by_alias=True)
        case Failed(problem):
            name, data = "error", json.dumps(problem.document(instance))
        case _:
            assert_never(event)
    return format_sse_event(event=name, data_str=data)


async def keep_alive(
    pieces: AsyncGenerator[bytes, None], *, keepalive_seconds: float, first: asyncio.Future[bytes | None] | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield `pieces`, and a comment after each silence of `keepalive_seconds`; `first` is a piece asked for already."""
    async with aclosing(pieces):
        pending = first or asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                done, _ = await asyncio.wait({pending}, timeout=keepalive_seconds)
                if not done:
                    yield KEEPALIVE_COMMENT
                    continue
                piece = pending.result()
                if piece is None:
                    return
                yield piece
                pending = asyncio.ensure_future(anext(pieces, None))
        finally:
            # The client may have left: end the step that is under way before the generator is closed.
            with CancelScope(shield=True):
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)


async def _encoded(events: AsyncGenerator[ChatEvent, None], instance: str | None) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            yield encode(event, instance)


def stream(
    events: AsyncGenerator[ChatEvent, None], *, keepalive_seconds: float, instance: str | None
) -> AsyncGenerator[bytes, None]:
    """Return `events` as they are sent, with a comment after each silence of `keepalive_seconds`."""
    return keep_alive(_encoded(events, instance), keepalive_seconds=keepalive_seconds)


class ChatResponse(EventSourceResponse):
    """An event stream that is closed as soon as its client has left, also in the middle of a write."""

    async def stream_response(self, send: Send) -> None:
        """Send the stream; starlette alone would leave closing it to the garbage collector."""
        try:
            await super().stream_response(send)
        finally:
            with CancelScope(shield=True):
                await cast("AsyncGenerator[bytes, None]", self.body_iterator).aclose()
