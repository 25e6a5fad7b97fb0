"""The pure parts of the Bedrock Runtime emulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from recall_local.bedrock import converse, eventstream, extractive, models, proxy
from recall_local.bedrock.conversation import Memory, read
from recall_local.bedrock.errors import BedrockError
from recall_local.bedrock.generation import Break, Citation, Finish, Text

MODEL = models.MODELS["anthropic.claude-haiku-4-5-20251001-v1:0"]
texts = st.text(max_size=60)
cosines = st.floats(-1, 1)


@given(
    st.lists(st.tuples(st.sampled_from(["contentBlockDelta", "metadata"]), st.dictionaries(texts, texts)), max_size=5)
)
def test_botocore_reads_the_frames(events: list[tuple[str, dict[str, str]]]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(eventstream.event(name, content) for name, content in events))
    read_back = [(message.headers[":event-type"], json.loads(message.payload)) for message in buffer]
    assert read_back == events


def test_botocore_takes_an_exception_frame_for_an_error() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.exception("throttlingException", "slow down"))
    answer = next(iter(buffer)).to_response_dict()
    assert answer["status_code"] == 400
    assert answer["headers"][":exception-type"] == "throttlingException"


@given(texts, st.lists(st.tuples(texts, cosines), max_size=8))
def test_an_extractive_answer_quotes_only_what_was_given(question: str, memories: list[tuple[str, float]]) -> None:
    given_texts = [extractive.Quote(Memory((text,), index=place), 0, text) for place, (text, _) in enumerate(memories)]
    quotes = extractive.choose(question, given_texts, [cosine for _, cosine in memories])
    assert len(quotes) <= 3
    assert all(quote in given_texts for quote in quotes)
    assert len({quote.memory.index for quote in quotes}) == len(quotes)


@given(texts, cosines)
def test_a_text_that_fits_better_is_never_ranked_below(question: str, cosine: float) -> None:
    asked = extractive.words(question)
    assert extractive.score(asked, asked, cosine) >= extractive.score(asked, frozenset(), cosine)


def test_words_of_the_question_win_over_a_vague_likeness() -> None:
    quotes = [extractive.Quote(Memory((text,)), 0, text) for text in ("My bicycles are red.", "I like painting.")]
    assert extractive.choose("Where are my bicycles?", quotes, [0.1, 0.2])[0].text == "My bicycles are red."


@given(st.lists(st.sampled_from(["Yes ", "[", "1", "]", "[2]", "[9]", " no"]), max_size=12), st.data())
def test_citations_are_found_however_the_text_is_cut(pieces: list[str], data: st.DataObject) -> None:
    memories = [Memory(("a",), index=0, cited=True), Memory(("b",), index=1, cited=True)]
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    reader = proxy.CitationReader(memories)
    ends = [*cuts, len(text)]
    items = [item for begin, end in zip([0, *cuts], ends, strict=True) for item in reader.feed(text[begin:end])]
    items += reader.end()
    rebuilt = "".join(
        item.text if isinstance(item, Text) else f"[{item.memory.index + 1}]"
        for item in items
        if isinstance(item, Text | Citation)
    )
    assert rebuilt == text
    assert sum(isinstance(item, Citation) for item in items) == text.count("[1]") + text.count("[2]")


def test_a_number_that_is_no_memory_stays_in_the_text() -> None:
    reader = proxy.CitationReader([Memory(("a",), index=0, cited=True)])
    assert [*reader.feed("see [7] and [1"), *reader.end()] == [Text("see [7] and "), Text("[1")]


def request(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*blocks, {"text": "What?"}]}], **more}


def search_result(text: str) -> dict[str, Any]:
    return {
        "searchResult": {
            "source": "memory:1", "title": "t", "content": [{"text": text}], "citations": {"enabled": True},
        }
    }  # fmt: skip


def test_memories_are_numbered_over_the_whole_request_and_leave_the_question() -> None:
    found = read(MODEL, request(search_result("one"), search_result("two"), {"text": "[m1] three\nAnd"}))
    assert [(memory.index, memory.texts[0], memory.marker) for memory in found.memories] == [
        (0, "one", ""), (1, "two", ""), (0, "three", "m1"),
    ]  # fmt: skip
    assert found.question == "And\nWhat?"


def test_the_events_of_a_cited_sentence_are_a_block_of_its_own() -> None:
    memory = Memory(("a", "b"), source="memory:1", title="t", index=4, cited=True)
    items = [Text("Well: "), Break(), Text("b"), Citation(memory, 1), Text("Bye"), Finish("end_turn", 3, 4)]
    stream = converse.StreamEvents()
    events = [stream.start(), *(event for item in items for event in stream.of(item, 5))]
    deltas = [content for name, content in events if name == "contentBlockDelta"]
    assert [delta["contentBlockIndex"] for delta in deltas] == [0, 1, 1, 2]
    assert deltas[2]["delta"]["citation"]["location"] == {
        "searchResultLocation": {"searchResultIndex": 4, "start": 1, "end": 2}
    }
    assert [name for name, _ in events].count("contentBlockStop") == 3
    assert events[-1] == (
        "metadata",
        {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {"latencyMs": 5}},
    )
    whole = converse.whole(items, 5)["output"]["message"]["content"]
    assert [next(iter(block)) for block in whole] == ["text", "citationsContent", "text"]


def test_a_profile_needs_rights_on_itself_and_on_the_model_wherever_it_may_run() -> None:
    arns = models.find("eu.amazon.nova-lite-v1:0", "eu-west-1").resources("eu-west-1", "000000000000")
    assert arns[0] == "arn:aws:bedrock:eu-west-1:000000000000:inference-profile/eu.amazon.nova-lite-v1:0"
    assert "arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0" in arns
    assert models.find(arns[0], "eu-west-1") == models.find("eu.amazon.nova-lite-v1:0", "eu-west-1")


@pytest.mark.parametrize("name", ["", "us.amazon.nova-lite-v1:0", "eu.amazon.titan-embed-text-v2:0", "amazon.nova"])
def test_unknown_models_are_refused(name: str) -> None:
    with pytest.raises(BedrockError, match="model identifier is invalid"):
        models.find(name, "eu-west-1")


def test_a_model_server_without_a_model_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="RECALL_MODEL_NAME"):
        proxy.ModelServer.from_environment({"RECALL_MODEL_SERVER": "http://127.0.0.1:11434/v1"})
    assert proxy.ModelServer.from_environment({}) is None


def test_a_profile_is_called_from_its_own_geography() -> None:
    away = models.find("us.amazon.nova-lite-v1:0", "us-east-1").resources("us-east-1", "000000000000")
    assert away[0] == "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.amazon.nova-lite-v1:0"
    assert {arn.split(":")[3] for arn in away[1:]} == {"us-east-1", "us-east-2", "us-west-2"}
    with pytest.raises(BedrockError, match="invalid"):
        models.find("eu.amazon.nova-lite-v1:0", "us-east-1")
