"""The queue: once at a time, never lost, patient with what fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.requests.rate import (
    LONGEST_BACKOFF_SECONDS,
    RESYNC_SECONDS,
    Crowd,
    TokenBucket,
    backoff,
    backoff_ceiling,
    poll_delay,
    resync_delay,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

chances = some.floats(0, 1)


@given(failures=some.integers(1, 10_000), chance=chances)
def test_backoff_grows_to_five_minutes_with_full_jitter(failures: int, chance: float) -> None:
    assert 0 <= backoff(failures, chance) <= backoff_ceiling(failures) <= LONGEST_BACKOFF_SECONDS
    assert backoff_ceiling(failures) <= backoff_ceiling(failures + 1)
    assert backoff(failures, 0) == 0
    assert backoff(failures, 1) == backoff_ceiling(failures)


def test_backoff_starts_at_a_second_and_ends_at_five_minutes() -> None:
    assert [backoff_ceiling(failures) for failures in (1, 2, 3, 9, 10, 99)] == [1, 2, 4, 256, 300, 300]


@given(chance=chances)
def test_resync_is_ten_minutes_give_or_take_a_fifth(chance: float) -> None:
    assert 0.8 <= round(resync_delay(chance) / RESYNC_SECONDS, 9) <= 1.2


@given(passes=some.integers(0, 1000))
def test_looking_again_becomes_rarer_but_never_rare(passes: int) -> None:
    assert 0.1 <= poll_delay(passes) <= poll_delay(passes + 1) <= 15


async def test_the_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=50, burst=5)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asyncio.gather(*(bucket.take() for _ in range(5)))
    assert loop.time() - begin < 0.05
    await asyncio.gather(*(bucket.take() for _ in range(10)))
    assert loop.time() - begin >= 0.18


@contextlib.asynccontextmanager
async def running(work: Callable[[str], Awaitable[Outcome]], **options: int) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(work, chance=lambda: 0.0, **options)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the queue tells nobody when it is done
            await asyncio.sleep(0.005)


async def test_a_key_that_waits_is_not_queued_twice() -> None:
    passes: Counter[str] = Counter()

    async def work(key: str) -> Outcome:
        passes[key] += 1
        return Outcome.GONE

    async with running(work) as queue:
        for _ in range(100):
            queue.add("a/b")
        queue.add("a/c")
        await until(lambda: passes["a/c"] == 1)
    assert passes == {"a/b": 1, "a/c": 1}


async def test_one_key_is_never_worked_on_twice_at_once_and_no_change_is_lost() -> None:
    gate = asyncio.Event()
    under_way, most, passes = 0, 0, 0

    async def work(_: str) -> Outcome:
        nonlocal under_way, most, passes
        under_way += 1
        most = max(most, under_way)
        await gate.wait()
        under_way -= 1
        passes += 1
        return Outcome.GONE

    async with running(work) as queue:
        queue.add("a/b")
        await until(lambda: under_way == 1)
        for _ in range(5):
            queue.add("a/b")
            await asyncio.sleep(0)
        gate.set()
        await until(lambda: passes == 2)
    assert most == 1


async def test_keys_are_worked_on_side_by_side() -> None:
    both = asyncio.Barrier(2)
    done: set[str] = set()

    async def work(key: str) -> Outcome:
        await both.wait()
        done.add(key)
        return Outcome.GONE

    async with running(work, workers=2) as queue:
        queue.add("a/b")
        queue.add("a/c")
        await until(lambda: len(done) == 2)
    assert done == {"a/b", "a/c"}


@pytest.mark.parametrize("first", [Outcome.FAILED, Outcome.PROGRESSING, Outcome.MOVED, None])
async def test_what_is_not_settled_is_tried_again(first: Outcome | None) -> None:
    passes = 0

    async def work(_: str) -> Outcome:
        nonlocal passes
        passes += 1
        if passes == 1 and first is None:
            raise RuntimeError("a bug")
        return first if passes == 1 and first else Outcome.GONE

    async with running(work) as queue:
        queue.add("a/b")
        await until(lambda: passes == 2)
    assert passes == 2


async def test_a_settled_key_is_left_alone_and_ensure_does_not_disturb_it() -> None:
    passes: Counter[str] = Counter()

    async def work(key: str) -> Outcome:
        passes[key] += 1
        return Outcome.SETTLED

    async with running(work) as queue:
        queue.add("a/b")
        await until(lambda: passes["a/b"] == 1)
        queue.ensure("a/b")
        queue.ensure("a/new")
        await until(lambda: passes["a/new"] == 1)
    assert passes["a/b"] == 1


async def test_a_change_does_not_wait_for_the_background() -> None:
    gate, done = asyncio.Event(), []

    async def work(key: str) -> Outcome:
        if key != "a/changed":
            await gate.wait()
        done.append(key)
        return Outcome.GONE

    async with running(work, workers=1, background_workers=2) as queue:
        for number in range(10):
            queue.add(f"a/{number}", background=True)
        await until(lambda: len(queue._running) == 2)
        queue.add("a/changed")
        await until(lambda: done == ["a/changed"])
        queue.add("a/9")  # It moves up: somebody waits for it now.
        await until(lambda: "a/9" in queue._running)
        gate.set()
        await until(lambda: len(done) == 11)
        await asyncio.sleep(0)
    assert sorted(done) == sorted(["a/changed", *(f"a/{number}" for number in range(10))])


async def test_the_background_takes_its_tokens_last_and_leaves_some() -> None:
    bucket, order = TokenBucket(rate=100, burst=8), []

    async def take(name: str, *, background: bool) -> None:
        await bucket.take(background=background)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(take("background", background=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(order) == 6
        for _ in range(4):
            group.create_task(take("change", background=False))
    assert order == ["background"] * 6 + ["change"] * 4 + ["background"] * 4


def test_one_who_is_throttled_alone_is_nobody_elses_business() -> None:
    now = 0.0
    crowd = Crowd(10.0, lambda: now)
    for number in range(8):
        crowd.served(f"a/{number}")
    assert not crowd.throttled("a/poisoned")
    assert not crowd.throttled("a/poisoned")
    assert not crowd.throttled("a/another")
    assert crowd.throttled("a/third")
    now = 11.0
    assert not crowd.throttled("a/another")


async def test_the_age_of_the_oldest_key_tells_that_workers_are_stuck() -> None:
    async def stuck(_: str) -> Outcome:
        await asyncio.Event().wait()
        return Outcome.GONE

    async with running(stuck, workers=1) as queue:
        assert queue.oldest_seconds() == 0
        queue.add("a/b")
        queue.add("a/c")
        await until(lambda: queue.oldest_seconds() > 0.02)
