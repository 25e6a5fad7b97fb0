"""An answer, from question to last word: recall, reserve, ask, stream, cite, book, keep."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from recall_api.chat import bedrock
from recall_api.chat.answer import BLOCKING, Answer, text_length
from recall_api.chat.citations import Citations
from recall_api.chat.conversation import AnswerMessage, AskedMessage, StoredProposal
from recall_api.chat.conversations import proposal_id
from recall_api.chat.model import ChatEvent, Delta, Done, Failed, Guarded, Proposed, Recalled, Started, Usage
from recall_api.chat.prompt import Inference, converse_request
from recall_api.chat.proposals import proposals
from recall_api.errors import ProblemError, error_code, invalid, not_found, unavailable
from recall_api.models.registry import Tokens, capabilities
from recall_api.search.filters import Filter
from recall_api.telemetry import log
from recall_api.tracing import CLIENT, tracer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence

    from recall_api.aws import Aws
    from recall_api.chat.conversation import Place
    from recall_api.chat.model import Turn
    from recall_api.chat.repository import ConversationRepository
    from recall_api.identifiers import UserId
    from recall_api.limits import Limits
    from recall_api.memories.model import Memory
    from recall_api.models.prices import Price
    from recall_api.models.profiles import Models
    from recall_api.search.service import SearchService
    from recall_api.settings import Settings
    from recall_api.telemetry import Metrics
    from recall_api.usage.model import Reservation
    from recall_api.usage.service import UsageService


SEARCHED_LENGTH: Final = 32_000
"""Characters of a question that memories are searched by; a longer one brings documents of its own along."""


MEMORY_BYTES: Final = 1_000
"""What is set aside for each memory of a prompt before it is known which ones are in it."""


@dataclass(frozen=True)
class Question:
    """What is asked, and how."""

    turns: tuple[Turn, ...]
    """The last one is the user's."""
    model: str
    memories: int
    """How many memories to recall at most; 0 for none."""
    place: Place | None = None
    """Where question and answer are kept; none when nothing is stored."""
    inference: Inference = field(default_factory=Inference)
    system: str = ""
    """What the user's own application instructs the model."""


@dataclass(frozen=True)
class Prepared:
    """A question that is ready to be asked: its memories are recalled, its money is set aside."""

    user_id: UserId
    question: Question
    recalled: Recalled
    request: dict[str, Any]
    price: Price
    reservation: Reservation
    began: float


