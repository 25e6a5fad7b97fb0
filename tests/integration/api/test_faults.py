"""Storage that throttles, fails, loses answers and does things by halves; pods that are killed under load.

Whatever happens: no acknowledged write is lost, none is doubled, and what an answer cost is booked once.
`RECALL_LONG=1` (make test-faults) plays more rounds of the same.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recall_api.aws import Aws
from recall_api.settings import Settings
from recall_api.storage import Table
from recall_api.telemetry import Metrics
from tests.integration.api.dynamodb_door import Door
from tests.integration.api.test_spending import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.api.conftest import Pod

ROUNDS = 12 if os.environ.get("RECALL_LONG") else 1
NOTES = 40 if os.environ.get("RECALL_LONG") else 4
WRITERS = 8


@pytest.fixture
def door(emulator: Any) -> Iterator[Door]:
    made = Door(emulator.endpoint)
    yield made
    made.close()


def stored_texts(user: httpx.Client) -> list[str]:
    texts: list[str] = []
    cursor = None
    while True:
        page = user.get("/v1/memories", params={"limit": 100} | ({"cursor": cursor} if cursor else {})).json()
        texts += [memory["text"] for memory in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return texts


def insist(user: httpx.Client, text: str, seconds: float = 60) -> None:
    """Store a note as a patient client does: again for as long as it is told that this may help."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = user.post("/v1/memories", json={"text": text})
        except httpx.TransportError:
            answer = None
        if answer is not None:
            if answer.status_code in (200, 201):
                return
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
        assert time.monotonic() < deadline, "never stored"


async def test_what_dynamodb_leaves_undone_of_a_batch_is_done_by_the_next(
    instance: Any, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in instance.environment(AWS_ENDPOINT_URL_DYNAMODB=door.endpoint).items():
        monkeypatch.setenv(name, value)
    aws = Aws(Settings(), Metrics())
    table = Table(aws, instance.memories_table)
    place = "USER#halves"
    sorts = [f"X#{number:03d}" for number in range(60)]
    for sort in sorts:
        assert await table.put_new({"pk": place, "sk": sort, "n": 1})
    # Halves of 60: 30, 15, 8, 4, 2, 1.
    door.arm("half", "BatchGetItem", "", 6)
    door.arm("half", "BatchWriteItem", "", 6)
    assert len(await table.get_many(place, sorts)) == 60
    await table.delete_many(place, sorts)
    assert door.left == 0
    assert await table.get_many(place, sorts) == []
    await aws.close()


def test_writers_get_through_a_storm_and_nothing_is_lost_or_doubled(
    start_pod: Callable[..., Pod], new_tokens: Callable[[], dict[str, str]], door: Door
) -> None:
    token = new_tokens()["access_token"]
    pods = [start_pod(AWS_ENDPOINT_URL_DYNAMODB=door.endpoint) for _ in range(2)]
    wanted = [f"Note {number} of the storm" for number in range(WRITERS * NOTES)]
    door.storm(refuse=0.25, fail=0.05, lose=0.05)

    def write(writer: int) -> None:
        with pods[writer % 2].client(token) as user:
            for text in wanted[writer::WRITERS]:
                insist(user, text)

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))
    door.storm()
    with pods[0].client(token) as user:
        assert sorted(stored_texts(user)) == sorted(wanted)
        # The guard against duplicates holds each of them too.
        assert user.post("/v1/memories", json={"text": wanted[0]}).json()["duplicate"] is True
        assert user.get("/v1/memories/counts").json()["total"] == len(wanted)


class Load:
    """Writers and askers of one user, who go on whatever happens to the pods."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.stop = threading.Event()
        self.acknowledged: list[str] = []
        self.costs: list[int] = []
        self.asked = 0
        self._lock = threading.Lock()

    def write(self, writer: int, pod: Callable[[], Pod]) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            text = f"Load {writer}-{number}"
            with pod().client(self.token) as user:
                try:
                    if user.post("/v1/memories", json={"text": text}).status_code == 201:
                        self.acknowledged.append(text)
                except httpx.TransportError:
                    self.stop.wait(0.2)

    def ask(self, pod: Callable[[], Pod]) -> None:
        while not self.stop.is_set():
            with pod().client(self.token) as user:
                with self._lock:
                    self.asked += 1
                try:
                    told = user.post("/v1/chat", json={"message": "What was loaded?", "incognito": True}).text
                except httpx.TransportError:
                    self.stop.wait(0.2)
                    continue
                if "event: done" in told:
                    with self._lock:
                        self.costs.append(int(told.rpartition('"costMicroDollars":')[2].split("}")[0].split(",")[0]))


def test_pods_that_are_killed_under_load_lose_nothing_and_book_once(
    start_pod: Callable[..., Pod], new_tokens: Callable[[], dict[str, str]], eventually: Callable[..., Any]
) -> None:
    settings: dict[str, Any] = {"RECALL_RESERVATION_SECONDS": "3", "RECALL_FREE_BUDGET": "1000000000", "seconds": 120}
    pods = [start_pod(**settings) for _ in range(2)]
    load = Load(new_tokens()["access_token"])
    jobs = [lambda n=n: load.write(n, lambda: pods[n % 2]) for n in range(4)]
    jobs += [lambda n=n: load.ask(lambda: pods[n % 2]) for n in range(2)]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            before = len(load.acknowledged), len(load.costs)
            eventually(lambda b=before: len(load.acknowledged) > b[0] + 8 and len(load.costs) > b[1], 60)
            pods[number % 2].kill()
            pods[number % 2] = start_pod(**settings)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    with pods[0].client(load.token) as user:
        texts = stored_texts(user)
        assert len(texts) == len(set(texts))
        assert set(load.acknowledged) <= set(texts)
        eventually(lambda: usage_of(user)["reservedMicroDollars"] == 0, 30)
        month = usage_of(user)
        answers = sum(model["answers"] for model in month["models"])
        assert len(load.costs) <= answers <= load.asked
        # An answer whose pod died before it was booked is booked with what was set aside: never less than it cost.
        assert month["spentMicroDollars"] >= sum(load.costs)
        assert month["spentMicroDollars"] - month["estimatedMicroDollars"] <= sum(load.costs) + max(load.costs) * (
            answers - len(load.costs)
        )
        assert usage_of(user) == month
