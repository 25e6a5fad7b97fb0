"""Budgets: set aside before, booked once after, whatever fails in between."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from recall_api.contract import PARTITION_KEY, SORT_KEY
from tests.integration.api.dynamodb_door import Door
from tests.integration.api.test_chat import ask, faults, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

__all__ = ["faults"]


def subject(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def usage_of(user: httpx.Client) -> dict[str, Any]:
    answer = user.get("/v1/usage")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
def settled(eventually: Callable[..., Any]) -> Callable[[httpx.Client], dict[str, Any]]:
    """Wait until nothing is set aside any more, and return the month."""

    def wait(user: httpx.Client) -> dict[str, Any]:
        eventually(lambda: usage_of(user)["reservedMicroDollars"] == 0, 15)
        return usage_of(user)

    return wait


@pytest.fixture(scope="module")
def door(emulator: Any) -> Iterator[Door]:
    made = Door(emulator.endpoint)
    yield made
    made.close()


@pytest.fixture(scope="module")
def poor_pod(instance: Any, door: Door, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A pod with a small budget, whose reservations expire soon, behind the door."""
    from tests.integration.api.conftest import run_pod

    running = run_pod(
        instance,
        tmp_path_factory.mktemp("poor-pod"),
        RECALL_FREE_BUDGET="2500",
        RECALL_RESERVATION_SECONDS="2",
        AWS_ENDPOINT_URL_DYNAMODB=door.endpoint,
    )
    yield running
    running.kill()


@pytest.fixture
def poor(poor_pod: Any, new_tokens: Callable[[], dict[str, str]]) -> Iterator[httpx.Client]:
    with poor_pod.client(new_tokens()["access_token"]) as client:
        yield client


def test_an_answer_is_booked_to_the_microdollar(user: httpx.Client, settled: Any) -> None:
    done = [named(ask(user, "Hello"), "done")[0] for _ in range(2)]
    month = settled(user)
    assert month["spentMicroDollars"] == sum(found["costMicroDollars"] for found in done) > 0
    assert month["estimatedMicroDollars"] == 0
    assert month["tier"] == "free"
    assert month["remainingMicroDollars"] == month["budgetMicroDollars"] - month["spentMicroDollars"]
    (model,) = month["models"]
    assert model["answers"] == 2
    assert model["inputTokens"] == sum(found["usage"]["inputTokens"] for found in done)
    assert model["outputTokens"] == sum(found["usage"]["outputTokens"] for found in done)


def test_models_say_what_they_cost_and_can_do(user: httpx.Client) -> None:
    answer = user.get("/v1/models").json()
    models = {model["id"]: model for model in answer["models"]}
    assert models["amazon.nova-lite-v1:0"]["price"]["output"] == 240_000
    assert models["amazon.nova-lite-v1:0"]["default"] is True
    claude = models["anthropic.claude-haiku-4-5-20251001-v1:0"]
    assert claude["invokedAs"].startswith("eu.")
    assert claude["price"]["input"] == 1_100_000
    assert claude["capabilities"]["citesNatively"] is True
    assert answer["pricesAsOf"]


def test_a_spent_budget_is_refused_until_the_month_ends(poor: httpx.Client) -> None:
    refused = None
    for _ in range(4):
        answer = poor.post("/v1/chat", json={"message": "Bicycles? " * 3000, "incognito": True})
        if answer.status_code == 429:
            refused = answer
            break
    assert refused is not None
    problem = refused.json()
    assert problem["type"] == "urn:recall:problem:budget-spent"
    assert problem["budgetMicroDollars"] == 2500
    assert int(refused.headers["retry-after"]) > 0
    assert problem["resetsAt"].endswith("-01T00:00:00+00:00")
    assert usage_of(poor)["spentMicroDollars"] <= 2500


def test_answers_at_once_never_overdraw(poor: httpx.Client, settled: Any) -> None:
    statuses: list[int] = []

    def one() -> None:
        statuses.append(poor.post("/v1/chat", json={"message": "Hello", "incognito": True}).status_code)

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(statuses) == {200, 429}
    month = settled(poor)
    assert month["spentMicroDollars"] <= 2500
    assert month["models"][0]["answers"] == statuses.count(200)


