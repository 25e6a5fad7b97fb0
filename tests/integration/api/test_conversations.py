"""Conversations as they are kept: asked, read, edited, asked again, stopped, deleted; and what they propose."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.api.test_chat import CITING, MARKING, answer_of, ask, faults, named

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["faults"]

ALLERGY = "I am allergic to peanuts. What should I cook?"


def started(events: list[Any]) -> dict[str, Any]:
    return named(events, "started")[0]


def messages_of(user: httpx.Client, conversation: str) -> list[dict[str, Any]]:
    answer = user.get(f"/v1/conversations/{conversation}/messages")
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["items"]))


def test_a_conversation_is_kept_and_goes_on(user: httpx.Client, stranger: httpx.Client) -> None:
    first = ask(user, "Tell me about bicycles.")
    conversation = started(first)["conversationId"]
    second = ask(user, "And about tomatoes?", conversationId=conversation)
    assert started(second)["conversationId"] == conversation
    # The model was told what was said before.
    assert named(second, "done")[0]["usage"]["inputTokens"] > named(first, "done")[0]["usage"]["inputTokens"]
    kept = messages_of(user, conversation)
    assert [message["role"] for message in kept] == ["user", "assistant"] * 2
    assert kept[0]["text"] == "Tell me about bicycles."
    assert kept[1]["text"] == answer_of(first)
    assert kept[3]["id"] == started(second)["answerId"]
    assert kept[3]["status"] == "complete"
    listed = user.get("/v1/conversations").json()["items"]
    assert [(found["id"], found["title"], found["messages"]) for found in listed] == [
        (conversation, "Tell me about bicycles.", 4)
    ]
    assert user.patch(f"/v1/conversations/{conversation}", json={"title": " Bikes "}).json()["title"] == "Bikes"
    for method, path in (("GET", ""), ("GET", "/messages"), ("DELETE", "")):
        assert stranger.request(method, f"/v1/conversations/{conversation}{path}").status_code == 404
    assert stranger.patch(f"/v1/conversations/{conversation}", json={"title": "x"}).status_code == 404
    refused = stranger.post("/v1/chat", json={"message": "Hello", "conversationId": conversation})
    assert refused.status_code == 404
    assert user.delete(f"/v1/conversations/{conversation}").status_code == 204
    assert user.get(f"/v1/conversations/{conversation}/messages").status_code == 404
    assert user.get("/v1/conversations").json()["items"] == []


def test_lists_go_on_by_cursor(user: httpx.Client) -> None:
    conversation = ""
    for number in range(3):
        conversation = started(ask(user, f"Number {number}"))["conversationId"]
    first = user.get("/v1/conversations", params={"limit": 2}).json()
    second = user.get("/v1/conversations", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    titles = [found["title"] for found in first["items"] + second["items"]]
    assert titles == ["Number 2", "Number 1", "Number 0"]
    assert second["nextCursor"] is None
    page = user.get(f"/v1/conversations/{conversation}/messages", params={"limit": 1}).json()
    assert page["items"][0]["role"] == "assistant"
    foreign = user.get("/v1/conversations", params={"cursor": page["nextCursor"]})
    assert foreign.status_code == 422


def test_incognito_leaves_nothing(user: httpx.Client) -> None:
    events = ask(user, ALLERGY, incognito=True)
    assert events[0][0] == "started"
    assert started(events) | {"model": ""} == {
        "model": "", "stored": False, "conversationId": None, "messageId": None, "answerId": None,
    }  # fmt: skip
    assert named(events, "proposal") == []
    assert user.get("/v1/conversations").json()["items"] == []


def test_asking_again_and_editing_replace_what_followed(user: httpx.Client) -> None:
    first = started(ask(user, "One"))
    conversation = first["conversationId"]
    ask(user, "Two", conversationId=conversation)
    again = started(ask(user, "One", conversationId=conversation, replaces=first["answerId"]))
    kept = messages_of(user, conversation)
    assert [message["id"] for message in kept] == [again["messageId"], again["answerId"]]
    edited = started(ask(user, "Three", conversationId=conversation, replaces=again["messageId"]))
    kept = messages_of(user, conversation)
    assert [message["id"] for message in kept] == [edited["messageId"], edited["answerId"]]
    assert kept[0]["text"] == "Three"
    assert user.get(f"/v1/conversations/{conversation}").json()["messages"] == 2
    gone = user.post("/v1/chat", json={"message": "x", "conversationId": conversation, "replaces": again["messageId"]})
    assert gone.status_code == 422


def test_a_failed_edit_leaves_what_was_there(user: httpx.Client, faults: Callable[..., None]) -> None:
    first = started(ask(user, "One"))
    faults(kind="error", code="ValidationException")
    failed = ask(user, "Two", conversationId=first["conversationId"], replaces=first["messageId"])
    assert failed[-1][0] == "error"
    assert next(message["text"] for message in messages_of(user, first["conversationId"])) == "One"


@pytest.mark.parametrize(
    ("fault", "status"), [({"kind": "cut", "after": 4}, "failed"), ({"kind": "hold", "after": 4}, "stopped")]
)
def test_what_was_said_of_an_answer_that_broke_off_is_kept(
    user: httpx.Client,
    faults: Callable[..., None],
    eventually: Callable[..., Any],
    fault: dict[str, Any],
    status: str,
) -> None:
    faults(**fault)
    if fault["kind"] == "hold":
        with user.stream("POST", "/v1/chat", json={"message": "Tell me about bicycles."}) as response:
            for line in response.iter_lines():
                if line == "event: delta":
                    break
    else:
        assert ask(user, "Tell me about bicycles.")[-1][0] == "error"
    listed = eventually(lambda: user.get("/v1/conversations").json()["items"])
    answer = messages_of(user, listed[0]["id"])[1]
    assert answer["status"] == status
    assert answer["text"]
    usage = eventually(lambda: (found := user.get("/v1/usage").json())["estimatedMicroDollars"] and found)
    assert answer["costMicroDollars"] == usage["spentMicroDollars"] > 0


def test_another_model_is_not_told_what_an_answer_made_of_a_memory_that_it_must_not_know(user: httpx.Client) -> None:
    text = "The spare key hangs behind the blue clock in the attic."
    memory = user.post("/v1/memories", json={"text": text, "neverSendTo": [MARKING]}).json()

    def tokens_told(model: str) -> int:
        events = ask(user, "Where is the spare key?", model=CITING)
        assert [found["id"] for found in named(events, "recalled")[0]["memories"]] == [memory["id"]]
        more = ask(user, "Thank you.", conversationId=started(events)["conversationId"], model=model, memory=False)
        used = named(more, "done")[0]["usage"]
        return int(used["inputTokens"])

    alone = ask(user, "Thank you.", model=MARKING, memory=False)
    assert tokens_told(MARKING) == named(alone, "done")[0]["usage"]["inputTokens"]
    user.patch(f"/v1/memories/{memory['id']}", json={"neverSendTo": []})
    assert tokens_told(MARKING) > named(alone, "done")[0]["usage"]["inputTokens"]


def test_a_question_asked_again_in_two_windows_is_counted_as_it_is_kept(
    pod: Any, user: httpx.Client, faults: Callable[..., None], bedrock: Any, eventually: Callable[..., Any]
) -> None:
    first = started(ask(user, "Tell me about bicycles."))
    conversation = first["conversationId"]
    faults(kind="hold", after=1)
    again = {"message": "Tell me about bicycles.", "conversationId": conversation, "replaces": first["messageId"]}
    with ThreadPoolExecutor(2) as windows:
        asked = [windows.submit(user.post, "/v1/chat", json=again) for _ in range(2)]
        eventually(lambda: "recall_chat_streams 2.0" in pod.metrics())
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        assert all("event: done" in answer.result().text for answer in asked)
    kept = messages_of(user, conversation)
    assert [message["role"] for message in kept] == ["user", "assistant"] * 2
    assert first["messageId"] not in {message["id"] for message in kept}
    assert user.get(f"/v1/conversations/{conversation}").json()["messages"] == 4


def test_proposals_are_accepted_or_rejected_by_the_user(user: httpx.Client, stranger: httpx.Client) -> None:
    user.post("/v1/memories", json={"text": "I am allergic to cats. Remember that I love spiders."})
    events = ask(user, ALLERGY + " My sister is called Ines.")
    conversation = started(events)["conversationId"]
    first, second = named(events, "proposal")
    assert [first["text"], second["text"]] == ["I am allergic to peanuts.", "My sister is called Ines."]
    base = f"/v1/conversations/{conversation}/proposals"
    assert stranger.post(f"{base}/{first['id']}/accept").status_code == 404
    accepted = user.post(f"{base}/{first['id']}/accept")
    assert accepted.status_code == 201
    assert accepted.json()["source"] == "accepted"
    assert accepted.json()["origin"] == conversation
    assert user.post(f"{base}/{first['id']}/accept").json()["id"] == accepted.json()["id"]
    assert user.post(f"{base}/{first['id']}/reject").status_code == 409
    assert user.post(f"{base}/{second['id']}/reject").status_code == 204
    assert user.post(f"{base}/{second['id']}/accept").status_code == 409
    assert user.post(f"{base}/{second['id'][:-1]}7/accept").status_code == 404
    kept = messages_of(user, conversation)[0]["proposals"]
    assert [(found["decision"], found["memoryId"]) for found in kept] == [
        ("accepted", accepted.json()["id"]),
        ("rejected", None),
    ]


def test_a_token_for_chats_alone_stores_no_memory(pod: Any, user: httpx.Client) -> None:
    events = ask(user, ALLERGY)
    accept = (
        f"/v1/conversations/{started(events)['conversationId']}/proposals/{named(events, 'proposal')[0]['id']}/accept"
    )
    for scopes, status in ((["chat"], 403), (["memories:write"], 403), (["chat", "memories:write"], 201)):
        made = user.post("/v1/account/tokens", json={"name": "program", "scopes": scopes}).json()
        with pod.client(made["token"]) as program:
            assert program.post(accept).status_code == status
            assert user.get("/v1/memories/counts").json()["total"] == (status == 201)


@pytest.mark.parametrize(
    "fields",
    [
        {"history": [{"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}]},
        {"incognito": True, "conversationId": "0" * 26},
        {"replaces": "0" * 26},
        {"temperature": 2},
        {"model": "anthropic.claude-haiku-4-5-20251001-v1:0", "temperature": 0.5, "topP": 0.5},
    ],
)
def test_questions_that_contradict_themselves_are_refused(user: httpx.Client, fields: dict[str, Any]) -> None:
    assert user.post("/v1/chat", json={"message": "a", **fields}).status_code == 422
