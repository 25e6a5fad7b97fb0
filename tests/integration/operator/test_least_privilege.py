"""With the operator's IAM policy a life passes; without an action that it needs, it does not.

This does not prove the policy minimal yet: the short form leaves out two actions, and in the long form some actions
can be left out without harm, because the life does not come to where they are needed.

The emulated AWS enforces IAM. One life (made, changed behind, changed by spec, settled by shared lists, deleted) is
lived once for each action left out; `RECALL_LONG=1` leaves out each one, the short form two.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from recall_operator.aws import Aws
from recall_operator.aws_inventory import Inventory
from recall_operator.errors import aws_code
from recall_operator.operator_policy import policy_document
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients
from tests.integration.operator.test_parts_on_aws import account, credentials
from tests.unit.operator.fakes import FakeKubernetes, platform

if TYPE_CHECKING:
    from recall_operator.platform import Platform

SAMPLE = ("dynamodb:DescribeTable", "dynamodb:CreateTable")
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorizedException")


def all_actions() -> list[str]:
    return [action for statement in policy_document(platform())["Statement"] for action in statement["Action"]]


class Refusals:
    """AWS, with a note of each refusal: the operator itself goes on and says it in the status."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self.denied: set[str] = set()

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await self._aws.call(service, operation, **parameters)
        except ClientError as error:
            if aws_code(error) in DENIED:
                self.denied.add(f"{service}:{operation}")
            raise

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        try:
            return await self._aws.pages(service, operation, key, **parameters)
        except ClientError as error:
            if aws_code(error) in DENIED:
                self.denied.add(f"{service}:{operation}")
            raise


async def live(emulator: Any, facts: Platform) -> set[str]:
    """Live the life; return what was denied."""
    aws = Aws(facts.aws.region)
    door = Refusals(aws)
    kubernetes = FakeKubernetes()
    reconciler = Reconciler(facts, Clients(Inventory(door, facts.cluster.name), kubernetes))

    async def settle() -> None:
        for _ in range(25):
            outcome = await reconciler.reconcile("default/beta")
            if outcome in (Outcome.SETTLED, Outcome.GONE) or door.denied:
                return

    def spec(**changes: Any) -> dict[str, Any]:
        return {"hostname": "beta.example.org", "tables": {"deletionProtection": True}} | changes

    async def act() -> None:
        key = kubernetes.put_instance(spec())
        await settle()
        await reconciler.reconcile("default/beta")  # From shared lists.
        cluster = facts.cluster.name
        root = emulator.client
        role = f"recall.{cluster}.default.beta"
        with contextlib.suppress(ClientError):
            root("iam").untag_role(RoleName=role, TagKeys=["recall.kug.la/name"])
            other = json.dumps({"Version": "2012-10-17", "Statement": []})
            root("iam").update_assume_role_policy(RoleName=role, PolicyDocument=other)
            (found,) = root("eks").list_pod_identity_associations(clusterName=cluster)["associations"]
            where = {"clusterName": cluster, "associationId": found["associationId"]}
            root("eks").update_pod_identity_association(**where, roleArn="arn:aws:iam::000000000000:role/other")
            root("eks").untag_resource(resourceArn=found["associationArn"], tagKeys=["recall.kug.la/name"])
        kubernetes.put_instance(spec(signIn={"accessTokenMinutes": 17}))
        await settle()
        kubernetes.delete_instance(key)
        await settle()
        erase = {"adoption": "Adopt", "deletionPolicy": {"tables": "Delete"}}
        key = kubernetes.put_instance(spec(**erase))
        await settle()
        kubernetes.delete_instance(key)
        await settle()

    try:
        await act()
    finally:
        aws.close()
    return door.denied


@pytest.mark.parametrize("without", [None, *(all_actions() if os.environ.get("RECALL_LONG") else SAMPLE)])
async def test_a_life_passes_with_the_whole_policy_and_fails_without_any_one_action(
    emulator: Any, monkeypatch: pytest.MonkeyPatch, without: str | None
) -> None:
    facts = account(emulator)
    for name, value in credentials(emulator, facts).items():
        monkeypatch.setenv(name, value)
    document = policy_document(facts)
    for statement in document["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
    emulator.client("iam").put_role_policy(
        RoleName=f"operator-{facts.cluster.name}", PolicyName="operator", PolicyDocument=json.dumps(document)
    )
    denied = await live(emulator, facts)
    assert bool(denied) == (without is not None), denied
