"""Pod Identity from token to keys: a real boto3 as the pod, the emulated AWS, and an API server the test plays."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from recall_local import pod_identity, webhook_certificate
from recall_local.aws.account import pod_trust
from recall_local.cluster_api import Access, ClusterApi
from recall_local.serving import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import Emulator

CLUSTER = "pods"
TOKENS = {
    "token-of-beta": "system:serviceaccount:default:beta",
    "token-of-other": "system:serviceaccount:default:other",
}


@pytest.fixture(scope="module")
def role(emulator: Emulator) -> str:
    """A role that may list tables, for the service account default/beta."""
    iam, eks = emulator.client("iam"), emulator.client("eks")
    arn = iam.create_role(RoleName="pod-beta", AssumeRolePolicyDocument=json.dumps(pod_trust()))["Role"]["Arn"]
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}],
    }
    iam.put_role_policy(RoleName="pod-beta", PolicyName="only", PolicyDocument=json.dumps(document))
    eks.create_cluster(name=CLUSTER, roleArn=arn, resourcesVpcConfig={"subnetIds": []})
    eks.create_pod_identity_association(clusterName=CLUSTER, namespace="default", serviceAccount="beta", roleArn=arn)
    return str(arn)


async def token_review(request: web.Request) -> web.Response:
    spec = (await request.json())["spec"]
    assert spec["audiences"] == ["pods.eks.amazonaws.com"]
    user = TOKENS.get(spec["token"])
    if user is None:
        return web.json_response({"status": {"authenticated": False, "error": "unknown token"}}, status=201)
    extra = {"authentication.kubernetes.io/pod-name": ["beta-1"]}
    status = {"authenticated": True, "audiences": spec["audiences"], "user": {"username": user, "extra": extra}}
    return web.json_response({"status": status}, status=201)


@asynccontextmanager
async def running(emulator: Emulator, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run agent and webhook; give their ports."""
    kubernetes = web.Application()
    kubernetes.add_routes([web.post("/apis/authentication.k8s.io/v1/tokenreviews", token_review)])
    server = await start(kubernetes, "127.0.0.1", 0)
    api = ClusterApi(Access(f"http://127.0.0.1:{server.addresses[0][1]}", ssl.create_default_context()))
    identity = pod_identity.PodIdentity(pod_identity.Aws(emulator.endpoint, CLUSTER), api)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(webhook_certificate.ensure(folder, "127.0.0.1"))
    agent = await start(identity.agent(), "127.0.0.1", 0)
    webhook = await start(identity.webhook(), "127.0.0.1", 0, tls=tls)
    try:
        yield agent.addresses[0][1], webhook.addresses[0][1]
    finally:
        for runner in (webhook, agent, server):
            await runner.cleanup()
        await api.close()


POD_PROGRAM = """
import boto3, json, botocore.exceptions
print(boto3.client("sts").get_caller_identity()["Arn"])
print(len(boto3.client("dynamodb").list_tables()["TableNames"]) >= 0)
try:
    boto3.client("dynamodb").delete_table(TableName="any")
except botocore.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
"""


async def test_a_pod_with_an_association_gets_keys_of_its_role_and_no_more(
    emulator: Emulator, role: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("token-of-beta")
    async with running(emulator, tmp_path) as (agent, _):
        variables = pod_identity.environment("eu-west-1") | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{agent}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
            "AWS_ENDPOINT_URL": emulator.endpoint,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        pod = await asyncio.create_subprocess_exec(
            sys.executable, "-c", POD_PROGRAM, env=clean | variables, stdout=subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(pod.communicate(), 60)
    arn, listed, refused = printed.decode().split()
    assert arn.startswith(f"arn:aws:sts::000000000000:assumed-role/{role.rpartition('/')[2]}/eks-{CLUSTER}-beta-1-")
    assert (listed, refused) == ("True", "AccessDeniedException")


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        (None, 400, "no Authorization header"),
        ("forged", 400, "unknown token"),
        ("token-of-other", 404, "default/other has no Pod Identity association"),
    ],
)
@pytest.mark.usefixtures("role")
async def test_others_get_no_keys_and_are_told_why(
    emulator: Emulator, tmp_path: Path, token: str | None, status: int, words: str
) -> None:
    headers = {"authorization": token} if token else {}
    async with (
        running(emulator, tmp_path) as (agent, _),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{agent}/v1/credentials", headers=headers) as answer,
    ):
        assert answer.status == status
        assert words in await answer.text()


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(("service_account", "patched"), [("beta", True), ("other", False)])
async def test_the_webhook_changes_only_pods_with_an_association(
    emulator: Emulator, tmp_path: Path, service_account: str, patched: bool
) -> None:
    pod = {"spec": {"serviceAccountName": service_account, "containers": [{"name": "api"}]}}
    review = {"request": {"uid": "u1", "namespace": "default", "object": pod}}
    manifest = pod_identity.webhook_configuration(tmp_path)["webhooks"][0]
    trusting = ssl.create_default_context(cadata=base64.b64decode(manifest["clientConfig"]["caBundle"]).decode())
    async with (
        running(emulator, tmp_path) as (_, webhook),
        aiohttp.ClientSession() as session,
        session.post(f"https://127.0.0.1:{webhook}/mutate", json=review, ssl=trusting) as answer,
    ):
        response: dict[str, Any] = (await answer.json())["response"]
    assert response["allowed"]
    assert response["uid"] == "u1"
    assert ("patch" in response) == patched
    if patched:
        assert "/spec/containers/0/env" in base64.b64decode(response["patch"]).decode()
