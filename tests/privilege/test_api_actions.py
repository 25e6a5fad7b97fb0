"""Every action of the API's IAM role is needed by one life of a user, and all together are enough for it.

The same two judges as for the operator, in `test_operator_actions`.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from recall_api.contract import CONTEXT_TABLE, CONTEXT_USER, Environment
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.part import Subject
from tests.integration.api.conftest import MODELS, Instance, Pod, make_instance, run_pod
from tests.integration.conftest import new_bedrock
from tests.integration.operator.resources.test_parts_on_aws import ANYBODY, STS_ONLY, document
from tests.privilege.evaluator import Request, allows, without
from tests.privilege.noted_api import KEY_OF_TABLES, NOTES
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

KEY = "arn:aws:kms:eu-west-1:000000000000:key/11111111-1111-1111-1111-111111111111"
USERS_KEY = KEY.replace("1", "2")
GUARDRAIL = "gr1"
CONTEXT = "kms:EncryptionContext:"
REMEDY = (
    "The life in tests/privilege/test_api_actions.py does not come to use it. Take it out of recall_api/contract.py, "
    "or let the life do what needs it."
)


def policy(
    memories: str = "memories",
    users: str = "users",
    pool: str = "eu-west-1_a",
    keys: str = "keys",
    kms_key: str = USERS_KEY,
) -> dict[str, Any]:
    """Return the policy that the operator gives an instance with every choice made."""
    spec: dict[str, Any] = {
        "hostname": "beta.recall.localhost",
        "tables": {"memories": {"name": memories}, "users": {"name": users}, "keys": {"name": keys}},
        "encryption": {"perUserKeys": {"kmsKeyArn": kms_key}},
        "models": {"chat": list(MODELS), "residency": "geo", "guardrail": {"id": GUARDRAIL, "version": "1"}},
    }
    metadata = {"name": "beta", "namespace": "default", "uid": "u", "generation": 1}
    instance = RecallInstance.model_validate({"metadata": metadata, "spec": spec})
    identity = platform().identity.model_dump(by_alias=True) | {"userPoolId": pool}
    return access_policy(Subject(instance, platform(identity=identity), Owner("test", "default", "beta", "u")), {})


def policy_of(instance: Instance) -> dict[str, Any]:
    """Return the policy that the operator gives an instance with these tables."""
    return policy(
        instance.memories_table, instance.users_table, instance.pool_id, instance.keys_table, instance.kms_key
    )


GRANTED = [(item["Sid"], action) for item in policy()["Statement"] for action in item["Action"]]
NOT_ASKED_BY_EMULATOR = {("TablesKey", "kms:Decrypt"): "its DynamoDB uses keys without asking"}

ASKED_AT_START = {"bedrock:ListInferenceProfiles"}
"""Actions whose answer a pod remembers for an hour; all others it must have to become ready."""


@dataclass
class Api:
    """A pod that has the API's role and nothing else."""

    pod: Pod
    role: str
    notes: Path
    environment: dict[str, str]

    def anew(self, folder: Path) -> Api:
        """Start a further pod, which remembers nothing that this one does."""
        notes = folder / "notes.jsonl"
        notes.touch()
        environment = self.environment | {NOTES: str(notes)}
        pod = run_pod(self.instance, folder, module="tests.privilege.noted_api", **environment)
        return Api(pod, self.role, notes, environment)

    @property
    def instance(self) -> Instance:
        return self.pod.instance

    @property
    def policy(self) -> dict[str, Any]:
        return policy_of(self.instance)

    def enforce(self, given: dict[str, Any]) -> None:
        self.instance.aws.client("iam").put_role_policy(
            RoleName=self.role, PolicyName="recall-api", PolicyDocument=json.dumps(given)
        )

    def noted(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    def refused(self) -> set[str]:
        """Return the actions that AWS named in refusals."""
        texts = (note["refused"] for note in self.noted())
        return {found[1] for text in texts if (found := re.search(r"perform: ([\w-]+:\w+)", text))}


@pytest.fixture(scope="module")
def api(emulator: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    bedrock = new_bedrock(folder, emulator.endpoint)
    bedrock.server.start()
    instance = make_instance(emulator, bedrock, sealed=True)
    iam, name = emulator.client("iam"), f"api-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(ANYBODY))["Role"]["Arn"]
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=document(STS_ONLY))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = emulator.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    session = sts.assume_role(RoleArn=role, RoleSessionName="api")["Credentials"]
    notes = folder / "notes.jsonl"
    whole = policy_of(instance)
    iam.put_role_policy(RoleName=name, PolicyName="recall-api", PolicyDocument=json.dumps(whole))
    environment = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "RECALL_DELETION_POLL_SECONDS": "0.2",
        "RECALL_USER_KEYS_SECONDS": "0.001",  # so that a pod also unwraps what it has wrapped
        Environment.GUARDRAIL_ID.value: GUARDRAIL,
        Environment.GUARDRAIL_VERSION.value: "1",
        NOTES: str(notes),
        KEY_OF_TABLES: KEY,
    }
    pod = run_pod(instance, folder, module="tests.privilege.noted_api", **environment)
    yield Api(pod, name, notes, environment)
    pod.kill()
    bedrock.server.stop()


