"""OpenAI's own Python client, unchanged, against the running API."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from .test_chat import CITING, MARKING, faults
from .test_isolation import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["faults"]

BICYCLE = "The blue bicycle stands in the cellar of number 14."
GUIDE = Path(__file__).parents[3] / "docs/how-to/openai.md"


@pytest.fixture
def token(user: httpx.Client) -> str:
    """A personal access token for chat alone, as a program would have one."""
    made = user.post("/v1/account/tokens", json={"name": "program", "scopes": ["chat"]})
    return str(made.json()["token"])


@pytest.fixture
def client(pod: Any, token: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{pod.url}/v1/openai", api_key=token, max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, text: str = "Where is the blue bicycle?", **fields: Any) -> Any:
    fields = {"model": MARKING, "messages": [{"role": "user", "content": text}]} | fields
    return client.chat.completions.create(**fields)


@pytest.mark.parametrize("model", [CITING, MARKING])
def test_a_whole_answer_knows_and_names_its_memories(client: openai.OpenAI, user: httpx.Client, model: str) -> None:
    memory = user.post("/v1/memories", json={"text": BICYCLE}).json()
    answer = ask(client, model=model)
    choice = answer.choices[0]
    assert (answer.object, answer.model, choice.finish_reason) == ("chat.completion", model, "stop")
    assert "cellar" in choice.message.content
    assert "[m" not in choice.message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.recall["memories"][0]["memory_id"] == memory["id"]
    assert answer.recall["memories"][0]["text"] == BICYCLE
    citation = answer.recall["citations"][0]
    assert "bicycle" in BICYCLE[citation["start"] : citation["end"]]
    assert user.get("/v1/usage").json()["spentMicroDollars"] == answer.recall["cost_micro_dollars"] > 0


def test_a_streamed_answer_is_the_same(client: openai.OpenAI, user: httpx.Client) -> None:
    memory = user.post("/v1/memories", json={"text": BICYCLE}).json()
    chunks = list(ask(client, model=CITING, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].recall["memories"][0]["memory_id"] == memory["id"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "cellar" in text
    assert [c["memory_id"] for chunk in chunks for c in (getattr(chunk, "recall", None) or {}).get("citations", [])]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0


def test_every_chunk_is_as_documented(pod: Any, token: str) -> None:
    from jsonschema import Draft202012Validator

    schema = {"$ref": "#/components/schemas/CompletionChunk", "components": DOCUMENT["components"]}
    validator = Draft202012Validator(schema)
    body = {"model": MARKING, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with pod.client(token) as program:
        lines = program.post("/v1/openai/chat/completions", json=body).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    for line in lines[:-2]:
        validator.validate(json.loads(line.removeprefix("data: ")))


async def test_the_asynchronous_client_works_with_a_sign_in_token(
    pod: Any, new_tokens: Callable[[], dict[str, str]]
) -> None:
    signed_in = new_tokens()["access_token"]
    async with openai.AsyncOpenAI(base_url=f"{pod.url}/v1/openai", api_key=signed_in) as client:
        stream = await client.chat.completions.create(
            model=MARKING, messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


def test_the_suffix_switches_memories_off(client: openai.OpenAI, user: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": BICYCLE})
    answer = ask(client, model=f"{MARKING}@no-memory")
    assert answer.model == f"{MARKING}@no-memory"
    assert answer.recall["memories"] == []
    assert "cellar" not in answer.choices[0].message.content


def test_nothing_is_stored(client: openai.OpenAI, user: httpx.Client) -> None:
    ask(client, "I am allergic to peanuts.")
    assert user.get("/v1/conversations").json()["items"] == []
    assert user.get("/v1/memories").json()["items"] == []


def test_an_answer_can_be_sent_back_with_the_next_question(client: openai.OpenAI) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": "Are you there?"},
    ]
    messages.append(ask(client, messages=messages).choices[0].message)
    messages.append({"role": "user", "content": "Good. Where is the bicycle?"})
    assert ask(client, messages=messages).choices[0].message.content


def test_a_short_limit_and_a_stop_text_end_the_answer(client: openai.OpenAI, user: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": BICYCLE})
    assert ask(client, max_tokens=3).choices[0].finish_reason == "length"
    assert ask(client, max_completion_tokens=3).choices[0].finish_reason == "length"
    stopped = ask(client, stop=["cellar"]).choices[0]
    assert stopped.finish_reason == "stop"
    assert "bicycle" in stopped.message.content
    assert "cellar" not in stopped.message.content


def test_what_the_guardrail_holds_back_says_so(client: openai.OpenAI, faults: Callable[..., None]) -> None:
    faults(kind="guardrail", times=2)
    assert ask(client).choices[0].finish_reason == "content_filter"
    assert [c.choices[0].finish_reason for c in ask(client, stream=True)][-1] == "content_filter"


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed == [MARKING, f"{MARKING}@no-memory", CITING, f"{CITING}@no-memory"]
    assert client.models.retrieve(CITING).owned_by == "anthropic"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"n": 2}, "n"),
        ({"seed": 7}, "seed"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"store": True}, "store"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"extra_body": {"made_up": 1}}, "made_up"),
        ({"model": CITING, "temperature": 0.5, "top_p": 0.5}, "top_p"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "a"}]}, "messages.1.role"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "a", "tool_call_id": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": "a\0"}]}, "messages.0"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(client: openai.OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, **fields)
    assert str(refused.value.param).startswith(param)
    assert refused.value.code
    assert refused.value.type == "invalid_request_error"


def test_values_that_change_nothing_are_taken(client: openai.OpenAI) -> None:
    neutral: dict[str, Any] = {
        "n": 1, "frequency_penalty": 0.0, "presence_penalty": 0, "logprobs": False, "logit_bias": {}, "store": False,
        "response_format": {"type": "text"}, "modalities": ["text"], "service_tier": "auto", "tool_choice": "none",
        "user": "somebody", "parallel_tool_calls": True, "metadata": {"a": "b"}, "top_p": 0.9,
    }  # fmt: skip
    assert ask(client, **neutral).choices[0].message.content


def test_errors_are_the_clients_own_exceptions(pod: Any, client: openai.OpenAI, user: httpx.Client) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(client, model="gpt-5")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as nobody:
        ask(client.with_options(api_key="rcl_nothing"))
    assert nobody.value.code == "invalid_api_key"
    reading = user.post("/v1/account/tokens", json={"name": "r", "scopes": ["memories:read"]}).json()["token"]
    with pytest.raises(openai.PermissionDeniedError):
        ask(client.with_options(api_key=reading))
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=MARKING, input="a")
    with pytest.raises(openai.APIStatusError) as large:
        ask(client, "a" * 1_100_000)
    assert large.value.status_code == 413
    with pod.client() as anybody:
        body = anybody.get("/v1/openai/nothing").json()
    assert body["error"]["code"] == "not-found"


def test_a_spent_budget_is_a_rate_limit_that_is_not_tried_again(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], eventually: Callable[..., Any]
) -> None:
    poor = start_pod(RECALL_FREE_BUDGET="1")

    def requests() -> int:
        return poor.log.count('"route": "/v1/openai/chat/completions"')

    with openai.OpenAI(base_url=f"{poor.url}/v1/openai", api_key=new_tokens()["access_token"]) as client:
        for stream in (False, True):
            before = requests()
            with pytest.raises(openai.RateLimitError) as spent:
                ask(client, stream=stream)
            assert spent.value.code == "insufficient_quota"
            assert int(spent.value.response.headers["retry-after"]) > 0
            eventually(lambda before=before: requests() > before)  # the line is written after the answer
            assert requests() == before + 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "error", "code": "ThrottlingException", "times": 8}, openai.RateLimitError, "model-busy"),
        ({"kind": "error", "code": "ValidationException"}, openai.BadRequestError, "model-refused"),
        ({"kind": "stream-error", "code": "ModelStreamErrorException", "after": 1}, openai.APIError, "model-failed"),
        ({"kind": "no-metadata"}, openai.APIError, "answer-truncated"),
        ({"kind": "cut", "after": 3}, openai.APIError, None),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(
    client: openai.OpenAI,
    faults: Callable[..., None],
    stream: bool,
    fault: dict[str, Any],
    error: type[openai.APIError],
    code: str | None,
) -> None:
    faults(**fault)
    with pytest.raises(error) as failed:
        list(ask(client, "Hello, tell me something about bicycles.", stream=stream))
    assert failed.value.code == code or code is None


def test_a_failure_after_the_first_word_is_not_paid_for_twice(
    pod: Any, token: str, faults: Callable[..., None], bedrock: Any
) -> None:
    faults(kind="no-metadata", times=3)
    before = len(bedrock.requests())
    with (
        openai.OpenAI(base_url=f"{pod.url}/v1/openai", api_key=token) as retrying,
        pytest.raises(openai.InternalServerError),
    ):
        ask(retrying)
    assert sum(asked["operation"] == "ConverseStream" for asked in bedrock.requests()[before:]) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_program_that_leaves_stops_the_model(
    pod: Any, token: str, faults: Callable[..., None], eventually: Callable[..., Any], stream: bool
) -> None:
    faults(kind="hold", after=0)  # before the first word: an answer that has not begun
    body = {"model": MARKING, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    with pod.client(token) as program, pytest.raises(httpx.ReadTimeout):
        program.post("/v1/openai/chat/completions", json=body, timeout=0.5)
    left = time.monotonic()
    eventually(lambda: "recall_chat_streams 0.0" in pod.metrics(), 1.0)
    assert time.monotonic() - left < 1


def test_a_silent_model_is_bridged_by_comments(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], faults: Callable[..., None], bedrock: Any
) -> None:
    patient = start_pod(RECALL_KEEPALIVE_SECONDS="0.2")
    faults(kind="hold", after=0)
    body = {"model": MARKING, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    seen, released = b"", False
    with (
        patient.client(new_tokens()["access_token"]) as program,
        program.stream("POST", "/v1/openai/chat/completions", json=body) as answer,
    ):
        for piece in answer.iter_bytes():
            seen += piece
            if not released and seen.count(b": ping\n\n") >= 3:
                released = True
                httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
    assert seen.endswith(b"data: [DONE]\n\n")


def test_the_guides_example_runs(pod: Any, token: str, user: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    user.post("/v1/memories", json={"text": BICYCLE})
    example = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0]
    program = example.replace("https://api.beta.example.org", pod.url).replace("rcl_…", token)
    assert program.count(pod.url) == program.count(token) == 1
    exec(compile(program, str(GUIDE), "exec"), {})
    assert "cellar" in capsys.readouterr().out
