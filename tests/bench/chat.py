"""Milliseconds that the API adds to the time to first token of a direct `converse_stream`: build/bench/chat.json.

Both ask the same emulated Bedrock in turns, one question at a time, over kept connections. What is added is
everything: the check of the token, recall (with the question's embedding), the reservation in DynamoDB, the stream.
Run beside it without memories, which is what remains without the embedding. The emulated DynamoDB answers more slowly
than the real one; its share is measured and given apart (`reserve_ms`).
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recall_local.bedrock import server as bedrock_server
from tests.integration.api.conftest import MODELS, make_instance, run_pod
from tests.integration.conftest import Bedrock, Server, free_port, new_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

ROUNDS = 100
WARM_UP = 20
OUTPUT = Path("build/bench/chat.json")
QUESTION = "Where is the blue bicycle?"


def quick_bedrock(folder: Path) -> Bedrock:
    """Return a Bedrock emulator whose model writes without pauses, not started."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = bedrock_server.command("127.0.0.1", port, log_folder=folder, word_delay=0)
    server = Server(command, folder / "bedrock.log", lambda: bedrock_server.is_ready(endpoint))
    return Bedrock(endpoint=endpoint, folder=folder, server=server)


def direct(client: Any) -> float:
    """Return the milliseconds to the first text of a direct call."""
    began = time.perf_counter()
    messages = [{"role": "user", "content": [{"text": QUESTION}]}]
    stream = client.converse_stream(modelId=MODELS[0], messages=messages)["stream"]
    elapsed = 0.0
    for event in stream:
        if "contentBlockDelta" in event and not elapsed:
            elapsed = (time.perf_counter() - began) * 1000
    return elapsed


def through_the_api(user: httpx.Client, *, memory: bool) -> float:
    """Return the milliseconds to the first text of an answer of the API."""
    began = time.perf_counter()
    elapsed = 0.0
    body = {"message": QUESTION, "incognito": True, "memory": memory}
    with user.stream("POST", "/v1/chat", json=body) as answer:
        for line in answer.iter_lines():
            if line == "event: delta" and not elapsed:
                elapsed = (time.perf_counter() - began) * 1000
    return elapsed


def reservation(instance: Any) -> Callable[[], float]:
    """Return a measurement of one conditional update as a reservation makes it."""
    table = instance.aws.client("dynamodb")
    numbers: Iterator[int] = iter(range(100_000))

    def measure() -> float:
        began = time.perf_counter()
        table.update_item(
            TableName=instance.users_table,
            Key={"pk": {"S": "BENCH"}, "sk": {"S": "USAGE"}},
            UpdateExpression="SET #open = :one ADD committed :one",
            ConditionExpression="attribute_not_exists(#open)",
            ExpressionAttributeNames={"#open": f"open#{next(numbers) % 8}#{time.monotonic_ns()}"},
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="NONE",
        )
        return (time.perf_counter() - began) * 1000

    return measure


def quantiles(values: list[float]) -> dict[str, float]:
    """Return p50 and p99."""
    return {"p50": round(statistics.median(values), 2), "p99": round(statistics.quantiles(values, n=100)[98], 2)}


def main() -> None:
    """Measure and write the figures."""
    folders = [Path(tempfile.mkdtemp(prefix=f"bench-{name}-")) for name in ("aws", "bedrock", "pod")]
    emulator, bedrock = new_emulator(folders[0]), quick_bedrock(folders[1])
    emulator.server.start()
    bedrock.server.start()
    try:
        instance = make_instance(emulator, bedrock)
        pod = run_pod(instance, folders[2], seconds=60, RECALL_FREE_BUDGET="1000000000")
        try:
            with pod.client(instance.sign_in("bench")["access_token"]) as user:
                user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar."}).raise_for_status()
                client, reserve = bedrock.client(), reservation(instance)
                times: dict[str, list[float]] = {"direct": [], "api": [], "no_memory": [], "reserve": []}
                for number in range(ROUNDS + WARM_UP):
                    found = {
                        "direct": direct(client),
                        "api": through_the_api(user, memory=True),
                        "no_memory": through_the_api(user, memory=False),
                        "reserve": reserve(),
                    }
                    if number >= WARM_UP:
                        for name, value in found.items():
                            times[name].append(value)
        finally:
            pod.kill()
    finally:
        bedrock.server.stop()
        emulator.server.stop()
    base = quantiles(times["direct"])
    figures = {
        "rounds": ROUNDS,
        "direct_ttft_ms": base,
        "ttft_added_ms": {name: round(value - base[name], 2) for name, value in quantiles(times["api"]).items()},
        "ttft_added_without_memories_ms": {
            name: round(value - base[name], 2) for name, value in quantiles(times["no_memory"]).items()
        },
        "reserve_ms": quantiles(times["reserve"]),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    print(OUTPUT.read_text())


if __name__ == "__main__":
    main()
