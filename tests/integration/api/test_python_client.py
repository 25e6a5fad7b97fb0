"""The Python client against the running API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recall_client import (
    AsyncRecall,
    ChangedError,
    Citation,
    Delta,
    Done,
    DuplicateError,
    InvalidRequestError,
    NotFoundError,
    NotReachedError,
    ProblemError,
    RateLimitedError,
    Recall,
    Recalled,
    Started,
    TruncatedError,
    UnauthorizedError,
)

from .conftest import free_port
from .test_chat import CITING, MARKING, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["faults"]

BICYCLE = "The blue bicycle stands in the cellar of number 14."
GUIDE = Path(__file__).parents[3] / "docs/how-to/python-client.md"


@pytest.fixture
def token(new_tokens: Callable[[], dict[str, str]]) -> str:
    return new_tokens()["access_token"]


@pytest.fixture
def recall(pod: Any, token: str) -> Iterator[Recall]:
    with Recall(pod.url, token) as client:
        yield client


def test_a_memory_lives_its_life(recall: Recall) -> None:
    when = datetime(2026, 3, 1, 9, tzinfo=UTC)
    memory = recall.memories.create(BICYCLE, tags=("things",), occurred_at=when, never_send_to=["*"])
    assert (memory.text, memory.tags, memory.occurred_at, memory.duplicate) == (BICYCLE, ("things",), when, False)
    assert recall.memories.create(BICYCLE).duplicate is True
    read = recall.memories.get(memory.id)
    changed = recall.memories.update(read, text="It stands in the garden.", occurred_at=None)
    assert (changed.text, changed.tags, changed.occurred_at) == ("It stands in the garden.", ("things",), None)
    with pytest.raises(ChangedError):
        recall.memories.update(read, pinned=True)
    with pytest.raises(ChangedError):
        recall.memories.delete(read)
    assert recall.memories.update(read.id, pinned=True).pinned is True
    recall.memories.delete(memory.id)
    with pytest.raises(NotFoundError):
        recall.memories.get(memory.id)
    assert recall.memories.restore(memory.id).text == "It stands in the garden."
    recall.memories.delete(recall.memories.get(memory.id), permanently=True)
    with pytest.raises(NotFoundError):
        recall.memories.restore(memory.id)


def test_a_list_reads_its_pages_as_they_are_needed(recall: Recall) -> None:
    for number in range(7):
        recall.memories.create(f"Note {number}", tags=["even" if number % 2 == 0 else "odd"])
    listed = [memory.text for memory in recall.memories.list(page_size=3)]
    assert listed == [f"Note {number}" for number in reversed(range(7))]
    assert [memory.text for memory in recall.memories.list(tag=["odd"], text="NOTE", page_size=1)] == [
        "Note 5",
        "Note 3",
        "Note 1",
    ]
    assert list(recall.memories.list(pinned=True)) == []


def test_recall_finds_and_explains(recall: Recall) -> None:
    memory = recall.memories.create(BICYCLE, tags=["things"])
    found = recall.recall("Where is the bicycle?", tags=["things"], limit=3, time_zone="Europe/Berlin")
    assert found.hits[0].memory.id == memory.id
    assert found.hits[0].explanation.words is not None
    assert recall.recall("bicycle", tags=["nothing"]).hits == ()


def test_an_answer_is_a_stream_of_typed_events(recall: Recall) -> None:
    memory = recall.memories.create(BICYCLE)
    with recall.chat("Where is the blue bicycle?", model=CITING, incognito=True) as events:
        told = list(events)
    assert isinstance(told[0], Started)
    assert isinstance(told[1], Recalled)
    assert told[1].memories[0].id == memory.id
    assert "cellar" in "".join(event.text for event in told if isinstance(event, Delta))
    assert memory.id in [event.memory_id for event in told if isinstance(event, Citation)]
    assert isinstance(told[-1], Done)
    assert told[-1].usage.output_tokens > 0


def test_leaving_an_answer_stops_the_model(
    pod: Any, recall: Recall, faults: Callable[..., None], eventually: Callable[..., Any]
) -> None:
    faults(kind="hold", after=2)
    with recall.chat("Hello") as events:
        assert isinstance(next(events), Started)
    eventually(lambda: "recall_chat_streams 0.0" in pod.metrics(), 1.0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "no-metadata"}, "answer-truncated"),
        ({"kind": "stream-error", "code": "ModelStreamErrorException", "after": 3}, "model-failed"),
    ],
)
def test_an_answer_that_fails_is_an_error(
    recall: Recall, faults: Callable[..., None], fault: dict[str, Any], kind: str
) -> None:
    faults(**fault)
    with recall.chat("Tell me something about bicycles.", model=MARKING) as events:
        assert isinstance(next(events), Started)
        with pytest.raises(ProblemError) as failed:
            list(events)
    assert failed.value.type == f"urn:recall:problem:{kind}"


def test_a_file_goes_in_and_comes_out(recall: Recall, pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    lines = [json.dumps({"text": f"Line {number}", "tags": ["a"]}).encode() + b"\n" for number in range(30)]
    assert recall.import_memories(b"".join(lines), "ndjson", dry_run=True).stored == 30
    assert list(recall.memories.list()) == []
    assert recall.import_memories(iter(lines), "ndjson").stored == 30
    assert recall.import_memories(b"".join(lines), "ndjson").duplicates == 30
    with recall.export_memories() as pieces:
        exported = b"".join(pieces)
    with Recall(pod.url, new_tokens()["access_token"]) as other:
        other.import_memories(exported, "ndjson")
        with other.export_memories() as pieces:
            assert b"".join(pieces) == exported
        with other.export_memories("markdown") as pieces:
            assert b"Line 7" in b"".join(pieces)


def test_problems_are_typed(recall: Recall, pod: Any) -> None:
    one, two = recall.memories.create("One"), recall.memories.create("Two")
    with pytest.raises(DuplicateError) as duplicate:
        recall.memories.update(two, text="One")
    assert duplicate.value.memory_id == one.id
    with pytest.raises(InvalidRequestError) as invalid:
        recall.memories.create("a", tags=[" "])
    assert invalid.value.errors[0]["field"].startswith("body.tags")
    with pytest.raises(NotFoundError) as missing:
        recall.memories.get("../account")
    assert missing.value.type == "urn:recall:problem:not-found"
    assert str(missing.value.request).startswith("urn:recall:request:")
    with Recall(pod.url, lambda: "rcl_nothing") as nobody, pytest.raises(UnauthorizedError):
        nobody.recall("a")
    with Recall(f"http://127.0.0.1:{free_port()}", "x") as nowhere, pytest.raises(NotReachedError):
        nowhere.memories.get(one.id)


def test_a_spent_budget_says_when_it_begins_anew(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]]
) -> None:
    poor = start_pod(RECALL_FREE_BUDGET="1")
    with (
        Recall(poor.url, new_tokens()["access_token"]) as recall,
        pytest.raises(RateLimitedError) as spent,
        recall.chat("Hello"),
    ):
        pass
    assert spent.value.retry_after
    assert spent.value.document["budgetMicroDollars"] == 1


async def test_the_asynchronous_client_does_the_same(pod: Any, token: str) -> None:
    async with AsyncRecall(pod.url, token) as recall:
        memory = await recall.memories.create(BICYCLE)
        assert (await recall.memories.update(memory, pinned=True)).pinned
        with pytest.raises(ChangedError):
            await recall.memories.update(memory, pinned=False)
        assert [found.id async for found in recall.memories.list(page_size=1)] == [memory.id]
        assert (await recall.recall("bicycle")).hits[0].memory.id == memory.id
        async with recall.chat("Where is the blue bicycle?") as events:
            told = [event async for event in events]
        assert isinstance(told[-1], Done)

        async def file() -> Any:
            yield b'{"text": "One"}\n'
            yield b'{"text": "Two"}\n'

        assert (await recall.import_memories(file(), "ndjson")).stored == 2
        async with recall.export_memories() as pieces:
            assert b"Two" in b"".join([piece async for piece in pieces])
        await recall.memories.delete(memory.id)
        assert (await recall.memories.restore(memory.id)).id == memory.id
        assert (await recall.memories.get(memory.id)).text == BICYCLE


class Flaky(httpx.BaseTransport):
    """Loses the answers of the first requests, after they were done."""

    def __init__(self, lost: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._lost = lost
        self.asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        self.asked += 1
        if self.asked <= self._lost:
            answer.read()
            raise httpx.ReadError("the connection was reset")
        return answer


def test_a_lost_answer_is_asked_for_again_only_where_that_is_safe(pod: Any, token: str) -> None:
    flaky = Flaky(lost=1)
    with Recall(pod.url, token, transport=flaky) as recall:
        memory = recall.memories.create(BICYCLE)
        assert flaky.asked == 2
    flaky = Flaky(lost=1)
    with Recall(pod.url, token, transport=flaky) as recall, pytest.raises(NotReachedError):
        recall.memories.update(memory.id, text="Changed")
    assert flaky.asked == 1
    flaky = Flaky(lost=1)
    with Recall(pod.url, token, transport=flaky) as recall:
        recall.memories.delete(memory.id)  # the second attempt finds nothing: the first one did it
        assert flaky.asked == 2
    flaky = Flaky(lost=1)
    with Recall(pod.url, token, transport=flaky) as recall, pytest.raises(NotReachedError), recall.chat("Hello"):
        pass
    assert flaky.asked == 1


def test_a_stream_without_its_end_is_truncated(pod: Any, token: str) -> None:
    class Short(httpx.BaseTransport):
        def handle_request(self, _request: httpx.Request) -> httpx.Response:
            head = b'event: delta\ndata: {"text": "Hel"}\n\nevent: later\ndata: {}\n\n'
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=head)

    with Recall(pod.url, token, transport=Short()) as recall, recall.chat("Hello") as events:
        assert next(events) == Delta(text="Hel")
        with pytest.raises(TruncatedError):
            next(events)


def test_the_guides_example_runs(pod: Any, token: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    program = blocks[0].replace("https://api.beta.example.org", pod.url).replace("rcl_…", token)
    exec(compile(program, str(GUIDE), "exec"), {})
    assert "cellar" in capsys.readouterr().out
