"""Requests for each second of processor time that a server uses, storing and searching by turns, mem0's beside it.

Processor time is the operating system's account of the server's process, all of its threads; so what it does in the
background is in it (in Recall the vectors, which are waited for), and what emulators and other processes do is not.
Both servers store the same texts for the same users and are asked the same questions, each new to them, one request at
a time: mem0's default store in process fails under several.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from tests.bench import peers
from tests.bench.api.world import Caller, cpu_seconds
from tests.bench.recall_quality.data import people

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.api.world import World
    from tests.integration.api.conftest import Pod

USERS = 4
Ask = tuple[str, str, Any]


def mix(requests: int, store: Callable[[str, str], Ask], search: Callable[[str, str], Ask]) -> list[list[Ask]]:
    """Return each user's requests: a text to store, then a question, and so on."""
    rng = random.Random(3)
    texts = [memory.text for person in people() for memory in person.memories]
    questions = [question.text for person in people() for question in person.questions]
    made: list[list[Ask]] = []
    for number in range(USERS):
        user = f"bench-mix-{number}"
        asks: list[Ask] = []
        for turn in range(requests // USERS // 2):
            asks.append(store(user, f"{rng.choice(texts)} ({number}-{turn})"))
            asks.append(search(user, f"{rng.choice(questions)} {number}-{turn}"))
        made.append(asks)
    return made


def run(callers: Sequence[Caller], asks: Sequence[Sequence[Ask]]) -> float:
    """Send all requests, one at a time, the users by turns; return the seconds it took."""
    began = time.perf_counter()
    for turn in zip(*asks, strict=True):
        for caller, ask in zip(callers, turn, strict=True):
            caller.send(*ask).read()
    return time.perf_counter() - began


def measure(world: World, pod: Pod, requests: int, note: Callable[[str], None]) -> dict[str, float]:
    """Return requests a second of processor time, and of time, of Recall and of mem0."""
    ours = mix(
        requests,
        lambda _user, text: ("POST", "/v1/memories", {"text": text}),
        lambda _user, query: ("POST", "/v1/recall", {"query": query}),
    )
    callers = [Caller(pod.url, world.token(f"bench-mix-{number}")) for number in range(USERS)]
    warm_up, asks = _warm_up(ours)
    run(callers, warm_up)
    world.settle(pod)
    before = cpu_seconds(pod.process.pid)
    seconds = run(callers, asks)
    world.settle(pod)
    used = cpu_seconds(pod.process.pid) - before
    count = sum(map(len, asks))
    found = {"rps_per_core": round(count / used, 1), "rps": round(count / seconds, 1)}
    note(f"Recall: {found}")
    for caller in callers:
        caller.close()
    return found | measure_mem0(world, world.folder, requests, note)


def measure_mem0(world: World, folder: Path, requests: int, note: Callable[[str], None]) -> dict[str, float]:
    """Return mem0's."""
    theirs = mix(
        requests,
        lambda user, text: ("POST", "/memories", {"messages": [{"role": "user", "content": text}], "user_id": user}),
        lambda user, query: ("POST", "/search", {"query": query, "user_id": user}),
    )
    place = folder / "mem0"
    place.mkdir()
    with peers.mem0(place, world.instance.environment()) as (address, pid):
        callers = [Caller(address) for _ in range(USERS)]
        warm_up, asks = _warm_up(theirs)
        run(callers, warm_up)
        before = cpu_seconds(pid)
        seconds = run(callers, asks)
        used = cpu_seconds(pid) - before
        for caller in callers:
            caller.close()
    count = sum(map(len, asks))
    found = {"mem0_rps_per_core": round(count / used, 1), "mem0_rps": round(count / seconds, 1)}
    note(f"mem0: {found}")
    return found


def _warm_up(asks: list[list[Ask]]) -> tuple[list[list[Ask]], list[list[Ask]]]:
    first = max(2, len(asks[0]) // 20 * 2)
    return [mine[:first] for mine in asks], [mine[first:] for mine in asks]
