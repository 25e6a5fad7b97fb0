"""How an answer ends, is booked and is kept, with a model that says what the test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from recall_api.chat.conversation import Place, Status, new_conversation_id
from recall_api.chat.model import Delta, Done, Failed, Guarded, Proposed, Recalled, Started, Turn
from recall_api.chat.service import ChatService, Question
from recall_api.errors import ProblemError, unavailable
from recall_api.identifiers import MemoryId, UserId
from recall_api.limits import Limits
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.models.prices import price_of
from recall_api.search.index import Hit
from recall_api.search.service import Found
from recall_api.telemetry import Metrics
from recall_api.usage.model import Reservation
from recall_local.bedrock import eventstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = "amazon.nova-lite-v1:0"
USER = UserId("u")


def text(words: str) -> dict[str, Any]:
    return {"contentBlockDelta": {"delta": {"text": words}, "contentBlockIndex": 0}}


def end(reason: str) -> list[dict[str, Any]]:
    return [
        {"messageStop": {"stopReason": reason}},
        {"metadata": {"usage": {"inputTokens": 1_000, "outputTokens": 100}, "metrics": {"latencyMs": 5}}},
    ]


class World:
    """What a chat service stands on."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.booked: list[tuple[int, bool]] = []
        self.kept: list[Any] = []
        self.refuses = False
        self.loses = False
        self.asked = 0
        self.asking = asyncio.Event()
        self.reserved: list[int] = []
        self.room = 10**9
        self.remembered = "The bicycle is blue."
        self.search_fails = False

    @asynccontextmanager
    async def converse_stream(self, _request: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked += 1
        self.asking.set()
        yield self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for event in self.events:
            ((name, content),) = event.items()
            yield eventstream.event(name, content)

    async def reserve(self, _user: UserId, model: str, amount: int) -> Reservation:
        self.reserved.append(amount)
        if self.refuses or amount > self.room:
            raise ProblemError(429, "budget-spent", "The budget is spent")
        return Reservation(f"r{len(self.reserved)}", "202611", model, amount, 0)

    async def search(self, _user: UserId, _query: str, **_: Any) -> Found:
        if self.search_fails:
            raise unavailable("Storage")
        now = datetime(2026, 11, 1, tzinfo=UTC)
        memory = Memory(MemoryId("0" * 26), MemoryContent(self.remembered), 1, now, now, Source.TYPED)
        return Found([Hit(memory, 1.0, None, None)], by_meaning=True)

    async def settle(
        self, _user: UserId, reservation: Reservation, _tokens: Any, cost: int, *, estimated: bool = False
    ) -> None:
        assert cost <= reservation.amount
        self.booked.append((cost, estimated))

    async def add(self, _user: UserId, _place: Place, question: Any, answer: Any) -> bool:
        self.kept.append((question, answer))
        return not self.loses

    def service(self) -> ChatService:
        settings: Any = SimpleNamespace(
            user_streams=4,
            user_requests_per_minute=600,
            address_requests_per_minute=600,
            max_streams=4,
            guardrail_id="",
            guardrail_version="",
            chat_models=(MODEL,),
            default_model=MODEL,
        )
        models = SimpleNamespace(invocation_id=lambda model: model, price=lambda model: price_of(model, model))
        metrics = Metrics()
        parts: list[Any] = [self, self, settings, metrics, models, self, self, Limits(settings, metrics)]
        return ChatService(*parts)


def question(message: str = "I am allergic to peanuts.", *, stored: bool = True, memories: int = 0) -> Question:
    place = Place(new_conversation_id(), is_new=True) if stored else None
    return Question((Turn("user", message),), MODEL, memories, place)


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
    ((cost, estimated),) = world.booked
    assert estimated
    stopped = world.kept[0][1]
    assert (stopped.status, stopped.cost) == (Status.STOPPED, cost)
    assert cost > 0


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


async def test_the_model_is_asked_while_the_client_is_told_what_was_recalled() -> None:
    world = World(text("It is blue."), *end("end_turn"))
    service = world.service()
    answer = service.answer(await service.prepare(USER, question(memories=1)))
    assert isinstance(await anext(answer), Started)
    async with asyncio.timeout(5):
        await world.asking.wait()
    await answer.aclose()
    await service.close()
    assert [estimated for _, estimated in world.booked] == [True]


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


async def test_money_is_set_aside_once_while_memories_are_recalled() -> None:
    world = World(text("Blue."), *end("end_turn"))
    await run(world, question("Which colour?", stored=False, memories=1))
    assert len(world.reserved) == 1
    assert len(world.booked) == 1


async def test_memories_that_need_more_than_was_set_aside_have_it_set_aside_before_the_model_is_asked() -> None:
    world = World(text("Blue."), *end("end_turn"))
    world.remembered = "blue " * 1_500
    service = world.service()
    prepared = await service.prepare(USER, question("Which colour?", stored=False, memories=1))
    guessed, exact = world.reserved
    assert guessed < exact == prepared.reservation.amount
    assert world.booked == [(0, False)]  # the first one was given back
    assert world.asked == 0


async def test_a_budget_with_room_for_the_prompt_but_not_for_the_guess_is_enough() -> None:
    world = World(text("Blue."), *end("end_turn"))
    plenty = await world.service().prepare(USER, question("Which colour?", stored=False, memories=1))
    world.room = plenty.reservation.amount - 1
    world.reserved.clear()
    fitting = await world.service().prepare(USER, question("Which colour?", stored=False, memories=1))
    assert fitting.reservation.amount <= world.room < world.reserved[0]
    world.room = fitting.reservation.amount - 1
    refusing = world.service()
    with pytest.raises(ProblemError) as refused:
        await refusing.prepare(USER, question("Which colour?", stored=False, memories=1))
    assert refused.value.status == 429


async def test_what_was_set_aside_is_given_back_when_recall_fails() -> None:
    world = World()
    world.search_fails = True
    service = world.service()
    with pytest.raises(ProblemError):
        await service.prepare(USER, question("Which colour?", stored=False, memories=1))
    await service.close()
    assert world.booked == [(0, False)]