def test_who_pays_may_spend_more(poor_pod: Any, instance: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    token = new_tokens()["access_token"]
    item = {PARTITION_KEY: f"USER#{subject(token)}", SORT_KEY: "PROFILE", "tier": "premium"}
    instance.aws.client("dynamodb").put_item(
        TableName=instance.users_table, Item={name: {"S": value} for name, value in item.items()}
    )
    with poor_pod.client(token) as user:
        month = usage_of(user)
    assert month["tier"] == "premium"
    assert month["budgetMicroDollars"] == 20_000_000


@pytest.mark.parametrize(
    ("fault", "costs"),
    [
        ({"kind": "error", "code": "ThrottlingException", "times": 4}, False),
        ({"kind": "error", "code": "InternalServerException", "times": 4}, False),
        ({"kind": "stream-error", "code": "ModelStreamErrorException", "after": 3}, True),
        ({"kind": "cut", "after": 3}, True),
        ({"kind": "no-metadata"}, True),
    ],
)
def test_an_answer_that_fails_is_booked_once_and_never_lost(
    user: httpx.Client, settled: Any, faults: Callable[..., None], fault: dict[str, Any], costs: bool
) -> None:
    faults(**fault)
    assert ask(user, "Hello, tell me something about bicycles.", incognito=True)[-1][0] == "error"
    month = settled(user)
    assert (month["spentMicroDollars"] > 0) is costs
    assert month["estimatedMicroDollars"] == month["spentMicroDollars"]
    assert sum(model["answers"] for model in month["models"]) == int(costs)


def test_a_stopped_answer_is_booked(user: httpx.Client, settled: Any, faults: Callable[..., None]) -> None:
    faults(kind="hold", after=3)
    with user.stream("POST", "/v1/chat", json={"message": "Hello", "incognito": True}) as response:
        for line in response.iter_lines():
            if line == "event: delta":
                break
    month = settled(user)
    assert 0 < month["spentMicroDollars"] == month["estimatedMicroDollars"]


@pytest.mark.parametrize(("kind", "times"), [("refuse", 6), ("lose", 1)])
def test_storage_that_fails_while_booking_books_once(
    poor: httpx.Client, door: Door, settled: Any, kind: str, times: int
) -> None:
    door.arm(kind, "UpdateItem", "REMOVE #open", times)
    done = named(ask(poor, "Hello", incognito=True), "done")[0]
    month = settled(poor)
    assert door.left == 0
    assert month["models"][0]["answers"] == 1
    assert month["spentMicroDollars"] == done["costMicroDollars"] or month["estimatedMicroDollars"] > 0


@pytest.mark.parametrize(("kind", "times"), [("refuse", 2), ("lose", 1)])
def test_storage_that_fails_while_setting_aside_does_so_once(
    poor: httpx.Client, door: Door, settled: Any, kind: str, times: int
) -> None:
    door.arm(kind, "UpdateItem", "SET #open", times)
    done = named(ask(poor, "Hello", incognito=True), "done")[0]
    assert door.left == 0
    month = settled(poor)
    assert month["spentMicroDollars"] == done["costMicroDollars"]


def test_a_pod_that_is_killed_leaves_an_estimate_and_no_hole(
    start_pod: Callable[..., Any], poor_pod: Any, new_tokens: Callable[[], dict[str, str]], faults: Callable[..., None]
) -> None:
    token = new_tokens()["access_token"]
    pod = start_pod(RECALL_FREE_BUDGET="2500", RECALL_RESERVATION_SECONDS="2")
    faults(kind="hold", after=3)
    with pod.client(token) as user, user.stream("POST", "/v1/chat", json={"message": "Hello"}) as response:
        for line in response.iter_lines():
            if line == "event: delta":
                break
        pod.kill()
    with poor_pod.client(token) as user:
        reserved = usage_of(user)["reservedMicroDollars"]
        deadline = time.monotonic() + 15
        while (month := usage_of(user))["reservedMicroDollars"]:
            assert time.monotonic() < deadline
        if reserved:
            assert month["spentMicroDollars"] == reserved
        assert month["estimatedMicroDollars"] == month["spentMicroDollars"] > 0
        assert month["models"][0]["answers"] == 1
        assert usage_of(user) == month


def test_administrators_see_sums_and_others_nothing(pod: Any, user: httpx.Client, settled: Any, instance: Any) -> None:
    ask(user, "Hello")
    spent = settled(user)["spentMicroDollars"]
    assert user.get("/v1/admin/usage").status_code == 404
    cognito = instance.aws.client("cognito-idp")
    name = f"admin-{uuid.uuid4().hex[:8]}"
    instance.sign_in(name)
    cognito.create_group(GroupName="recall-admins", UserPoolId=instance.pool_id)
    cognito.admin_add_user_to_group(UserPoolId=instance.pool_id, Username=name, GroupName="recall-admins")
    from tests.integration.api.conftest import tokens_from_hosted_page

    password = "Aa1-admin-password"
    cognito.admin_set_user_password(UserPoolId=instance.pool_id, Username=name, Password=password, Permanent=True)
    token = tokens_from_hosted_page(instance.aws.endpoint, instance.client_id, name, password)["access_token"]
    mine = subject(user.headers["authorization"].removeprefix("Bearer "))
    found: dict[str, Any] = {}
    with pod.client(token) as administrator:
        cursor: dict[str, str] = {}
        while True:
            page = administrator.get("/v1/admin/usage", params={"limit": 2, **cursor})
            assert page.status_code == 200, page.text
            found |= {item["userId"]: item for item in page.json()["items"]}
            if page.json()["nextCursor"] is None:
                break
            cursor = {"cursor": page.json()["nextCursor"]}
    assert found[mine]["spentMicroDollars"] == spent
    assert "Hello" not in json.dumps(found)