def steps(user: httpx.Client) -> Iterator[Callable[[], httpx.Response]]:
    """Yield what a user does, from the first sign-in to the end of the account."""
    memories: list[dict[str, Any]] = []

    def remember() -> httpx.Response:
        answer = user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar."})
        memories.append(answer.json())
        return answer

    yield lambda: user.get("/v1/account")
    yield lambda: user.patch("/v1/account", json={"displayName": "Anna"})
    yield remember
    yield lambda: user.post("/v1/memories/batch", json={"create": [{"text": f"Note {n}"} for n in range(3)]})
    yield lambda: user.post("/v1/recall", json={"query": "bicycle"})
    yield lambda: user.get("/v1/models")
    yield lambda: user.post("/v1/chat", json={"message": "Where is the bicycle?"})
    yield lambda: user.delete(f"/v1/memories/{memories[0]['id']}")
    yield lambda: user.post("/v1/account/tokens", json={"name": "script", "scopes": ["chat"]})
    yield lambda: user.delete("/v1/account/tokens/" + user.get("/v1/account/tokens").json()["items"][0]["id"])
    yield lambda: user.delete("/v1/account", params={"confirm": "delete-everything"})


def live(api: Api, *, until: Callable[[], bool] = lambda: False, seconds: float = 60) -> list[int]:
    """Live a user's life until it ends, or `until` says so; return the answers' statuses."""
    token = api.instance.sign_in(f"user-{uuid.uuid4().hex[:8]}")["access_token"]
    statuses = []
    with api.pod.client(token) as user:
        for step in steps(user):
            try:
                statuses.append(step().status_code)
            except (KeyError, IndexError):
                statuses.append(500)  # What an earlier step was refused is missing now.
            if until():
                return statuses
        deadline = time.monotonic() + seconds
        while user.get("/v1/account/deletion").json().get("state") != "done" and not until():
            assert time.monotonic() < deadline, api.pod.log[-2000:]
            time.sleep(0.1)
    return statuses


@pytest.fixture(scope="module")
def asked(api: Api) -> list[Request]:
    """What one life asked for under the whole policy: the emulator has refused nothing of it."""
    api.enforce(api.policy)
    statuses = live(api)
    assert not api.refused()
    assert all(status < 300 for status in statuses), statuses
    return [Request(action, resource, context) for note in api.noted() for action, resource, context in note["asked"]]


def test_the_whole_policy_is_enough_for_a_life(api: Api, asked: list[Request]) -> None:
    assert not {str(request) for request in asked if not allows(api.policy, request)}


@pytest.mark.parametrize(("sid", "action"), GRANTED)
def test_without_any_one_action_the_life_is_refused(api: Api, asked: list[Request], sid: str, action: str) -> None:
    less = without(api.policy, sid, action)
    assert {request.action for request in asked if not allows(less, request)} == {action}, REMEDY


def sample() -> list[tuple[str, str]]:
    """Return all actions in the long form; else one, another at each run (`RECALL_SEED` repeats one)."""
    if os.environ.get("RECALL_LONG"):
        return GRANTED
    seed = int(os.environ["RECALL_SEED"])  # set by tests/conftest.py
    return random.Random(seed).sample([grant for grant in GRANTED if grant not in NOT_ASKED_BY_EMULATOR], 1)


@pytest.mark.parametrize(("sid", "action"), sample())
def test_the_emulator_refuses_exactly_the_action_that_is_left_out(
    api: Api, asked: list[Request], tmp_path: Path, sid: str, action: str
) -> None:
    assert asked
    less = without(api.policy, sid, action)
    if action in ASKED_AT_START:
        api.enforce(less)
    other = api.anew(tmp_path)
    api.notes.write_text("")

    def refused() -> set[str]:
        """Either pod may be the one that finishes a deletion."""
        return api.refused() | other.refused()

    try:
        other.enforce(less)
        live(other, until=lambda: bool(refused()))
        assert refused() == (set() if (sid, action) in NOT_ASKED_BY_EMULATOR else {action})
    finally:
        other.pod.kill()
        api.enforce(api.policy)


def test_another_instances_tables_are_out_of_reach(api: Api) -> None:
    actions = [action for _, action in GRANTED if action.startswith("dynamodb:")]
    for table in ("recall.test.default.other.memories", f"{api.instance.users_table}-2"):
        arn = f"arn:aws:dynamodb:eu-west-1:000000000000:table/{table}"
        assert not any(allows(api.policy, Request(action, arn)) for action in actions)


def test_the_users_key_opens_no_data_key_of_another_instance_and_nothing_else(api: Api, asked: list[Request]) -> None:
    used = [request for request in asked if request.resource == api.instance.kms_key]
    assert {request.action for request in used} == {"kms:Decrypt", "kms:GenerateDataKey"}
    for request in used:
        for changed in (
            {CONTEXT + CONTEXT_TABLE: "another.keys"},
            {"kms:EncryptionContextKeys": (CONTEXT_TABLE, CONTEXT_USER, "more")},
        ):
            assert not allows(api.policy, Request(request.action, request.resource, {**request.context, **changed}))
        nobodys = {key: value for key, value in request.context.items() if key != CONTEXT + CONTEXT_USER}
        assert not allows(api.policy, Request(request.action, request.resource, nobodys))
        assert not allows(api.policy, Request(request.action, KEY, request.context))
