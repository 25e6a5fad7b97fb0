"""The watch and the queue of RecallBackups: what calls for a pass, and what does when no event comes."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.backups.service import Backups
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.events import Events
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from recall_operator.kubernetes.client import ObjectKey


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not question():  # noqa: ASYNC110 - the fakes tell nobody when they change
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    world = World()
    await world.settle(world.kubernetes.put_instance({"hostname": "beta.example.org"}))
    world.forget_writes()
    return world


@pytest.fixture
async def backups(world: World) -> AsyncIterator[Backups]:
    """Backups at work, as the operator runs them, except that only the test lists."""
    service = Backups(world.platform, world.clients, Events(world.kubernetes, "test"))
    working = asyncio.create_task(service._queue.run())
    yield service
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


def ready(world: World, key: ObjectKey) -> bool:
    conditions = world.kubernetes.objects[key].get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def event(world: World, key: ObjectKey, kind: str = "ADDED") -> dict[str, Any]:
    return {"type": kind, "object": copy.deepcopy(world.kubernetes.objects[key])}


async def test_an_event_leads_to_a_backup_and_people_are_told(world: World, backups: Backups) -> None:
    key = world.kubernetes.put_backup()
    backups.changed(event(world, key))
    await until(lambda: ready(world, key))
    told = [item for name, item in world.kubernetes.objects.items() if name.kind == "Event"]
    assert {(item["regarding"]["kind"], item["reason"]) for item in told} >= {("RecallBackup", "Available")}


async def test_a_list_makes_up_for_lost_events(world: World, backups: Backups) -> None:
    key = world.kubernetes.put_backup(deletionPolicy="Delete")
    await backups.list_once()
    await until(lambda: ready(world, key))
    # Settled, it is looked at again tomorrow; that it is being deleted must not wait for that.
    await until(lambda: "default/before" in backups._queue._timers)
    world.kubernetes.delete_instance(key)
    await backups.list_once()
    await until(lambda: key not in world.kubernetes.objects)
    assert world.aws.backups == {}


async def test_the_operators_own_status_is_no_reason_for_a_pass(world: World, backups: Backups) -> None:
    key = world.kubernetes.put_backup()
    backups.changed(event(world, key))
    await until(lambda: "default/before" in backups._queue._timers and ready(world, key))
    calls = len(world.aws.calls)
    for _ in range(3):
        backups.changed(event(world, key, "MODIFIED"))
        await backups.list_once()
    assert "default/before" in backups._queue._timers
    assert len(world.aws.calls) == calls


async def test_without_the_kind_the_operator_goes_on_and_lists_again(world: World) -> None:
    tried = 0

    async def missing(*_: Any) -> AsyncIterator[dict[str, Any]]:
        nonlocal tried
        tried += 1
        raise ApiServerError(404, "NotFound", "the server could not find the requested resource")
        yield {}

    world.kubernetes.listed = missing  # type: ignore[method-assign]
    running = asyncio.create_task(Backups(world.platform, world.clients, None).run())
    await until(lambda: tried == 1)
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
