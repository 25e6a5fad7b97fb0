"""The Bedrock Runtime emulator, asked by boto3."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Bedrock

CITING = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
PLAIN = "amazon.nova-lite-v1:0"
MEMORIES = [
    ("memory:a", "I am allergic to peanuts and carry an adrenaline pen."),
    ("memory:b", "My bicycle is a red Gazelle, frame number 4711."),
    ("memory:c", "Anna's birthday is on the third of May."),
]


def search_results() -> list[dict[str, Any]]:
    return [
        {
            "searchResult": {
                "source": source,
                "title": f"Memory {number}",
                "content": [{"text": text}],
                "citations": {"enabled": True},
            }
        }
        for number, (source, text) in enumerate(MEMORIES)
    ]


def ask(question: str, *blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*blocks, {"text": question}]}]


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def faults(bedrock: Bedrock, method: str, body: Any = None) -> None:
    request = urllib.request.Request(
        f"{bedrock.endpoint}/_faults", method=method, data=json.dumps(body).encode() if body else None
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status < 300


@pytest.fixture
def disarmed(bedrock: Bedrock) -> Iterator[None]:
    yield
    faults(bedrock, "DELETE")


def test_converse_quotes_the_memory_that_answers_and_cites_it(bedrock: Bedrock) -> None:
    answer = bedrock.client().converse(modelId=CITING, messages=ask("What colour is my bicycle?", *search_results()))
    content = answer["output"]["message"]["content"]
    assert "built-in model" in content[0]["text"]
    cited = [block["citationsContent"] for block in content if "citationsContent" in block]
    assert cited[0]["content"][0]["text"].strip() == f"\u201c{MEMORIES[1][1]}\u201d"
    assert cited[0]["citations"][0]["source"] == "memory:b"
    assert cited[0]["citations"][0]["location"] == {
        "searchResultLocation": {"searchResultIndex": 1, "start": 0, "end": 1}
    }
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"] > 20


def test_a_stream_holds_the_same_answer_as_converse(bedrock: Bedrock) -> None:
    messages = ask("When is Anna's birthday?", *search_results())
    whole = bedrock.client().converse(modelId=CITING, messages=messages)["output"]["message"]["content"]
    texts: dict[int, str] = {}
    cited: dict[int, str] = {}
    events = list(bedrock.client().converse_stream(modelId=CITING, messages=messages)["stream"])
    for event in events:
        if delta := event.get("contentBlockDelta"):
            place = delta["contentBlockIndex"]
            if "text" in delta["delta"]:
                texts[place] = texts.get(place, "") + delta["delta"]["text"]
            else:
                cited[place] = delta["delta"]["citation"]["source"]
    assert [next(iter(event)) for event in (events[0], events[-2], events[-1])] == [
        "messageStart", "messageStop", "metadata",
    ]  # fmt: skip
    assert texts[0] == whole[0]["text"]
    assert texts[1] == whole[1]["citationsContent"]["content"][0]["text"]
    assert cited == {1: "memory:c"}


@pytest.mark.usefixtures("disarmed")
def test_a_stream_sends_its_first_words_while_the_rest_does_not_exist(bedrock: Bedrock) -> None:
    faults(bedrock, "POST", {"kind": "hold", "after": 3})
    stream = iter(bedrock.client().converse_stream(modelId=CITING, messages=ask("Hello?"))["stream"])
    begun = [next(stream) for _ in range(3)]
    assert begun[2]["contentBlockDelta"]["delta"]["text"]
    # The server waits for our word now, so nothing of the rest can have been sent.
    faults(bedrock, "DELETE")
    assert "metadata" in list(stream)[-1]


@pytest.mark.usefixtures("disarmed")
def test_a_client_that_leaves_stops_the_model_within_a_second(bedrock: Bedrock) -> None:
    faults(bedrock, "POST", {"kind": "hold", "after": 2})
    before = len(bedrock.requests())
    stream = bedrock.client().converse_stream(modelId=CITING, messages=ask("Hello?"))["stream"]
    next(iter(stream))
    stream.close()
    wait_until(lambda: len(bedrock.requests()) > before, seconds=1)
    assert bedrock.requests()[-1]["outcome"] == "disconnected"
    assert bedrock.requests()[-1]["events"] == 2


def test_memories_as_marked_text_are_quoted_with_their_marker(bedrock: Bedrock) -> None:
    lines = "\n".join(f"[m{number}] {text}" for number, (_, text) in enumerate(MEMORIES, 1))
    answer = bedrock.client().converse(modelId=PLAIN, messages=ask(f"{lines}\nMay I eat peanuts?"))
    text = "".join(block["text"] for block in answer["output"]["message"]["content"])
    assert f"\u201c{MEMORIES[0][1]}\u201d [m1]" in text
    assert "[m2]" not in text


def test_it_says_so_when_no_memory_answers(bedrock: Bedrock) -> None:
    answer = bedrock.client().converse(
        modelId=CITING, messages=ask("Quelle est la capitale du Burkina Faso ?", *search_results())
    )
    content = answer["output"]["message"]["content"]
    assert len(content) == 1
    assert "None of the 3 memories" in content[0]["text"]


def test_max_tokens_cuts_the_answer(bedrock: Bedrock) -> None:
    answer = bedrock.client().converse(
        modelId=CITING, messages=ask("What colour is my bicycle?", *search_results()), inferenceConfig={"maxTokens": 5}
    )
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] <= 5


@pytest.mark.parametrize(
    ("model", "messages", "words"),
    [
        ("no.such-model-v1:0", ask("Hi"), "model identifier is invalid"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", ask("Hi"), "inference profile"),
        (PLAIN, ask("Hi", *search_results()), "does not support search results"),
        (PLAIN, ask(" "), "is blank"),
        (PLAIN, [{"role": "assistant", "content": [{"text": "Hi"}]}], "must start with a user message"),
        ("amazon.titan-embed-text-v2:0", ask("Hi"), "does not chat"),
    ],
)
def test_it_refuses_what_bedrock_refuses(bedrock: Bedrock, model: str, messages: list[Any], words: str) -> None:
    with pytest.raises(ClientError) as refused:
        bedrock.client().converse(modelId=model, messages=messages)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert words in refused.value.response["Error"]["Message"]


def embed(bedrock: Bedrock, **body: Any) -> dict[str, Any]:
    answer = bedrock.client().invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps(body))
    found: dict[str, Any] = json.loads(answer["body"].read())
    return found


def test_embeddings_find_meaning_without_common_words(bedrock: Bedrock) -> None:
    vectors = [
        embed(bedrock, inputText=text, dimensions=256)["embedding"]
        for text in ("food I cannot eat", "I am allergic to peanuts", "The printer is out of paper")
    ]
    assert {len(vector) for vector in vectors} == {256}
    assert sum(a * a for a in vectors[0]) == pytest.approx(1)
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far


@pytest.mark.parametrize("dimensions", [{}, {"dimensions": 1024}, {"dimensions": 512}])
def test_lengths_without_real_vectors_are_refused_with_the_remedy(bedrock: Bedrock, dimensions: dict[str, int]) -> None:
    with pytest.raises(ClientError, match="Set dimensions to 256"):
        embed(bedrock, inputText="text", **dimensions)


@pytest.mark.usefixtures("disarmed")
def test_boto3_retries_a_throttled_request(bedrock: Bedrock) -> None:
    faults(bedrock, "POST", {"kind": "error", "code": "ThrottlingException", "times": 1})
    patient = bedrock.client(config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    before = len(bedrock.requests())
    assert patient.converse(modelId=PLAIN, messages=ask("Hello?"))["stopReason"] == "end_turn"
    assert [request["status"] for request in bedrock.requests()[before:]] == [429, 200]


@pytest.mark.usefixtures("disarmed")
def test_an_error_in_mid_stream_reaches_the_reader_after_the_words_before_it(bedrock: Bedrock) -> None:
    faults(bedrock, "POST", {"kind": "stream-error", "code": "ThrottlingException", "after": 4})
    seen: list[Any] = []
    with pytest.raises(EventStreamError) as failed:
        seen.extend(bedrock.client().converse_stream(modelId=PLAIN, messages=ask("Hello?"))["stream"])
    assert len(seen) == 4
    assert failed.value.response["Error"]["Code"] == "throttlingException"


@pytest.mark.usefixtures("disarmed")
def test_a_stream_may_end_without_metadata(bedrock: Bedrock) -> None:
    faults(bedrock, "POST", {"kind": "no-metadata"})
    events = list(bedrock.client().converse_stream(modelId=PLAIN, messages=ask("Hello?"))["stream"])
    assert "messageStop" in events[-1]


def test_the_log_names_caller_and_model_and_holds_no_text(bedrock: Bedrock) -> None:
    bedrock.client().converse(modelId=PLAIN, messages=ask("canary-5b1c: what do I know?"))
    last = bedrock.requests()[-1]
    assert (last["operation"], last["model"], last["access_key"]) == ("Converse", PLAIN, "test")
    assert last["answered_by"] == "built-in"
    assert all("canary-5b1c" not in file.read_text() for file in bedrock.folder.iterdir())
