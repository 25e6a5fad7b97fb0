"""What the API adds to the time to a model's first words, LiteLLM's proxy beside it; and streams held at once.

The base is `converse_stream` by boto3 in this process; for answers with memories, one whose prompt holds as many. All
ask the same emulated Bedrock in turns, one question at a time, each a new one, over kept connections. The API is asked
as its web app asks it, with memories (the question is embedded and the user's 1,000 memories are searched), and
without, which is what LiteLLM's proxy does too. Both check a key; the API also sets money aside in DynamoDB before the
model is asked, and stores question and answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from recall_api.chat.model import Turn
from recall_api.chat.prompt import converse_request
from recall_api.models.registry import capabilities
from tests.bench import peers
from tests.bench.api.figures import added, quantiles
from tests.bench.api.search import memories
from tests.bench.api.world import CHAT_MODEL, EMBEDDING_MODEL, Caller, new_bedrock
from tests.bench.recall_quality.data import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from recall_api.memories.model import Memory
    from tests.bench.api.world import World
    from tests.integration.api.conftest import Pod

STREAMS: Final = 200
WORD_SECONDS: Final = 0.5
"""Between two words of the answers that are held at once: each takes longer than it takes to begin all."""
REMEMBERED: Final = 1_000
RECALLED: Final = 8
"""Memories in a prompt, as many as the API gives unless it is asked for more."""
WARM_UP: Final = 20


def measure(world: World, pod: Pod, rounds: int, note: Callable[[str], None]) -> dict[str, Any]:
    """Return the added milliseconds."""
    questions = _questions()
    recalled = memories(RECALLED)
    bedrock = world.bedrock.client()
    times: dict[str, list[float]] = {}

    def direct(memories: Sequence[Memory]) -> float:
        request = converse_request(
            model_id=CHAT_MODEL,
            turns=[Turn("user", next(questions))],
            memories=memories,
            abilities=capabilities(CHAT_MODEL),
            today=datetime.now(UTC).date(),
            guardrail=None,
        )
        began = time.perf_counter()
        elapsed = 0.0
        for event in bedrock.converse_stream(**request)["stream"]:
            if "contentBlockDelta" in event and not elapsed:
                elapsed = (time.perf_counter() - began) * 1000
        return elapsed

    def embedding() -> float:
        body = json.dumps({"inputText": next(questions), "dimensions": 256, "normalize": True})
        began = time.perf_counter()
        bedrock.invoke_model(modelId=EMBEDDING_MODEL, body=body)["body"].read()
        return (time.perf_counter() - began) * 1000

    def streamed(caller: Caller, path: str, body: Any, first: bytes) -> float:
        began = time.perf_counter()
        elapsed = 0.0
        for line in caller.send("POST", path, body):
            if not elapsed and first in line:
                elapsed = (time.perf_counter() - began) * 1000
        return elapsed

    with (
        peers.litellm(world.folder, world.bedrock.endpoint, CHAT_MODEL, world.instance.environment()) as address,
        Caller(address, peers.KEY) as proxy,
        Caller(pod.url, world.token("bench-chat")) as user,
    ):
        _remember(user)
        world.settle(pod, 300)

        def api(*, memory: bool) -> float:
            body = {"message": next(questions), "memory": memory, "model": CHAT_MODEL}
            return streamed(user, "/v1/chat", body, b"event: delta")

        def litellm() -> float:
            body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": next(questions)}]}
            return streamed(proxy, "/v1/chat/completions", body, b'"content":"')

        sides: dict[str, Callable[[], float]] = {
            "direct": lambda: direct(()),
            "direct-memories": lambda: direct(recalled),
            "memories": lambda: api(memory=True),
            "plain": lambda: api(memory=False),
            "litellm": litellm,
            "embedding": embedding,
        }
        for number in range(-WARM_UP, rounds):
            for name, ask in sides.items():
                value = ask()
                if number >= 0:
                    times.setdefault(name, []).append(value)
            if number >= 0 and (number + 1) % 50 == 0:
                note(
                    f"round {number + 1}/{rounds}: "
                    + str({name: quantiles(found)["p50"] for name, found in times.items()})
                )
    return {
        "ttft_added_ms": added(times["plain"], times["direct"]),
        "litellm_ttft_added_ms": added(times["litellm"], times["direct"]),
        "ttft_added_with_memories_ms": added(times["memories"], times["direct-memories"]),
        "ttft_direct_ms": quantiles(times["direct"]),
        "ttft_direct_with_memories_ms": quantiles(times["direct-memories"]),
        "embedding_call_ms": quantiles(times["embedding"]),
    }


def _questions() -> Iterator[str]:
    """Yield questions without end, none twice."""
    asked = [question.text for person in people() for question in person.questions]
    for number in itertools.count():
        yield f"{asked[number % len(asked)]} ({number})"


def _remember(user: Caller) -> None:
    texts = [memory.text for person in people() for memory in person.memories]
    for start in range(0, REMEMBERED, 100):
        some = [{"text": f"{text} ({start})"} for text in (texts * 2)[start : start + 100]]
        user.send("POST", "/v1/memories/batch", {"create": some}).read()


def hold(world: World, note: Callable[[str], None], streams: int = STREAMS) -> dict[str, int]:
    """Return how many of `streams` answers at once came to their end, and how many did not."""
    folder = world.folder / "slow-bedrock"
    folder.mkdir()
    with (
        new_bedrock(folder, WORD_SECONDS) as bedrock,
        world.pod(AWS_ENDPOINT_URL_BEDROCK_RUNTIME=bedrock.endpoint) as pod,
    ):
        tokens = [world.token(f"bench-stream-{number}") for number in range(streams)]
        done, most = asyncio.run(_hold(pod, tokens))
    note(f"{done} of {streams} streams came to their end, {most} at once")
    return {"streams_held": done, "streams_dropped": streams - done, "streams_at_once": most}


async def _hold(pod: Pod, tokens: list[str]) -> tuple[int, int]:
    most = 0

    async def ask(client: httpx.AsyncClient, token: str) -> bool:
        ended = False
        headers = {"authorization": f"Bearer {token}"}
        body = {"message": "Tell me about the blue bicycle.", "incognito": True}
        async with client.stream("POST", f"{pod.url}/v1/chat", json=body, headers=headers) as answer:
            async for line in answer.aiter_lines():
                ended = ended or line == "event: done"
        return ended

    async def watch(client: httpx.AsyncClient) -> None:
        nonlocal most
        while True:
            text = (await client.get(f"http://127.0.0.1:{pod.metrics_port}/metrics")).text
            line = next(line for line in text.splitlines() if line.startswith("recall_chat_streams "))
            most = max(most, int(float(line.split()[1])))
            await asyncio.sleep(0.2)

    limits = httpx.Limits(max_connections=len(tokens) + 10)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        watching = asyncio.create_task(watch(client))
        ended = await asyncio.gather(*(ask(client, token) for token in tokens), return_exceptions=True)
        watching.cancel()
    return sum(one is True for one in ended), most
