"""The life of an instance in a real cluster: applied, changed, drifted, deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recall_local.demo.leftovers import resources_of
from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.running_stack import RunningStack

    MakeInstance = Callable[..., dict[str, Any]]


def wait_ready(recall: RunningStack, name: str) -> None:
    recall.kubectl.wait(f"recallinstance/{name}", until="condition=Ready")


def patch(recall: RunningStack, name: str, spec: dict[str, Any]) -> None:
    recall.kubectl.run("patch", "recallinstance", name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def client_id(recall: RunningStack, name: str) -> str:
    resources = recall.kubectl.get("recallinstance", name)["status"]["resources"]
    return next(item["id"] for item in resources if item["kind"] == "UserPoolClient")


def test_an_applied_instance_becomes_ready_and_says_where_it_is(recall: RunningStack, instance: MakeInstance) -> None:
    instance("applied")
    wait_ready(recall, "applied")
    found = recall.kubectl.get("recallinstance", "applied")
    status = found["status"]
    assert status["observedGeneration"] == found["metadata"]["generation"]
    assert {item["observedGeneration"] for item in status["conditions"]} == {found["metadata"]["generation"]}
    states = {item["type"]: item["status"] for item in status["conditions"]}
    assert states["Reconciling"] == states["Stalled"] == "False"
    assert {name for name, state in states.items() if state == "True"} >= {
        "Ready", "TablesReady", "IdentityReady", "AccessReady", "DNSReady", "WorkloadReady",
    }  # fmt: skip
    assert status["urls"]["api"].startswith("http://api.applied.recall.localhost")
    with recall.api("applied.recall.localhost") as api:
        assert api.http.get("/health/ready").status_code == 200


def test_a_changed_manifest_changes_aws_and_the_pods(recall: RunningStack, instance: MakeInstance) -> None:
    instance("scaled")
    wait_ready(recall, "scaled")
    patch(recall, "scaled", {"api": {"replicas": 2}, "signIn": {"accessTokenMinutes": 15}})
    wait_ready(recall, "scaled")
    assert recall.kubectl.get("deployment", "scaled-api")["status"]["readyReplicas"] == 2
    cognito = recall.aws("cognito-idp")
    pool = cognito.list_user_pools(MaxResults=10)["UserPools"][0]["Id"]
    client = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id(recall, "scaled"))
    assert client["UserPoolClient"]["AccessTokenValidity"] == 15


def test_drift_is_mended(recall: RunningStack, instance: MakeInstance) -> None:
    instance("drifted")
    wait_ready(recall, "drifted")
    # So that no list of AWS's, which few instances share, is older.
    recall.kubectl.run("annotate", "recallinstance", "drifted", "recall.kug.la/poll-interval=10s")
    route53 = recall.aws("route53")
    zone = route53.list_hosted_zones()["HostedZones"][0]["Id"]

    def record() -> dict[str, Any] | None:
        records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        wanted = ("api.drifted.recall.localhost.", "A")
        return next((item for item in records if (item["Name"], item["Type"]) == wanted), None)

    lost = record()
    assert lost is not None
    changes = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": lost}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    recall.kubectl.run("delete", "deployment", "drifted-api")
    recall.kubectl.run("delete", "configmap", "--selector=recall.kug.la/instance=drifted")
    eventually(record, what="the deleted record comes back")
    eventually(lambda: recall.kubectl.exists("deployment", "drifted-api"), what="the deleted Deployment comes back")
    wait_ready(recall, "drifted")


def test_deleting_with_delete_leaves_nothing_on_aws(recall: RunningStack, instance: MakeInstance) -> None:
    instance("leaving")
    wait_ready(recall, "leaving")
    assert resources_of(recall.aws_endpoint, "leaving")
    recall.kubectl.run("delete", "recallinstance", "leaving", "--timeout=120s", timeout=150)
    assert resources_of(recall.aws_endpoint, "leaving") == []
    assert not recall.kubectl.exists("deployment", "leaving-api")


def test_retained_tables_outlive_their_instance_and_can_be_adopted(
    recall: RunningStack, instance: MakeInstance
) -> None:
    kept = {"tables": "Retain", "signIn": "Delete", "access": "Delete", "dns": "Delete"}
    instance("keeping", deletionPolicy=kept)
    wait_ready(recall, "keeping")
    table = next(item for item in resources_of(recall.aws_endpoint, "keeping") if "memories" in item)
    name = table.removeprefix("dynamodb: ")
    recall.aws("dynamodb").put_item(TableName=name, Item={"pk": {"S": "USER#x"}, "sk": {"S": "MEM#1"}})
    recall.kubectl.run("delete", "recallinstance", "keeping", "--timeout=120s", timeout=150)
    left = resources_of(recall.aws_endpoint, "keeping")
    assert all(item.startswith("dynamodb: ") for item in left)
    assert len(left) == 2

    instance("keeping", deletionPolicy=kept)
    stalled = eventually(
        lambda: (found := recall.condition("keeping", "Stalled")).get("status") == "True" and found,
        what="an instance that may not adopt says so",
    )
    assert "adoption" in stalled["message"]
    patch(recall, "keeping", {"adoption": "Adopt", "deletionPolicy": {"tables": "Delete"}})
    wait_ready(recall, "keeping")
    key = {"pk": {"S": "USER#x"}, "sk": {"S": "MEM#1"}}
    assert "Item" in recall.aws("dynamodb").get_item(TableName=name, Key=key)


def test_hibernation_stops_the_pods_and_waking_brings_them_back(recall: RunningStack, instance: MakeInstance) -> None:
    instance("sleepy")
    wait_ready(recall, "sleepy")
    patch(recall, "sleepy", {"hibernation": {"mode": "Asleep"}})
    recall.kubectl.wait("pod", "--selector=recall.kug.la/instance=sleepy", until="delete")
    assert resources_of(recall.aws_endpoint, "sleepy"), "hibernation must keep what is on AWS"
    patch(recall, "sleepy", {"hibernation": {"mode": "Awake"}})
    wait_ready(recall, "sleepy")
    with recall.api("sleepy.recall.localhost") as api:
        assert api.http.get("/health/ready").status_code == 200
