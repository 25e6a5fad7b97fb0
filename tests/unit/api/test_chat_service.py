"""How an answer ends, is booked and is kept, with a model that says what the test wants."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from recall_api.chat.conversation import Place, Status, new_conversation_id
from recall_api.chat.model import Delta, Done, Failed, Guarded, Proposed, Recalled, Started, Turn
from recall_api.chat.service import ChatService, Question
from recall_api.errors import ProblemError
from recall_api.identifiers import UserId
from recall_api.models.prices import price_of
from recall_api.telemetry import Metrics
from recall_api.usage.model import Reservation

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "amazon.nova-lite-v1:0"
USER = UserId("u")


def text(words: str) -> dict[str, Any]:
    return {"contentBlockDelta": {"delta": {"text": words}, "contentBlockIndex": 0}}


def end(reason: str) -> list[dict[str, Any]]:
    return [
        {"messageStop": {"stopReason": reason}},
        {"metadata": {"usage": {"inputTokens": 1_000, "outputTokens": 100}, "metrics": {"latencyMs": 5}}},
    ]


class Stream:
    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._events)

    def close(self) -> None:
        pass


class World:
    """What a chat service stands on."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.booked: list[tuple[int, bool]] = []
        self.kept: list[Any] = []
        self.refuses = False
        self.loses = False
        self.asked = 0

    def converse_stream(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        return {"stream": Stream(self.events)}

    async def reserve(self, _user: UserId, model: str, amount: int) -> Reservation:
        if self.refuses:
            raise ProblemError(429, "budget-spent", "The budget is spent")
        return Reservation("r", "202611", model, amount, 0)

    async def settle(
        self, _user: UserId, reservation: Reservation, _tokens: Any, cost: int, *, estimated: bool
    ) -> None:
        assert cost <= reservation.amount
        self.booked.append((cost, estimated))

    async def add(self, _user: UserId, _place: Place, question: Any, answer: Any) -> bool:
        self.kept.append((question, answer))
        return not self.loses

    def service(self) -> ChatService:
        settings = SimpleNamespace(
            max_streams=4, guardrail_id="", guardrail_version="", chat_models=(MODEL,), default_model=MODEL
        )
        aws = SimpleNamespace(chat=self, stream_threads=ThreadPoolExecutor(2))
        models = SimpleNamespace(invocation_id=lambda model: model, price=lambda model: price_of(model, model))
        parts: list[Any] = [aws, None, settings, Metrics(), models, self, self]
        return ChatService(*parts)


def question(message: str = "I am allergic to peanuts.", *, stored: bool = True) -> Question:
    place = Place(new_conversation_id(), is_new=True) if stored else None
    return Question((Turn("user", message),), MODEL, 0, place)


async def run(world: World, asked: Question) -> list[Any]:
    service = world.service()
    events = [event async for event in service.answer(await service.prepare(USER, asked))]
    await service.close()
    return events


async def test_a_whole_answer_is_kept_and_booked_before_it_is_done() -> None:
    world = World(text("Good "), text("to know."), *end("end_turn"))
    events = await run(world, question())
    assert [type(event) for event in events] == [Started, Recalled, Delta, Delta, Proposed, Done]
    assert world.booked == [(84, False)]
    assert events[-1].cost == 84
    ((asked, said),) = world.kept
    assert asked.text == "I am allergic to peanuts."
    assert (said.text, said.status) == ("Good to know.", Status.COMPLETE)


@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
async def test_what_a_guardrail_holds_back_is_said_plainly(reason: str) -> None:
    world = World(text("Sorry."), *end(reason))
    events = await run(world, question("Tell me a secret"))
    assert events[-2:] == [Guarded(reason), events[-1]]
    assert cast("Done", events[-1]).stop_reason == reason
    assert world.kept[0][1].status is Status.BLOCKED
    assert world.booked == [(84, False)]


async def test_an_answer_without_its_count_is_an_error_booked_as_an_estimate() -> None:
    world = World(text("Good "), {"messageStop": {"stopReason": "end_turn"}})
    events = await run(world, question())
    assert isinstance(events[-1], Failed)
    assert events[-1].problem.slug == "answer-truncated"
    ((cost, estimated),) = world.booked
    assert estimated
    assert cost > 0
    assert world.kept[0][1].status is Status.FAILED


async def test_incognito_keeps_and_proposes_nothing() -> None:
    world = World(text("Hm."), *end("end_turn"))
    events = await run(world, question(stored=False))
    assert events[0] == Started(MODEL, None, None, None)
    assert not [event for event in events if isinstance(event, Proposed)]
    assert world.kept == []
    assert world.booked == [(84, False)]


async def test_leaving_stops_keeps_and_books_once() -> None:
    world = World(text("Good "), text("to know."), *end("end_turn"))
    service = world.service()
    events = service.answer(await service.prepare(USER, question()))
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()
    await service.close()
    assert len(world.booked) == 1
    assert world.booked[0][1]
    assert world.kept[0][1].status is Status.STOPPED


async def test_leaving_before_the_model_was_asked_costs_nothing() -> None:
    world = World(text("Good "), *end("end_turn"))
    service = world.service()
    events = service.answer(await service.prepare(USER, question()))
    assert isinstance(await anext(events), Started)
    await events.aclose()
    await asyncio.sleep(0)
    await service.close()
    assert world.booked == [(0, False)]
    assert world.kept == []
    assert world.asked == 0


async def test_a_conversation_that_was_deleted_meanwhile_gets_no_answer_but_the_bill_stands() -> None:
    world = World(text("Good "), *end("end_turn"))
    world.loses = True
    events = await run(world, question())
    assert events[-1].problem.status == 404
    assert world.booked == [(84, False)]


async def test_a_model_is_not_asked_without_a_budget() -> None:
    world = World(text("Good "), *end("end_turn"))
    world.refuses = True
    with pytest.raises(ProblemError):
        await world.service().prepare(USER, question())
    assert world.asked == 0
