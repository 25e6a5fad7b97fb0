"""Recall through the running API, with vectors from the emulated Titan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def faults(bedrock: Any) -> Iterator[Callable[..., None]]:
    """Arm a fault of the emulated Bedrock; all are disarmed at the end."""

    def arm(**fault: Any) -> None:
        httpx.post(f"{bedrock.endpoint}/_faults", json=fault).raise_for_status()

    yield arm
    httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()


def recall(user: httpx.Client, query: str, **fields: Any) -> list[dict[str, Any]]:
    answer = user.post("/v1/recall", json={"query": query, **fields})
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def texts(hits: list[dict[str, Any]]) -> list[str]:
    return [hit["memory"]["text"] for hit in hits]


def remember(user: httpx.Client, text: str, **fields: Any) -> dict[str, Any]:
    answer = user.post("/v1/memories", json={"text": text, **fields})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def test_a_memory_is_found_by_its_words_at_once(user: httpx.Client) -> None:
    assert recall(user, "where is the bicycle") == []
    remember(user, "The blue bicycle stands in the cellar.")
    remember(user, "Tomatoes want water in the morning.")
    hits = recall(user, "Where are my bicycles?")
    assert texts(hits)[0] == "The blue bicycle stands in the cellar."
    words = hits[0]["explanation"]["words"]
    assert words["rank"] == 1
    assert sum(words["terms"].values()) == pytest.approx(words["score"], rel=1e-5)
    assert "bicycl" in words["terms"]


def test_a_memory_is_found_by_its_meaning_when_its_vector_is_there(
    user: httpx.Client, eventually: Callable[..., Any]
) -> None:
    remember(user, "I am allergic to peanuts.")
    remember(user, "The bus to work leaves at seven.")
    hits = eventually(lambda: [hit for hit in recall(user, "food I cannot eat") if hit["explanation"]["vector"]])
    assert texts(hits)[0] == "I am allergic to peanuts."
    assert hits[0]["explanation"]["vector"]["rank"] == 1
    assert hits[0]["explanation"]["vector"]["similarity"] > 0.05


def test_changes_and_deletions_reach_the_index_at_once(user: httpx.Client) -> None:
    memory = remember(user, "The spare key lies under the flowerpot.")
    assert texts(recall(user, "flowerpot")) == ["The spare key lies under the flowerpot."]
    assert user.patch(f"/v1/memories/{memory['id']}", json={"text": "The spare key is at Anna's."}).status_code == 200
    assert "The spare key is at Anna's." in texts(recall(user, "Anna"))
    assert all(hit["explanation"]["words"] is None for hit in recall(user, "flowerpot"))
    assert user.delete(f"/v1/memories/{memory['id']}").status_code == 204
    assert recall(user, "spare key Anna") == []


def test_dates_can_be_searched_as_words(user: httpx.Client) -> None:
    remember(user, "Dinner with Jonas", occurredAt="2024-03-15T19:00:00+01:00")
    remember(user, "Dinner with Marta", occurredAt="2025-10-02T19:00:00+02:00")
    assert texts(recall(user, "dinner in March 2024"))[0] == "Dinner with Jonas"
    assert texts(recall(user, "dinner on 2 October"))[0] == "Dinner with Marta"


def test_filters_hold_whatever_the_ranking_says(user: httpx.Client) -> None:
    remember(user, "Dinner with Jonas", tags=["jonas"], occurredAt="2024-03-15T19:00:00+01:00")
    remember(user, "Dinner with Marta", tags=["marta"], occurredAt="2025-10-02T19:00:00+02:00")
    remember(user, "Dinner is at eight")
    assert texts(recall(user, "dinner", tags=["marta"])) == ["Dinner with Marta"]
    assert texts(recall(user, "dinner", occurredAfter="2025-01-01T00:00:00Z")) == ["Dinner with Marta"]
    assert texts(recall(user, "dinner", occurredBefore="2025-01-01T00:00:00Z")) == ["Dinner with Jonas"]
    assert recall(user, "dinner", tags=["jonas", "marta"]) == []
    assert len(recall(user, "dinner", limit=2)) == 2


def test_another_users_memories_are_never_found(user: httpx.Client, stranger: httpx.Client) -> None:
    remember(user, "The safe's number is 4711.")
    remember(stranger, "The safe is in the hall.")
    assert texts(recall(stranger, "safe number 4711", limit=50)) == ["The safe is in the hall."]


def test_another_pod_sees_a_write_at_once(pod: Any, other_pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    token = new_tokens()["access_token"]
    with pod.client(token) as one, other_pod.client(token) as two:
        remember(one, "The first note.")
        assert texts(recall(two, "note")) == ["The first note."]
        memory = remember(one, "The second note.")
        assert sorted(texts(recall(two, "note"))) == ["The first note.", "The second note."]
        remember(two, "The third note.")
        assert "The third note." in texts(recall(two, "note"))
        one.delete(f"/v1/memories/{memory['id']}")
        assert sorted(texts(recall(two, "note"))) == ["The first note.", "The third note."]
        assert sorted(texts(recall(one, "note"))) == ["The first note.", "The third note."]


def test_words_are_searched_alone_while_the_embedding_model_is_down(
    user: httpx.Client, faults: Callable[..., None], eventually: Callable[..., Any]
) -> None:
    faults(kind="error", code="ThrottlingException", operation="InvokeModel", times=6)
    remember(user, "The blue bicycle stands in the cellar.")
    answer = user.post("/v1/recall", json={"query": "bicycle"}).json()
    assert texts(answer["hits"]) == ["The blue bicycle stands in the cellar."]
    # It is tried again until it is done.
    eventually(lambda: any(hit["explanation"]["vector"] for hit in recall(user, "a blue bicycle")))


def test_vectors_that_a_killed_pod_owed_are_made_by_the_next_one(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    faults: Callable[..., None],
    eventually: Callable[..., Any],
    bedrock: Any,
) -> None:
    token = new_tokens()["access_token"]
    faults(kind="error", code="ThrottlingException", operation="InvokeModel", times=1000)
    first = start_pod()
    with first.client(token) as user:
        remember(user, "I am allergic to peanuts.")
    first.kill()
    httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
    second = start_pod()
    with second.client(token) as user:
        assert eventually(lambda: any(hit["explanation"]["vector"] for hit in recall(user, "food I cannot eat")))
    second.kill()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "   "},
        {"query": "x" * 2001},
        {"query": "a", "limit": 0},
        {"query": "a", "limit": 51},
        {"query": "a", "limit": "ten"},
        {"query": "a", "user": "somebody"},
        {"query": "a", "occurredAfter": "last spring"},
    ],
)
def test_bad_questions_are_refused(user: httpx.Client, body: dict[str, Any]) -> None:
    answer = user.post("/v1/recall", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:recall:problem:invalid-request"


@pytest.mark.parametrize("query", ["?", "!!! ...", "🥜", "的", "\u202e\u0000".replace("\u0000", "x"), "a" * 2000])
def test_queries_without_known_words_find_nothing_by_words(user: httpx.Client, query: str) -> None:
    remember(user, "The bus to work leaves at seven.")
    assert all(hit["explanation"]["words"] is None for hit in recall(user, query))


def test_times_are_understood_in_the_users_zone_and_explained(user: httpx.Client) -> None:
    remember(user, "Dinner with Jonas at the harbour", occurredAt="2024-04-01T00:30:00+02:00")
    remember(user, "Dinner with Marta at the harbour", occurredAt="2025-10-02T19:00:00+02:00")
    body = {"query": "the harbour in March 2024", "timeZone": "America/New_York"}
    answer = user.post("/v1/recall", json=body).json()
    assert answer["times"] == [
        {"words": "March 2024", "start": "2024-03-01T00:00:00-05:00", "end": "2024-04-01T00:00:00-04:00"}
    ]
    first, second = answer["hits"]
    assert first["memory"]["text"] == "Dinner with Jonas at the harbour"
    assert first["explanation"]["time"]["words"] == "March 2024"
    assert first["explanation"]["time"]["score"] == 0.5
    assert second["explanation"]["time"] is None
    assert (
        user.post("/v1/recall", json=body | {"timeZone": "Europe/Berlin"}).json()["hits"][0]["explanation"]["time"]
        is None
    )  # there it was April
    assert (
        user.post("/v1/recall", json={"query": "what happened in October 2025?"}).json()["hits"][0]["memory"]["text"]
        == "Dinner with Marta at the harbour"
    )


def test_matched_words_are_located_in_the_text(user: httpx.Client) -> None:
    text = "The blue bicycle stands beside Anna\u2019s bicycles."
    remember(user, text)
    (hit,) = recall(user, "Where are the bicycles?")
    spans = hit["explanation"]["words"]["spans"]
    assert [text[span["start"] : span["end"]] for span in spans] == ["bicycle", "bicycles"]
    assert spans[0]["start"] == text.index("bicycle")


def remembered(user: httpx.Client, eventually: Callable[..., Any]) -> Callable[[], bool]:
    """Remember three notes, wait for their vectors, and return a check that all are found by meaning."""
    for text in ("I am allergic to peanuts.", "Milk is no food for me.", "Fish is a food I eat."):
        remember(user, text)
    return by_meaning_of(user, eventually)


def by_meaning_of(user: httpx.Client, eventually: Callable[..., Any]) -> Callable[[], bool]:
    def by_meaning() -> bool:
        hits = recall(user, "food I cannot eat")
        return len(hits) == 3 and all(hit["explanation"]["vector"] for hit in hits)

    eventually(by_meaning)
    return by_meaning


def vectors_of(instance: Any, memory_id: str) -> list[dict[str, Any]]:
    """Return the items of all vectors of the user who has this memory."""
    table = instance.aws.client("dynamodb")
    pages = table.get_paginator("scan").paginate(TableName=instance.memories_table, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    (owner,) = {item["pk"]["S"] for item in items if item["sk"]["S"] == f"MEM#{memory_id}"}
    return [item for item in items if item["pk"]["S"] == owner and item["sk"]["S"].startswith("VEC#")]


def test_an_earlier_models_vectors_serve_while_the_new_one_makes_none(
    start_pod: Callable[..., Any], pod: Any, new_tokens: Callable[[], dict[str, str]], eventually: Callable[..., Any]
) -> None:
    token = new_tokens()["access_token"]
    with pod.client(token) as user:
        remembered(user, eventually)
    # The emulated model makes vectors of 256 numbers only, so that this space stays empty.
    other = start_pod(RECALL_EMBEDDING_DIMENSIONS="512")
    with other.client(token) as user:
        assert by_meaning_of(user, eventually)()


def test_a_new_models_vectors_take_over_when_they_are_complete(
    start_pod: Callable[..., Any],
    pod: Any,
    new_tokens: Callable[[], dict[str, str]],
    eventually: Callable[..., Any],
    instance: Any,
) -> None:
    token = new_tokens()["access_token"]
    with pod.client(token) as user:
        remembered(user, eventually)
        memory_id = recall(user, "peanuts")[0]["memory"]["id"]
    table = instance.aws.client("dynamodb")
    new = "VEC#amazon.titan-embed-text-v2:0/256#"
    for item in vectors_of(instance, memory_id):
        key = {"pk": item["pk"], "sk": item["sk"]}
        earlier = item | {"sk": {"S": item["sk"]["S"].replace(new, "VEC#amazon.titan-embed-text-v1/256#")}}
        table.put_item(TableName=instance.memories_table, Item=earlier)
        table.delete_item(TableName=instance.memories_table, Key=key)
    with start_pod().client(token) as user:
        by_meaning_of(user, eventually)
        # What the earlier model made is removed when it does not serve any more.
        eventually(
            lambda: recall(user, "food") and all(new in item["sk"]["S"] for item in vectors_of(instance, memory_id)),
            20,
        )
        assert len(vectors_of(instance, memory_id)) == 3
        assert by_meaning_of(user, eventually)()
