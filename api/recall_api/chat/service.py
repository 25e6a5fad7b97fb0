"""An answer, from question to last word: recall, ask, stream, cite."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from recall_api.chat import bedrock
from recall_api.chat.markers import Marker, MarkerParser
from recall_api.chat.model import ChatEvent, Citation, Delta, Done, Failed, Recalled, Usage
from recall_api.chat.prompt import converse_request, source_of
from recall_api.errors import ProblemError, error_code, invalid
from recall_api.models.registry import Capabilities, capabilities, invocation_id
from recall_api.search.filters import Filter
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from recall_api.aws import Aws
    from recall_api.chat.model import Turn
    from recall_api.identifiers import UserId
    from recall_api.memories.model import Memory
    from recall_api.search.index import Hit
    from recall_api.search.service import SearchService
    from recall_api.settings import Settings
    from recall_api.telemetry import Metrics


@dataclass(frozen=True)
class Question:
    """What is asked, and how."""

    turns: tuple[Turn, ...]
    """The last one is the user's."""
    model: str
    memories: int
    """How many memories to recall at most; 0 for none."""


class Citations:
    """Turns the model's stream into text and citations, in order."""

    def __init__(self, hits: Sequence[Hit], abilities: Capabilities) -> None:
        self._memories = [hit.memory for hit in hits]
        self._numbers = {source_of(memory): number for number, memory in enumerate(self._memories, 1)}
        self._markers = None if abilities.search_results else MarkerParser(len(self._memories))
        self._length = 0

    def feed(self, delta: dict[str, Any]) -> list[ChatEvent]:
        """Return the events that one `contentBlockDelta` makes."""
        if "text" in delta:
            return self._pieces(self._markers.feed(delta["text"]) if self._markers else [delta["text"]])
        if "citation" in delta:
            number = self._number(delta["citation"])
            if number is not None:
                return [self._cite(number, *self._span(self._memories[number - 1], delta["citation"]))]
        return []

    def finish(self) -> list[ChatEvent]:
        """Return the events of what was held back."""
        return self._pieces(self._markers.finish() if self._markers else [])

    def _pieces(self, pieces: Sequence[str | Marker]) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        for piece in pieces:
            match piece:
                case Marker(number):
                    events.append(self._cite(number, 0, len(self._memories[number - 1].content.text)))
                case str():
                    self._length += len(piece)
                    events.append(Delta(piece))
                case _:
                    assert_never(piece)
        return events

    def _number(self, citation: dict[str, Any]) -> int | None:
        number = self._numbers.get(citation.get("source", ""))
        if number is None:
            index = citation.get("location", {}).get("searchResultLocation", {}).get("searchResultIndex")
            number = index + 1 if isinstance(index, int) and 0 <= index < len(self._memories) else None
        return number

    @staticmethod
    def _span(memory: Memory, citation: dict[str, Any]) -> tuple[int, int]:
        """Return where the quoted part stands; the whole memory when it is not quoted literally."""
        quoted = "".join(part.get("text", "") for part in citation.get("sourceContent", ()))
        start = memory.content.text.find(quoted) if quoted else -1
        return (start, start + len(quoted)) if start >= 0 else (0, len(memory.content.text))

    def _cite(self, number: int, start: int, end: int) -> Citation:
        return Citation(number, self._memories[number - 1].id, start, end, self._length)


class ChatService:
    """Answers questions."""

    def __init__(self, aws: Aws, search: SearchService, settings: Settings, metrics: Metrics) -> None:
        self._aws = aws
        self._search = search
        self._settings = settings
        self._metrics = metrics
        self._running = 0

    def check_model(self, model: str | None) -> str:
        """Return the model to use when `model` is asked for.

        Raises:
            ProblemError: the instance does not offer it (422).
        """
        if model is None:
            return self._settings.default_model
        if model not in self._settings.chat_models:
            offered = ", ".join(self._settings.chat_models)
            raise invalid("body.model", f"This instance offers {offered}.", "model_not_offered")
        return model

    def check_room(self) -> None:
        """Make sure that one more answer can be streamed.

        Raises:
            ProblemError: too many are being streamed (503).
        """
        if self._running >= self._settings.max_streams:
            raise ProblemError(
                503,
                "busy",
                "Too many answers at once",
                "As many answers as possible are being streamed; try again in a moment.",
                headers={"Retry-After": "2"},
            )

    async def answer(self, user_id: UserId, question: Question) -> AsyncGenerator[ChatEvent, None]:
        """Yield what happens, ending with `Done` or `Failed`. Closing it early stops the model."""
        began = time.perf_counter()
        outcome = "disconnected"
        self._running += 1
        self._metrics.streams.set(self._running)
        try:
            recalled = await self._recall(user_id, question)
            yield recalled
            first = True
            async with aclosing(self._ask(question, recalled.hits)) as events:
                async for event in events:
                    match event:
                        case Delta() if first:
                            first = False
                            elapsed = time.perf_counter() - began
                            self._metrics.first_token_seconds.labels(question.model).observe(elapsed)
                        case Done(stop_reason=reason):
                            outcome = reason
                    yield event
        except ProblemError as problem:
            outcome = "error"
            yield Failed(problem)
        except (bedrock.TruncatedError, ClientError, BotoCoreError) as error:
            outcome = "error"
            log.warning("answer failed", model=question.model, error=error_code(error))
            yield Failed(bedrock.as_problem(error))
        except Exception:
            outcome = "error"
            log.exception("answer failed")
            yield Failed(bedrock.as_problem(RuntimeError()))
        finally:
            self._running -= 1
            self._metrics.streams.set(self._running)
            self._metrics.answers.labels(question.model, outcome).inc()

    async def _recall(self, user_id: UserId, question: Question) -> Recalled:
        if not question.memories:
            return Recalled((), by_meaning=True)
        found = await self._search.search(
            user_id,
            question.turns[-1].text,
            limit=question.memories,
            wanted=Filter(model=question.model),
        )
        return Recalled(tuple(found.hits), found.by_meaning)

    async def _ask(self, question: Question, hits: Sequence[Hit]) -> AsyncGenerator[ChatEvent, None]:
        settings = self._settings
        abilities = capabilities(question.model)
        request = converse_request(
            model_id=invocation_id(question.model, settings.residency, settings.region),
            turns=question.turns,
            memories=[hit.memory for hit in hits],
            abilities=abilities,
            today=datetime.now(UTC).date(),
            guardrail=(settings.guardrail_id, settings.guardrail_version) if settings.guardrail_id else None,
        )
        citations = Citations(hits, abilities)
        stop_reason = "end_turn"
        async with bedrock.ModelStream(self._aws.chat, request, self._aws.stream_threads) as stream:
            async for event in stream:
                if "contentBlockDelta" in event:
                    for made in citations.feed(event["contentBlockDelta"]["delta"]):
                        yield made
                elif "messageStop" in event:
                    stop_reason = event["messageStop"]["stopReason"]
                elif "metadata" in event:
                    for made in citations.finish():
                        yield made
                    yield _done(question.model, stop_reason, event["metadata"])


def _done(model: str, stop_reason: str, metadata: dict[str, Any]) -> Done:
    usage = metadata.get("usage", {})
    return Done(
        model=model,
        stop_reason=stop_reason,
        usage=Usage(
            input_tokens=usage.get("inputTokens", 0),
            output_tokens=usage.get("outputTokens", 0),
            cache_read_tokens=usage.get("cacheReadInputTokens", 0),
            cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
        ),
        latency_ms=metadata.get("metrics", {}).get("latencyMs", 0),
    )
