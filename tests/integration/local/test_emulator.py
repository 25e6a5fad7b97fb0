"""The emulated AWS: kept over kills, strict about rights, and what is made in it once per account."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from recall_local.aws import account

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Bedrock, Emulator

REDIRECT = "http://beta.recall.localhost:8080/callback"


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def policy(*actions: str, resource: str | list[str] = "*") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
    }


def prepare(emulator: Emulator, folder: Path, stack: str) -> Any:
    return account.prepare(
        emulator.endpoint,
        bedrock_endpoint="http://127.0.0.1:1",
        stack_name=stack,
        edge_port=8080,
        api_image="recall-api:test",
        state_folder=folder,
        policy_document=lambda _: policy("dynamodb:ListTables"),
    )


def assume(emulator: Emulator, role: str) -> dict[str, str]:
    keys = emulator.client("sts").assume_role(RoleArn=f"arn:aws:iam::000000000000:role/{role}", RoleSessionName="test")[
        "Credentials"
    ]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


def make_role(emulator: Emulator, name: str, document: dict[str, Any]) -> None:
    iam = emulator.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(account.pod_trust()))
    iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=json.dumps(document))


def test_a_kill_loses_nothing_that_was_saved_not_even_sessions(make_emulator: Callable[[], Emulator]) -> None:
    emulator = make_emulator()
    emulator.server.start()
    make_role(emulator, "kept", policy("dynamodb:*"))
    keys = assume(emulator, "kept")
    table = emulator.client("dynamodb", **keys)
    table.create_table(
        TableName="kept",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    for number in range(50):
        table.put_item(TableName="kept", Item={"pk": {"S": str(number)}, "blob": {"B": b"\x00\xff"}})
    written = time.time_ns()
    snapshots = emulator.folder / "snapshots"
    wait_until(lambda: any(int(s.name) > written for s in snapshots.glob("[0-9]*[0-9]")), seconds=10)
    emulator.server.stop(signal.SIGKILL)
    emulator.server.start()
    again = emulator.client("dynamodb", **keys).scan(TableName="kept")
    assert again["Count"] == 50
    assert again["Items"][0]["blob"]["B"] == b"\x00\xff"
    assert emulator.server.stop() == 0


def test_a_kill_in_the_middle_of_saving_leaves_the_state_before(make_emulator: Callable[[], Emulator]) -> None:
    emulator = make_emulator()
    emulator.server.start()
    emulator.client("iam").create_user(UserName="before")
    assert emulator.server.stop() == 0
    unfinished = emulator.folder / "snapshots" / f"{time.time_ns():020d}.unfinished"
    unfinished.mkdir()
    (unfinished / "iam.json").write_text('{"torn')
    emulator.server.start()
    assert [user["UserName"] for user in emulator.client("iam").list_users()["Users"]] == ["before"]
    emulator.client("iam").create_user(UserName="after")
    emulator.server.stop()
    emulator.server.start()
    assert {user["UserName"] for user in emulator.client("iam").list_users()["Users"]} == {"before", "after"}
    assert not unfinished.exists()
    emulator.server.stop()


def test_a_role_may_do_what_its_policy_says_and_no_more(emulator: Emulator) -> None:
    make_role(emulator, "lists-tables", policy("dynamodb:ListTables"))
    dynamodb = emulator.client("dynamodb", **assume(emulator, "lists-tables"))
    assert "TableNames" in dynamodb.list_tables()
    with pytest.raises(ClientError, match="not authorized to perform: dynamodb:DeleteTable") as refused:
        dynamodb.delete_table(TableName="any")
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    last = emulator.requests()[-1]
    assert (last["service"], last["operation"], last["write"], last["status"]) == ("dynamodb", "DeleteTable", True, 403)
    assert ":assumed-role/lists-tables/" in last["caller"]


def test_bedrock_asks_iam(emulator: Emulator, make_bedrock: Callable[..., Bedrock]) -> None:
    lite = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"
    make_role(emulator, "chats", policy("bedrock:InvokeModel", resource=lite))
    bedrock = make_bedrock(emulator.endpoint)
    keys = assume(emulator, "chats")
    hello = [{"role": "user", "content": [{"text": "Hello?"}]}]
    assert bedrock.client(**keys).converse(modelId="amazon.nova-lite-v1:0", messages=hello)["stopReason"]
    assert ":assumed-role/chats/" in bedrock.requests()[-1]["caller"]
    with pytest.raises(ClientError, match="bedrock:InvokeModelWithResponseStream"):
        bedrock.client(**keys).converse_stream(modelId="amazon.nova-lite-v1:0", messages=hello)
    with pytest.raises(ClientError, match=r"inference-profile/eu\.amazon\.nova-lite-v1:0"):
        bedrock.client(**keys).converse(modelId="eu.amazon.nova-lite-v1:0", messages=hello)
    forged = keys | {"aws_secret_access_key": "forged"}
    with pytest.raises(ClientError, match="signature"):
        bedrock.client(**forged).converse(modelId="amazon.nova-lite-v1:0", messages=hello)


def test_preparing_an_account_twice_makes_nothing_twice(emulator: Emulator, tmp_path: Path) -> None:
    first = prepare(emulator, tmp_path, "twice")
    second = prepare(emulator, tmp_path, "twice")
    assert first == second
    pools = emulator.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    assert [pool["Name"] for pool in pools].count("recall-twice") == 1
    assert (tmp_path / "demo-user.json").stat().st_mode & 0o777 == 0o600
    associations = emulator.client("eks").list_pod_identity_associations(clusterName="twice")["associations"]
    assert [(found["namespace"], found["serviceAccount"]) for found in associations] == [
        ("recall-system", "recall-operator")
    ]


def test_the_distribution_serves_the_web_app_and_nobody_else_reads_the_bucket(
    emulator: Emulator, tmp_path: Path
) -> None:
    platform = prepare(emulator, tmp_path, "web")
    emulator.client("s3").put_object(
        Bucket="recall-web-web", Key="index.html", Body=b"<h1>Recall</h1>", ContentType="text/html"
    )
    host = {"host": platform.web.distribution.dns_name}
    for path in ("/", "/memories/deep-link"):
        answer = httpx.get(emulator.endpoint + path, headers=host)
        assert (answer.status_code, answer.text) == (200, "<h1>Recall</h1>")
    assert httpx.get(f"{emulator.endpoint}/recall-web-web/index.html").status_code == 403


def test_the_demo_user_signs_in_by_the_hosted_pages_with_pkce(emulator: Emulator, tmp_path: Path) -> None:
    platform = prepare(emulator, tmp_path, "sign-in")
    user = account.demo_user(tmp_path)
    client_id = emulator.client("cognito-idp").create_user_pool_client(
        UserPoolId=platform.identity.user_pool_id,
        ClientName="web",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid", "email", "profile"],
        CallbackURLs=[REDIRECT],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]["ClientId"]
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with httpx.Client(base_url=emulator.endpoint) as browser:
        page = browser.get(
            "/oauth2/authorize",
            params={
                "client_id": client_id, "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid email",
                "state": "s1", "code_challenge": challenge, "code_challenge_method": "S256",
            },
            follow_redirects=True,
        )  # fmt: skip
        assert page.status_code == 200
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        assert action is not None
        answer = browser.post(action[1], data={**fields, "username": user.email, "password": user.password})
        assert answer.status_code == 302
        back = urlsplit(answer.headers["location"])
        assert back.geturl().startswith(REDIRECT)
        code = parse_qs(back.query)["code"][0]
        exchange = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "redirect_uri": REDIRECT}
        assert browser.post("/oauth2/token", data={**exchange, "code_verifier": "x" * 50}).status_code == 400
        tokens = browser.post("/oauth2/token", data={**exchange, "code_verifier": verifier})
        if tokens.status_code == 400:  # the code may be spent by the failed attempt, as RFC 7636 lets a server choose
            pytest.fail(tokens.text)
    claims = json.loads(base64.urlsafe_b64decode(tokens.json()["access_token"].split(".")[1] + "=="))
    assert claims["iss"] == platform.identity.token_issuer
    assert (claims["token_use"], claims["client_id"]) == ("access", client_id)
    keys = httpx.get(platform.identity.jwks_url).json()["keys"]
    assert keys
    assert all("canary" not in line["path"] and "?" not in line["path"] for line in emulator.requests())
