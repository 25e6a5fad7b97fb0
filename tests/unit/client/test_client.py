"""The Python client without a server: what is asked again, that both clients are one, that models are the API's."""

from __future__ import annotations

import inspect
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_client import AsyncRecall, Memory, ProblemError, Recall, models
from recall_client.asynchronous import AsyncMemories
from recall_client.calls import get, page
from recall_client.errors import NotFoundError, UnavailableError, problem_of
from recall_client.retries import ATTEMPTS, LONGEST_WAIT_SECONDS, wait_before
from recall_client.synchronous import Memories
from tests.integration.api.test_isolation import DOCUMENT

SCHEMAS = DOCUMENT["components"]["schemas"]
NAMES: dict[type[models.Model], str] = {
    models.Memory: "MemoryView",
    models.Stored: "MemoryStored",
    models.Page: "MemoryPage",
    models.Found: "RecallAnswer",
    models.Hit: "RecallHit",
    models.Sample: "Proposal",
    models.Usage: "UsageView",
    models.Started: "StartedEvent",
    models.Recalled: "RecalledEvent",
    models.Delta: "DeltaEvent",
    models.Citation: "CitationEvent",
    models.Guardrail: "GuardrailEvent",
    models.Proposal: "ProposalEvent",
    models.Done: "DoneEvent",
}


def all_models(base: type[models.Model] = models.Model) -> list[type[models.Model]]:
    return [found for made in base.__subclasses__() for found in (made, *all_models(made))]


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.__name__)
def test_models_have_the_fields_that_the_api_describes(model: type[models.Model]) -> None:
    described = SCHEMAS[NAMES.get(model, model.__name__)]
    assert set(model.model_json_schema(by_alias=True)["properties"]) == set(described["properties"])


def test_every_event_of_the_api_is_known() -> None:
    events = DOCUMENT["paths"]["/v1/chat"]["post"]["responses"]["200"]["content"]["text/event-stream"]["x-events"]
    assert set(models.EVENTS) == set(events) - {"error"}


def signature(function: Any) -> str:
    """Return the parameters of a method, with the words of the event loop taken out."""
    return re.sub(r"\bAsync", "", str(inspect.signature(function)))


@pytest.mark.parametrize(("one", "other"), [(Recall, AsyncRecall), (Memories, AsyncMemories)])
def test_both_clients_have_the_same_methods(one: type, other: type) -> None:
    public = [{name for name in vars(kind) if not name.startswith("_")} for kind in (one, other)]
    assert public[0] == public[1]
    for name in public[0]:
        assert signature(getattr(one, name)) == signature(getattr(other, name)), name
        assert getattr(one, name).__doc__ == getattr(other, name).__doc__


def refused(status: int, slug: str = "unavailable", retry_after: float | None = None) -> ProblemError:
    return UnavailableError(status, {"type": f"urn:recall:problem:{slug}"}, retry_after)


@pytest.mark.parametrize(
    ("error", "once", "twice"),
    [
        (httpx.ConnectError("x"), True, True),
        (httpx.ConnectTimeout("x"), True, True),
        (httpx.ReadError("x"), False, True),
        (httpx.ReadTimeout("x"), False, True),
        (httpx.RemoteProtocolError("x"), False, True),
        (refused(503, "busy"), True, True),
        (refused(429, "too-many-requests", 5), True, True),
        (refused(503), False, True),
        (refused(502), False, True),
        (refused(429, "budget-spent", 5), False, True),
        (refused(429, "budget-spent", 86_400), False, False),
        (refused(404, "not-found"), False, False),
        (refused(412, "changed"), False, False),
        (refused(500, "internal"), False, False),
    ],
)
def test_only_what_is_safe_is_asked_again(error: Exception, once: bool, twice: bool) -> None:
    assert (wait_before(2, error, repeatable=False) is not None) is once
    assert (wait_before(2, error, repeatable=True) is not None) is twice
    assert wait_before(ATTEMPTS + 1, error, repeatable=True) is None


@given(st.integers(2, ATTEMPTS), st.none() | st.floats(0, 100))
def test_nobody_waits_shorter_than_asked_nor_too_long(attempt: int, asked: float | None) -> None:
    wait = wait_before(attempt, refused(503, "busy", asked), repeatable=False)
    if asked is not None and asked > LONGEST_WAIT_SECONDS:
        assert wait is None
    else:
        assert wait is not None
        assert (asked or 0) <= wait <= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("body", [b"<html>no</html>", b"[]", b"", b'{"title": "No", "status": 404}'])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("nan", None)])
def test_whatever_answers_is_a_typed_problem(body: bytes, header: str, seconds: float | None) -> None:
    found = problem_of(httpx.Response(404, content=body, headers={"Retry-After": header}))
    assert isinstance(found, NotFoundError)
    assert found.retry_after == seconds


def test_what_is_no_id_stays_a_part_of_the_path() -> None:
    assert get("../account?x=1").path == "/v1/memories/..%2Faccount%3Fx%3D1"
    assert page({"pinned": True, "tag": ("a", "b")}, limit=5, cursor=None).query == {
        "pinned": "true",
        "tag": ["a", "b"],
        "limit": 5,
    }


def test_fields_of_a_later_api_are_left_out() -> None:
    example = {
        "id": "x", "text": "a", "tags": [], "occurredAt": None, "pinned": False, "neverSendTo": [], "source": "dreamt",
        "origin": "", "version": 3, "createdAt": "2026-03-01T00:00:00Z", "updatedAt": "2026-03-01T00:00:00Z", "mood": 1,
    }  # fmt: skip
    memory = Memory.model_validate(example)
    assert memory.etag == '"3"'
    assert not hasattr(memory, "mood")
