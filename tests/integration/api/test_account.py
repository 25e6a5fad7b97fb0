"""Accounts through the running API: profile, sessions, personal access tokens, and the deletion of everything."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recall_api.contract import PARTITION_KEY, SORT_KEY

from .test_memories import check_problem, remember

if TYPE_CHECKING:
    from collections.abc import Callable


def make_token(user: httpx.Client, *scopes: str, **fields: Any) -> dict[str, Any]:
    answer = user.post("/v1/account/tokens", json={"name": "script", "scopes": list(scopes), **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def rows_of(instance: Any, *words: str) -> list[dict[str, Any]]:
    """Return the items of both tables that contain any of the words, anywhere."""
    dynamodb = instance.aws.client("dynamodb")
    return [
        item
        for table in (instance.memories_table, instance.users_table)
        for page in dynamodb.get_paginator("scan").paginate(TableName=table)
        for item in page["Items"]
        if any(word in str(item) for word in words)
    ]


def test_a_profile_is_kept(user: httpx.Client) -> None:
    account = user.get("/v1/account").json()
    assert (account["displayName"], account["timeZone"], account["tier"]) == ("", "UTC", "free")
    changed = user.patch("/v1/account", json={"timeZone": "Europe/Vienna", "displayName": " Anna 🥜 "}).json()
    assert changed == account | {"timeZone": "Europe/Vienna", "displayName": "Anna 🥜"}
    assert user.patch("/v1/account", json={"displayName": ""}).json()["timeZone"] == "Europe/Vienna"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tier": "premium"},
        {"timeZone": "Europe/Atlantis"},
        {"timeZone": "../etc/passwd"},
        {"timeZone": "/etc/localtime"},
        {"timeZone": ""},
        {"timeZone": None},
        {"displayName": "a\0b"},
        {"displayName": "x" * 101},
    ],
)
def test_bad_profiles_are_refused(user: httpx.Client, body: dict[str, Any]) -> None:
    check_problem(user.patch("/v1/account", json=body), 422, "invalid-request")


def test_sessions_end_everywhere(
    pod: Any, other_pod: Any, instance: Any, new_tokens: Callable[[], dict[str, str]], eventually: Callable[..., Any]
) -> None:
    tokens = new_tokens()
    token = tokens["access_token"]
    with pod.client(token) as here, other_pod.client(token) as there:
        assert there.get("/v1/account").status_code == 200
        personal = make_token(here, "memories:read")["token"]
        assert here.post("/v1/account/sign-out-everywhere").status_code == 204
        check_problem(here.get("/v1/account"), 401, "unauthorized")
        # Whoever took the session can't delete everything with it either.
        check_problem(here.delete("/v1/account", params={"confirm": "delete-everything"}), 401, "unauthorized")
        check_problem(here.get("/v1/account/deletion"), 401, "unauthorized")
        eventually(lambda: there.get("/v1/account").status_code == 401)
        form = {"grant_type": "refresh_token", "client_id": instance.client_id}
        renewed = httpx.post(
            f"{instance.aws.endpoint}/oauth2/token", data=form | {"refresh_token": tokens["refresh_token"]}
        ).json()["access_token"]
        with pod.client(renewed) as again:
            check_problem(again.get("/v1/account"), 401, "unauthorized")
        with pod.client(personal) as script:
            assert script.get("/v1/memories").status_code == 200


def test_a_personal_token_does_what_its_scopes_say(pod: Any, user: httpx.Client, instance: Any) -> None:
    memory = remember(user, "The ladder is lent to Ben.")
    made = make_token(user, "memories:read", days=1)
    token = made["token"]
    assert token.startswith("rcl_")
    assert datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(made["createdAt"]) == timedelta(days=1)
    assert made["lastUsedOn"] is None
    with pod.client(token) as script:
        assert script.get("/v1/memories").json()["items"][0]["id"] == memory["id"]
        assert script.post("/v1/recall", json={"query": "ladder"}).status_code == 200
        problem = check_problem(script.post("/v1/memories", json={"text": "x"}), 403, "forbidden")
        assert "memories:write" in problem["detail"]
        check_problem(script.delete(f"/v1/memories/{memory['id']}"), 403, "forbidden")
        for method, path in [
            ("GET", "/v1/account"),
            ("PATCH", "/v1/account"),
            ("GET", "/v1/account/tokens"),
            ("POST", "/v1/account/tokens"),
            ("DELETE", "/v1/account?confirm=delete-everything"),
            ("GET", "/v1/account/deletion"),
        ]:
            check_problem(script.request(method, path), 403, "forbidden")
    (listed,) = user.get("/v1/account/tokens").json()["items"]
    today = datetime.fromisoformat(made["createdAt"]).date()
    assert listed["lastUsedOn"] in {today.isoformat(), (today + timedelta(days=1)).isoformat()}
    assert {name: listed[name] for name in listed if name != "lastUsedOn"} == {
        name: made[name] for name in listed if name != "lastUsedOn"
    }
    # The token itself is nowhere.
    assert not rows_of(instance, token, token[4:47])


def test_a_revoked_token_stops_working_on_all_pods(
    pod: Any, other_pod: Any, user: httpx.Client, eventually: Callable[..., Any]
) -> None:
    made = make_token(user, "memories:read")
    with pod.client(made["token"]) as here, other_pod.client(made["token"]) as there:
        assert (here.get("/v1/memories").status_code, there.get("/v1/memories").status_code) == (200, 200)
        assert user.delete(f"/v1/account/tokens/{made['id']}").status_code == 204
        check_problem(here.get("/v1/memories"), 401, "unauthorized")
        eventually(lambda: there.get("/v1/memories").status_code == 401)
    check_problem(user.delete(f"/v1/account/tokens/{made['id']}"), 404, "not-found")
    assert user.get("/v1/account/tokens").json()["items"] == []


def test_another_users_token_is_not_there(user: httpx.Client, stranger: httpx.Client) -> None:
    made = make_token(user, "chat")
    check_problem(stranger.delete(f"/v1/account/tokens/{made['id']}"), 404, "not-found")
    assert stranger.get("/v1/account/tokens").json()["items"] == []
    assert len(user.get("/v1/account/tokens").json()["items"]) == 1


def test_made_up_tokens_are_refused(pod: Any, user: httpx.Client) -> None:
    token = make_token(user, "memories:read")["token"]
    changed = ("B" if token[10] == "A" else "A").join((token[:10], token[11:]))
    for wrong in (
        changed,
        token[:-1],
        token + "0",
        token.upper(),
        "rcl_",
        "rcl_" + "A" * 51,
        token.replace("_", "-", 1),
    ):
        with pod.client(wrong) as script:
            check_problem(script.get("/v1/memories"), 401, "unauthorized")


def test_a_user_has_at_most_25_tokens(user: httpx.Client) -> None:
    for _ in range(25):
        make_token(user, "chat")
    answer = user.post("/v1/account/tokens", json={"name": "one more", "scopes": ["chat"]})
    check_problem(answer, 409, "too-many")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["openid"]},
        {"name": " ", "scopes": ["chat"]},
        {"name": "a", "scopes": ["chat"], "days": 0},
        {"name": "a", "scopes": ["chat"], "days": 10_000},
    ],
)
def test_bad_tokens_are_refused(user: httpx.Client, body: dict[str, Any]) -> None:
    check_problem(user.post("/v1/account/tokens", json=body), 422, "invalid-request")


def test_nobody_deletes_an_account_by_mistake(user: httpx.Client) -> None:
    check_problem(user.delete("/v1/account"), 422, "invalid-request")
    check_problem(user.get("/v1/account/deletion"), 404, "not-found")
    assert user.get("/v1/account").status_code == 200


def test_deletion_deletes_and_another_pod_finishes_it(
    start_pod: Callable[..., Any], instance: Any, stranger: httpx.Client, eventually: Any
) -> None:
    canary = uuid.uuid4().hex
    name = f"leaving-{canary[:8]}"
    tokens = instance.sign_in(name)
    kept = remember(stranger, f"Another user's {canary}")
    # The first pod never looks for deletions in time: whoever finishes it is another one.
    first = start_pod(RECALL_DELETION_POLL_SECONDS="60")
    with first.client(tokens["access_token"]) as leaving:
        user_id = leaving.get("/v1/account").json()["userId"]
        leaving.patch("/v1/account", json={"displayName": canary})
        made = leaving.post(
            "/v1/memories/batch", json={"create": [{"text": f"{canary} {number}"} for number in range(60)]}
        ).json()["created"]
        leaving.patch(f"/v1/memories/{made[0]['memory']['id']}", json={"text": f"{canary} changed"})
        leaving.delete(f"/v1/memories/{made[1]['memory']['id']}")
        answer = leaving.post("/v1/chat", json={"message": "What do you know of me?"})
        assert "event: done" in answer.text
        assert any("SPENDERS#" in str(item) for item in rows_of(instance, user_id))
        personal = make_token(leaving, "memories:read")["token"]
        began = leaving.delete("/v1/account", params={"confirm": "delete-everything"})
        assert began.status_code == 202, began.text
        assert began.json()["state"] == "running"
        check_problem(leaving.get("/v1/memories"), 401, "unauthorized")
        check_problem(leaving.post("/v1/memories", json={"text": canary}), 401, "unauthorized")
        with first.client(personal) as script:
            check_problem(script.get("/v1/memories"), 401, "unauthorized")
    first.kill()
    second = start_pod(RECALL_DELETION_POLL_SECONDS="0.2")
    with second.client(tokens["access_token"]) as leaving:

        def finished() -> dict[str, Any] | None:
            receipt: dict[str, Any] = leaving.get("/v1/account/deletion").json()
            return receipt if receipt["state"] == "done" else None

        receipt = eventually(finished, seconds=45)
        check_problem(leaving.get("/v1/memories"), 401, "unauthorized")
        # Asked again, it begins nothing new.
        assert leaving.delete("/v1/account", params={"confirm": "delete-everything"}).json() == receipt
    assert receipt["signIn"] == "deleted"
    counts = receipt["counts"]
    assert (counts["memories"], counts["deletedMemories"], counts["personalAccessTokens"]) == (59, 1, 1)
    assert counts["history"] == 2
    until = datetime.fromisoformat(receipt["backupsUntil"]) - datetime.fromisoformat(receipt["finishedAt"])
    assert until == timedelta(days=35)
    left = rows_of(instance, user_id)
    assert sorted((item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]) for item in left) == [
        ("INSTANCE", f"DELETION#{user_id}"),  # one more sweep, later
        (f"USER#{user_id}", "DELETION"),
    ]
    assert [item[SORT_KEY]["S"] for item in rows_of(instance, canary)] == [f"MEM#{kept['id']}"]
    cognito = instance.aws.client("cognito-idp")
    with pytest.raises(cognito.exceptions.UserNotFoundException):
        cognito.admin_get_user(UserPoolId=instance.pool_id, Username=name)
