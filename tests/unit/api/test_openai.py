"""OpenAI's door without a server: messages, names of models, errors, and what a system message becomes."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recall_api.chat.model import Turn
from recall_api.chat.prompt import SYSTEM_PROMPT, Inference, converse_request
from recall_api.errors import ProblemError, invalid
from recall_api.models.registry import capabilities
from recall_api.openai.answers import finish_reason
from recall_api.openai.errors import answer_of, respond, status_of
from recall_api.openai.messages import turns_of
from recall_api.openai.models import WITHOUT_MEMORIES, chosen
from recall_api.openai.schemas import InputMessage

if TYPE_CHECKING:
    from recall_api.openai.schemas import AssistantMessage, SystemMessage, UserMessage

MESSAGES: TypeAdapter[list[SystemMessage | UserMessage | AssistantMessage]] = TypeAdapter(list[InputMessage])
WORDS = st.text(alphabet="abc \n", min_size=1).filter(str.strip)


def messages(*said: tuple[str, str]) -> list[Any]:
    return MESSAGES.validate_python([{"role": role, "content": text} for role, text in said])


@given(
    st.lists(WORDS, max_size=3),
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), WORDS), max_size=8),
    WORDS,
)
def test_turns_alternate_and_lose_no_word(system: list[str], said: list[tuple[str, str]], last: str) -> None:
    given_messages = messages(*(("system", text) for text in system), ("user", "a"), *said, ("user", last))
    instructions, turns = turns_of(given_messages)
    assert instructions == "\n\n".join(system)
    assert [turn.role for turn in turns] == ["user" if place % 2 == 0 else "assistant" for place in range(len(turns))]
    assert "\n\n".join(turn.text for turn in turns) == "\n\n".join(["a", *(text for _, text in said), last])


@pytest.mark.parametrize(
    "said",
    [
        [("system", "a")],
        [("assistant", "a"), ("user", "a")],
        [("user", "a"), ("assistant", "a")],
        [("user", "a"), ("developer", "a"), ("user", "a")],
    ],
)
def test_an_order_without_a_place_is_refused(said: list[tuple[str, str]]) -> None:
    with pytest.raises(ProblemError) as refused:
        turns_of(messages(*said))
    assert refused.value.status == 400


def test_a_message_that_calls_tools_is_refused() -> None:
    with pytest.raises(ValidationError):
        MESSAGES.validate_python([{"role": "assistant", "content": "a", "tool_calls": [{"id": "x"}]}])
    MESSAGES.validate_python([{"role": "assistant", "content": "a", "tool_calls": None, "refusal": None}])


def test_the_suffix_is_no_part_of_the_model() -> None:
    assert chosen("amazon.nova-lite-v1:0") == ("amazon.nova-lite-v1:0", True)
    assert chosen("amazon.nova-lite-v1:0" + WITHOUT_MEMORIES) == ("amazon.nova-lite-v1:0", False)


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_ends_have_openais_words(stop_reason: str, expected: str) -> None:
    assert finish_reason(stop_reason) == expected


@pytest.mark.parametrize(
    ("problem", "status", "code", "param", "repeat"),
    [
        (invalid("body.model", "m", "model_not_offered"), 404, "model_not_found", "model", "false"),
        (invalid("body.topP", "m", "temperature_with_top_p"), 400, "temperature_with_top_p", "top_p", "false"),
        (ProblemError(401, "unauthorized", "t"), 401, "invalid_api_key", None, "false"),
        (
            ProblemError(429, "budget-spent", "t", headers={"Retry-After": "9000"}),
            429,
            "insufficient_quota",
            None,
            "false",
        ),
        (ProblemError(429, "budget-spent", "t", headers={"Retry-After": "5"}), 429, "insufficient_quota", None, "true"),
        (ProblemError(429, "too-many-requests", "t"), 429, "too-many-requests", None, "true"),
        (ProblemError(503, "busy", "t", headers={"Retry-After": "2"}), 503, "busy", None, "true"),
        (ProblemError(502, "answer-truncated", "t"), 502, "answer-truncated", None, "false"),
        (ProblemError(502, "model-refused", "t"), 400, "model-refused", None, "false"),
    ],
)
def test_problems_become_openais_errors(
    problem: ProblemError, status: int, code: str, param: str | None, repeat: str
) -> None:
    error, answer = answer_of(problem).error, respond(problem)
    assert (status_of(problem), error.code, error.param) == (status, code, param)
    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == repeat
    assert json.loads(bytes(answer.body))["error"]["message"]


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", "mistral.mistral-7b-instruct-v0:2"])
def test_instructions_follow_recalls_own_and_stop_texts_are_sent(model: str) -> None:
    request = converse_request(
        model_id=model,
        turns=[Turn("user", "Hello")],
        memories=[],
        abilities=capabilities(model),
        today=date(2026, 3, 1),
        guardrail=None,
        inference=Inference(stop=("END",)),
        system="Talk like a pirate.",
    )
    text = json.dumps(request.get("system") or request["messages"][0]["content"][0])
    assert text.index(SYSTEM_PROMPT[:20]) < text.index("Talk like a pirate.")
    assert request["inferenceConfig"]["stopSequences"] == ["END"]
