"""Chat through the running API, streamed by the emulated Bedrock."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from httpx_sse import connect_sse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CITING = "anthropic.claude-haiku-4-5-20251001-v1:0"
MARKING = "amazon.nova-lite-v1:0"
Event = tuple[str, dict[str, Any]]


@pytest.fixture
def faults(bedrock: Any) -> Iterator[Callable[..., None]]:
    """Arm a fault of the emulated Bedrock; all are disarmed at the end."""

    def arm(**fault: Any) -> None:
        httpx.post(f"{bedrock.endpoint}/_faults", json={"operation": "ConverseStream", **fault}).raise_for_status()

    yield arm
    httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()


def ask(user: httpx.Client, message: str, **fields: Any) -> list[Event]:
    with connect_sse(user, "POST", "/v1/chat", json={"message": message, **fields}) as source:
        assert source.response.status_code == 200, source.response.read()
        return [(event.event, json.loads(event.data)) for event in source.iter_sse()]


def answer_of(events: list[Event]) -> str:
    return "".join(data["text"] for name, data in events if name == "delta")


def named(events: list[Event], name: str) -> list[dict[str, Any]]:
    return [data for event, data in events if event == name]


@pytest.mark.parametrize("model", [CITING, MARKING])
def test_an_answer_streams_and_cites_its_memories(user: httpx.Client, model: str) -> None:
    text = "The blue bicycle stands in the cellar of number 14."
    memory = user.post("/v1/memories", json={"text": text}).json()
    user.post("/v1/memories", json={"text": "Tomatoes want water in the morning."})
    events = ask(user, "Where is the blue bicycle?", model=model)
    assert [name for name, _ in events[:2]] == ["started", "recalled"]
    assert events[-1][0] == "done"
    recalled = named(events, "recalled")[0]["memories"]
    assert recalled[0]["id"] == memory["id"]
    assert recalled[0]["text"] == text
    assert recalled[0]["number"] == 1
    assert len(named(events, "delta")) > 1
    assert "cellar" in answer_of(events)
    assert "[m" not in answer_of(events)
    cited = [data for data in named(events, "citation") if data["memoryId"] == memory["id"]]
    assert cited
    for citation in cited:
        assert "bicycle" in text[citation["start"] : citation["end"]]
        assert 0 <= citation["answerOffset"] <= len(answer_of(events))
    done = named(events, "done")[0]
    assert done["model"] == model
    assert done["stopReason"] == "end_turn"
    assert done["usage"]["inputTokens"] > 0
    assert done["usage"]["outputTokens"] > 0


def test_words_arrive_while_the_model_still_writes(user: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar of number 14."})
    with connect_sse(user, "POST", "/v1/chat", json={"message": "Where is the blue bicycle?"}) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        arrivals = [time.monotonic() for event in source.iter_sse() if event.event == "delta"]
    assert len({round(moment, 2) for moment in arrivals}) > 2


def test_a_conversation_goes_on(user: httpx.Client) -> None:
    history = [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hello, what can I do?"}]
    assert named(ask(user, "Tell me about bicycles.", history=history, incognito=True), "done")


def test_memory_can_be_switched_off(user: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar."})
    events = ask(user, "Where is the blue bicycle?", memory=False)
    assert named(events, "recalled")[0]["memories"] == []
    assert named(events, "citation") == []
    assert "cellar" not in answer_of(events)


@pytest.mark.parametrize("refused", [[MARKING], ["*"]])
def test_a_memory_is_kept_from_the_models_that_must_not_see_it(user: httpx.Client, refused: list[str]) -> None:
    user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar.", "neverSendTo": refused})
    kept = ask(user, "Where is the blue bicycle?", model=MARKING)
    assert named(kept, "recalled")[0]["memories"] == []
    other = named(ask(user, "Where is the blue bicycle?", model=CITING), "recalled")[0]["memories"]
    assert len(other) == (0 if refused == ["*"] else 1)


def test_a_throttled_model_is_asked_again_before_the_first_word(
    user: httpx.Client, faults: Callable[..., None]
) -> None:
    faults(kind="error", code="ThrottlingException", times=2)
    assert named(ask(user, "Hello"), "done")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"kind": "error", "code": "ThrottlingException", "times": 50}, "model-busy"),
        ({"kind": "error", "code": "AccessDeniedException", "times": 50}, "model-not-available"),
        ({"kind": "error", "code": "ValidationException", "times": 50}, "model-refused"),
        ({"kind": "stream-error", "code": "ThrottlingException", "after": 3}, "model-busy"),
        ({"kind": "stream-error", "code": "ModelStreamErrorException", "after": 3}, "model-failed"),
        ({"kind": "no-metadata"}, "answer-truncated"),
    ],
)
def test_an_answer_that_fails_says_so(
    user: httpx.Client, faults: Callable[..., None], fault: dict[str, Any], problem: str
) -> None:
    faults(**fault)
    events = ask(user, "Hello, tell me something about bicycles.")
    assert events[-1][0] == "error"
    assert events[-1][1]["type"] == f"urn:recall:problem:{problem}"
    assert named(events, "done") == []


def test_a_dropped_connection_is_an_error_that_the_client_sees(user: httpx.Client, faults: Callable[..., None]) -> None:
    faults(kind="cut", after=3)
    events = ask(user, "Hello, tell me something about bicycles.")
    assert events[-1][0] == "error"


def test_a_silent_model_is_bridged_by_comments(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], faults: Callable[..., None], bedrock: Any
) -> None:
    pod = start_pod(RECALL_KEEPALIVE_SECONDS="0.2")
    faults(kind="hold", after=2)
    with pod.client(new_tokens()["access_token"]) as user, user.stream("POST", "/v1/chat", json={"message": "Hi"}) as r:
        seen = b""
        released = False
        for chunk in r.iter_bytes():
            seen += chunk
            if not released and seen.count(b": ping\n\n") >= 3:
                released = True
                httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
    pod.kill()
    assert released
    assert b"event: done" in seen


def test_a_client_that_leaves_stops_the_model_within_a_second(
    pod: Any, user: httpx.Client, bedrock: Any, faults: Callable[..., None], eventually: Callable[..., Any]
) -> None:
    faults(kind="hold", after=2)
    before = len(bedrock.requests())
    with user.stream("POST", "/v1/chat", json={"message": "Hello"}) as response:
        chunks = response.iter_bytes()  # kept: httpx closes the connection with the iterator
        assert next(chunks)
        eventually(lambda: "recall_chat_streams 1.0" in pod.metrics())
    left = time.monotonic()
    eventually(lambda: "recall_chat_streams 0.0" in pod.metrics(), 1.0)
    assert time.monotonic() - left < 1
    assert 'outcome="disconnected"' in pod.metrics()
    # The model's side saw its connection go, too.
    eventually(lambda: any(asked["outcome"] == "disconnected" for asked in bedrock.requests()[before:]), 1.0)


def test_many_answers_stream_at_once(user: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar of number 14."})
    with ThreadPoolExecutor(max_workers=40) as pool:
        answers = list(pool.map(lambda _: ask(user, "Where is the blue bicycle?"), range(40)))
    assert [events[-1][0] for events in answers] == ["done"] * 40


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.message"),
        ({"message": " "}, "body.message"),
        ({"message": "a", "model": "gpt-x"}, "body.model"),
        ({"message": "a", "history": [{"role": "system", "text": "x"}]}, "body.history.0.role"),
        ({"message": "a", "history": [{"role": "assistant", "text": "x"}]}, "body"),
        ({"message": "a", "history": [{"role": "user", "text": "x"}]}, "body"),
        ({"message": "a", "maxMemories": 0}, "body.maxMemories"),
        ({"message": "a\0"}, "body.message"),
    ],
)
def test_bad_questions_are_refused_by_field(user: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = user.post("/v1/chat", json=body)
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