class ChatService:
    """Answers questions."""

    def __init__(
        self,
        aws: Aws,
        search: SearchService,
        settings: Settings,
        metrics: Metrics,
        models: Models,
        usage: UsageService,
        conversations: ConversationRepository,
        limits: Limits,
    ) -> None:
        self._aws = aws
        self._search = search
        self._settings = settings
        self._metrics = metrics
        self._models = models
        self._usage = usage
        self._conversations = conversations
        self._limits = limits
        self._running = 0
        self._held = 0
        self._background: set[asyncio.Task[None]] = set()

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

    def check_inference(self, model: str, inference: Inference) -> None:
        """Make sure that `model` can be asked so.

        Raises:
            ProblemError: it cannot (422).
        """
        both = inference.temperature is not None and inference.top_p is not None
        if both and not capabilities(model).temperature_with_top_p:
            raise invalid("body.topP", "This model takes temperature or topP, not both.", "temperature_with_top_p")

    @contextmanager
    def room(self, user_id: UserId) -> Iterator[None]:
        """Hold a place for one more answer, from before anything is prepared until its last word is sent.

        Raises:
            ProblemError: all are taken, by this user's answers (429) or by everybody's (503).
        """
        self._limits.check_streams(user_id)
        if self._held >= self._settings.max_streams:
            raise ProblemError(
                503,
                "busy",
                "Too many answers at once",
                "As many answers as possible are being streamed; try again in a moment.",
                headers={"Retry-After": "2"},
            )
        self._held += 1
        self._limits.stream_began(user_id)
        try:
            yield
        finally:
            self._held -= 1
            self._limits.stream_ended(user_id)

    async def prepare(self, user_id: UserId, question: Question) -> Prepared:
        """Recall what the model is given, and set aside what the answer may cost.

        Both at once: memories have room in what is set aside, and the rare ones that need more have it set aside anew.

        Raises:
            ProblemError: 429 when the user's budget is spent; 503 when storage does not answer.
        """
        began = time.perf_counter()
        price = self._models.price(question.model)
        guessed = _most(self._request(question, ()), question, price, room=question.memories * MEMORY_BYTES)
        reserving = asyncio.ensure_future(self._usage.reserve(user_id, question.model, guessed))
        try:
            recalled = await self._recall(user_id, question)
        except BaseException:
            self._later(self._release(user_id, reserving))
            raise
        request = self._request(question, [hit.memory for hit in recalled.hits])
        amount = _most(request, question, price)
        try:
            reservation = await reserving
        except ProblemError:
            if amount >= guessed:
                raise
            reservation = await self._usage.reserve(user_id, question.model, amount)
        if reservation.amount < amount:
            await self._release(user_id, reserving)
            reservation = await self._usage.reserve(user_id, question.model, amount)
        return Prepared(user_id, question, recalled, request, price, reservation, began)

    async def _release(self, user_id: UserId, reserving: asyncio.Future[Reservation]) -> None:
        """Give back what was set aside, if it was."""
        with contextlib.suppress(ProblemError):
            await self._usage.settle(user_id, await reserving, Tokens(), 0)

    def _request(self, question: Question, memories: Sequence[Memory]) -> dict[str, Any]:
        settings = self._settings
        return converse_request(
            model_id=self._models.invocation_id(question.model),
            turns=question.turns,
            memories=memories,
            abilities=capabilities(question.model),
            today=datetime.now(UTC).date(),
            guardrail=(settings.guardrail_id, settings.guardrail_version) if settings.guardrail_id else None,
            inference=question.inference,
            system=question.system,
        )

    async def answer(self, prepared: Prepared) -> AsyncGenerator[ChatEvent, None]:
        """Yield what happens, ending with `Done` or `Failed`. Closing it early stops the model."""
        question = prepared.question
        outcome = "disconnected"
        answer = Answer()
        self._running += 1
        self._metrics.streams.set(self._running)
        # Not the current span: a generator that is closed early could not take it back.
        span = tracer.start_span("chat", kind=CLIENT, attributes={"gen_ai.request.model": question.model})
        try:
            async with aclosing(self._ask(prepared, answer)) as events:
                # The model is asked while the client is told what was recalled.
                first = asyncio.ensure_future(anext(events, None))
                try:
                    yield _started(question)
                    yield prepared.recalled
                    event = await first
                finally:
                    first.cancel()
                    await asyncio.gather(first, return_exceptions=True)
                while event is not None:
                    if isinstance(event, Delta) and not answer.pieces:
                        span.add_event("first words")
                        elapsed = time.perf_counter() - prepared.began
                        self._metrics.first_token_seconds.labels(question.model).observe(elapsed)
                    answer.note(event)
                    if not isinstance(event, Done):
                        yield event
                    event = await anext(events, None)
            done = answer.complete()
            outcome = done.stop_reason
            if done.stop_reason in BLOCKING:
                yield Guarded(done.stop_reason)
            for proposed in await self._finish(prepared, answer):
                yield proposed
            yield done
        except (ProblemError, bedrock.TruncatedError, ClientError, BotoCoreError) as error:
            outcome = "error"
            log.warning("answer failed", model=question.model, error=error_code(error))
            yield Failed(await self._give_up(prepared, answer, error))
        except Exception as error:
            outcome = "error"
            log.exception("answer failed")
            yield Failed(await self._give_up(prepared, answer, error))
        finally:
            if not answer.settled:
                self._later(self._keep_rest(prepared, answer, failed=False))
            self._running -= 1
            span.set_attribute("recall.outcome", outcome)
            span.end()
            self._metrics.streams.set(self._running)
            self._metrics.answers.labels(question.model, outcome).inc()

    async def close(self) -> None:
        """Wait until all that ended is booked and kept."""
        while self._background:
            await asyncio.wait(self._background)

    async def _recall(self, user_id: UserId, question: Question) -> Recalled:
        if not question.memories:
            return Recalled((), by_meaning=True)
        asked = question.turns[-1].text[:SEARCHED_LENGTH]
        found = await self._search.search(user_id, asked, limit=question.memories, wanted=Filter(model=question.model))
        return Recalled(tuple(found.hits), found.by_meaning)

    async def _ask(self, prepared: Prepared, answer: Answer) -> AsyncGenerator[ChatEvent, None]:
        question = prepared.question
        citations = Citations(prepared.recalled.hits, capabilities(question.model))
        stop_reason = "end_turn"
        answer.asked = True
        async with aclosing(bedrock.model_stream(self._aws, prepared.request)) as stream:
            async for event in stream:
                answer.begun = True
                if "contentBlockDelta" in event:
                    for made in citations.feed(event["contentBlockDelta"]["delta"]):
                        yield made
                elif "messageStop" in event:
                    stop_reason = event["messageStop"]["stopReason"]
                elif "metadata" in event:
                    for made in citations.finish():
                        yield made
                    yield _done(question.model, stop_reason, event["metadata"], prepared.price)

    async def _finish(self, prepared: Prepared, answer: Answer) -> list[Proposed]:
        """Book and keep a complete answer; return what is proposed of its question.

        Raises:
            ProblemError: it could not be kept; it is booked all the same.
        """
        cost = self._settle(prepared, answer)
        place = prepared.question.place
        if place is None:
            return []
        asked = await self._keep(prepared, place, answer, cost, failed=False)
        return [
            Proposed(proposal_id(asked.id, number), stored.proposal, asked.id)
            for number, stored in enumerate(asked.proposals)
            if stored.decision == "pending"
        ]

    async def _give_up(self, prepared: Prepared, answer: Answer, error: Exception) -> ProblemError:
        """Book and keep what there is of an answer that failed; return what the user is told."""
        answer.fail(error)
        if not answer.settled:
            await self._keep_rest(prepared, answer, failed=True)
        return error if isinstance(error, ProblemError) else bedrock.as_problem(error)

    async def _keep_rest(self, prepared: Prepared, answer: Answer, *, failed: bool) -> None:
        cost = self._settle(prepared, answer)
        place = prepared.question.place
        if place is None or not answer.text.strip():
            return
        try:
            await self._keep(prepared, place, answer, cost, failed=failed)
        except ProblemError as problem:
            log.warning("an answer that broke off could not be kept", problem=problem.slug)

    def _settle(self, prepared: Prepared, answer: Answer) -> int:
        """Book an answer, without anybody waiting for it; return the micro-dollars."""
        answer.settled = True
        tokens, estimated = answer.tokens(text_length(prepared.request))
        # What Bedrock never confirmed is booked with what was set aside at most.
        cost = prepared.price.cost(tokens)
        cost = min(cost, prepared.reservation.amount) if estimated else cost
        self._later(self._usage.settle(prepared.user_id, prepared.reservation, tokens, cost, estimated=estimated))
        return cost

    async def _keep(self, prepared: Prepared, place: Place, answer: Answer, cost: int, *, failed: bool) -> AskedMessage:
        now = datetime.now(UTC)
        text = prepared.question.turns[-1].text
        found = place.proposals
        if found is None:
            found = tuple(StoredProposal(proposal) for proposal in proposals(text))
        asked = AskedMessage(place.message_id, text, now, found)
        done = answer.done
        said = AnswerMessage(
            id=place.answer_id,
            text=answer.text,
            created_at=now,
            model=prepared.question.model,
            status=answer.status(failed=failed),
            stop_reason=done.stop_reason if done else "",
            citations=tuple(answer.citations),
            recalled=tuple(hit.memory.id for hit in prepared.recalled.hits),
            cost=cost,
        )
        try:
            kept = await self._conversations.add(prepared.user_id, place, asked, said)
        except ClientError as error:
            raise unavailable("Storage") from error
        if not kept:
            raise not_found("conversation")
        return asked

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _most(request: Mapping[str, Any], question: Question, price: Price, *, room: int = 0) -> int:
    """Return the micro-dollars that an answer costs at most, with `room` bytes more in its prompt.

    A token is at least one byte, so a prompt has no more tokens than bytes; all may be written to a cache.
    """
    size = len(json.dumps([request["messages"], request.get("system")], ensure_ascii=False).encode())
    return price.cost(Tokens(cache_write=size + room, output=question.inference.max_tokens))


def _started(question: Question) -> Started:
    place = question.place
    if place is None:
        return Started(question.model, None, None, None)
    return Started(question.model, place.conversation_id, place.message_id, place.answer_id)


def _done(model: str, stop_reason: str, metadata: dict[str, Any], price: Price) -> Done:
    usage = metadata.get("usage", {})
    counted = Usage(
        input_tokens=usage.get("inputTokens", 0),
        output_tokens=usage.get("outputTokens", 0),
        cache_read_tokens=usage.get("cacheReadInputTokens", 0),
        cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
    )
    cost = price.cost(
        Tokens(counted.input_tokens, counted.output_tokens, counted.cache_read_tokens, counted.cache_write_tokens)
    )
    return Done(model, stop_reason, counted, metadata.get("metrics", {}).get("latencyMs", 0), cost)
