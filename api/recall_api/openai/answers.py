"""From what happens during an answer to OpenAI's completion, whole or in chunks."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from ulid import ULID

from recall_api.chat import model as chat
from recall_api.openai import schemas
from recall_api.openai.errors import answer_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from recall_api.openai.schemas import Completion, CompletionUsage, FinishReason

_LENGTH: Final = frozenset({"max_tokens", "model_context_window_exceeded"})
_HELD_BACK: Final = frozenset({"guardrail_intervened", "content_filtered"})
END: Final = b"data: [DONE]\n\n"


def finish_reason(stop_reason: str) -> FinishReason:
    """Return OpenAI's word for Bedrock's `stop_reason`."""
    if stop_reason in _HELD_BACK:
        return "content_filter"
    return "length" if stop_reason in _LENGTH else "stop"


def _usage(done: chat.Done) -> CompletionUsage:
    used = done.usage
    prompt = used.input_tokens + used.cache_read_tokens + used.cache_write_tokens
    return schemas.CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=used.output_tokens,
        total_tokens=prompt + used.output_tokens,
        prompt_tokens_details=schemas.CachedTokens(cached_tokens=used.cache_read_tokens),
    )


def _memories(recalled: chat.Recalled) -> list[schemas.CompletionMemory]:
    return [
        schemas.CompletionMemory(
            number=number,
            memory_id=hit.memory.id,
            text=hit.memory.content.text,
            occurred_at=hit.memory.content.occurred_at.isoformat() if hit.memory.content.occurred_at else None,
            score=hit.score,
        )
        for number, hit in enumerate(recalled.hits, 1)
    ]


class Writer:
    """Writes one answer; `model` is the name by which it was asked for."""

    def __init__(self, model: str, *, include_usage: bool = False) -> None:
        self._id = f"chatcmpl-{ULID()}"
        self._created = int(time.time())
        self._model = model
        self._include_usage = include_usage
        self.committed = False
        """Whether the answer's status is on its way already: a failure can no more be one."""

    async def whole(self, events: AsyncGenerator[chat.ChatEvent, None]) -> Completion:
        """Return the whole answer.

        Raises:
            ProblemError: it is not complete.
        """
        pieces: list[str] = []
        memories: list[schemas.CompletionMemory] = []
        citations: list[schemas.CompletionCitation] = []
        done: chat.Done | None = None
        async with aclosing(events):
            async for event in events:
                match event:
                    case chat.Delta(text):
                        pieces.append(text)
                    case chat.Recalled():
                        memories = _memories(event)
                    case chat.Citation():
                        citations.append(schemas.CompletionCitation(**vars(event)))
                    case chat.Done():
                        done = event
                    case chat.Failed(problem):
                        raise problem
                    case _:
                        pass
        assert done is not None  # noqa: S101 - the last event is `Done` or `Failed`
        message = schemas.CompletionMessage(content="".join(pieces))
        return schemas.Completion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[schemas.CompletionChoice(message=message, finish_reason=finish_reason(done.stop_reason))],
            usage=_usage(done),
            recall=schemas.CompletionRecall(
                memories=memories,
                citations=citations,
                stop_reason=done.stop_reason,
                cost_micro_dollars=done.cost,
            ),
        )

    async def pieces(self, events: AsyncGenerator[chat.ChatEvent, None]) -> AsyncGenerator[bytes, None]:
        """Yield the answer as it is sent; the first piece comes with the model's first word.

        Raises:
            ProblemError: it failed before anything was `committed`; later a failure is the last piece.
        """
        held = b""
        async with aclosing(events):
            async for event in events:
                match event:
                    case chat.Recalled():
                        details = schemas.CompletionRecall(memories=_memories(event))
                        held = self._chunk(schemas.CompletionDelta(role="assistant", content=""), recall=details)
                    case chat.Delta(text):
                        yield held + self._chunk(schemas.CompletionDelta(content=text))
                        held = b""
                    case chat.Citation():
                        details = schemas.CompletionRecall(citations=[schemas.CompletionCitation(**vars(event))])
                        yield held + self._chunk(schemas.CompletionDelta(content=""), recall=details)
                        held = b""
                    case chat.Done():
                        yield held + self._end(event)
                    case chat.Failed(problem):
                        if not self.committed:
                            raise problem
                        yield _line(answer_of(problem).model_dump_json())
                    case _:
                        pass

    def _end(self, done: chat.Done) -> bytes:
        details = schemas.CompletionRecall(stop_reason=done.stop_reason, cost_micro_dollars=done.cost)
        last = self._chunk(schemas.CompletionDelta(), finish=finish_reason(done.stop_reason), recall=details)
        if not self._include_usage:
            return last + END
        usage = schemas.CompletionChunk(
            id=self._id, created=self._created, model=self._model, choices=[], usage=_usage(done)
        )
        return last + _line(usage.model_dump_json(exclude={"recall"})) + END

    def _chunk(
        self,
        delta: schemas.CompletionDelta,
        *,
        finish: FinishReason | None = None,
        recall: schemas.CompletionRecall | None = None,
    ) -> bytes:
        chunk = schemas.CompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[schemas.CompletionChunkChoice(delta=delta, finish_reason=finish)],
            recall=recall,
        )
        said = chunk.model_dump(mode="json", exclude_none=True)
        said["choices"][0]["finish_reason"] = finish
        if self._include_usage:
            said["usage"] = None
        return _line(json.dumps(said, ensure_ascii=False))


def _line(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
