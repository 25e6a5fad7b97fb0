"""The emulated AWS: kept over kills, strict about rights, and what is made in it once per account."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from botocore.exceptions import ClientError

from recall_delivery.web import publish
from recall_local.aws import account

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_a_published_web_app_is_cached_by_name_and_leaves_nothing_stale(emulator: Emulator, tmp_path: Path) -> None:
    platform = prepare(emulator, tmp_path, "published")
    host = {"host": platform.web.distribution.dns_name}
    for version in ("one", "two"):
        built = tmp_path / version
        (built / "assets").mkdir(parents=True)
        (built / "index.html").write_text(version)
        (built / f"assets/{version}.js").write_text(f"// {version}")
        publish(emulator.client("s3"), "recall-published-web", built, kept=timedelta(0))
    page = httpx.get(f"{emulator.endpoint}/index.html", headers=host)
    assert (page.text, page.headers["cache-control"]) == ("two", "no-cache")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    script = httpx.get(f"{emulator.endpoint}/assets/two.js", headers=host)
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript"
    listed = emulator.client("s3").list_objects_v2(Bucket="recall-published-web")["Contents"]
    assert [item["Key"] for item in listed] == ["assets/two.js", "index.html"]


def test_who_signed_in_is_not_asked_again_until_they_sign_out(emulator: Emulator, tmp_path: Path) -> None:
    platform = prepare(emulator, tmp_path, "session")
    user = account.demo_user(tmp_path)
    client_id = emulator.client("cognito-idp").create_user_pool_client(
        UserPoolId=platform.identity.user_pool_id,
        ClientName="web",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid"],
        CallbackURLs=[REDIRECT],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]["ClientId"]
    query = {"client_id": client_id, "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid"}
    with httpx.Client(base_url=emulator.endpoint) as browser:
        page = browser.get("/oauth2/authorize", params=query)
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        wrong = browser.post("/login", data={**fields, "username": user.email, "password": "Wrong-1234567"})
        assert "set-cookie" not in wrong.headers
        assert browser.post("/login", data={**fields, "username": user.email, "password": user.password}).is_redirect
        again = browser.get("/oauth2/authorize", params={**query, "state": "s2"})
        assert again.headers["location"].startswith(f"{REDIRECT}?code=")
        assert again.headers["location"].endswith("&state=s2")
        assert browser.get("/oauth2/authorize", params={**query, "prompt": "login"}).status_code == 200
        assert browser.get("/oauth2/authorize", params={**query, "redirect_uri": "https://evil"}).status_code == 400
        browser.get("/logout", params={"client_id": client_id, "logout_uri": REDIRECT})
        assert browser.get("/oauth2/authorize", params=query).status_code == 200


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def test_the_demo_user_signs_in_by_the_hosted_pages_with_pkce_and_ends_the_session(
    emulator: Emulator, tmp_path: Path
) -> None:
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
        renewal = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "refresh_token": tokens.json()["refresh_token"],
        }
        first = claims_of(tokens.json()["id_token"])["auth_time"]
        while int(time.time()) == first:
            time.sleep(0.05)
        renewed = browser.post("/oauth2/token", data=renewal).json()
        assert claims_of(renewed["id_token"])["iat"] > first
        assert {claims_of(renewed[name])["auth_time"] for name in ("id_token", "access_token")} == {first}
        for refused, error in (
            ({"client_id": client_id}, "invalid_request"),
            ({"client_id": "nobody", "token": renewal["refresh_token"]}, "invalid_client"),
            ({"client_id": client_id, "token": tokens.json()["access_token"]}, "unsupported_token_type"),
        ):
            answer = browser.post("/oauth2/revoke", data=refused)
            assert (answer.status_code, answer.json()) == (400, {"error": error})
        ended = browser.post("/oauth2/revoke", data={"client_id": client_id, "token": renewal["refresh_token"]})
        assert (ended.status_code, ended.text, ended.headers["access-control-allow-origin"]) == (200, "", "*")
        assert browser.post("/oauth2/token", data=renewal).json()["error"] == "invalid_grant"
    claims = claims_of(tokens.json()["access_token"])
    assert claims["iss"] == platform.identity.token_issuer
    assert (claims["token_use"], claims["client_id"]) == ("access", client_id)
    keys = httpx.get(platform.identity.jwks_url).json()["keys"]
    assert keys
    assert all("canary" not in line["path"] and "?" not in line["path"] for line in emulator.requests())


def test_iam_decides_by_the_encryption_context(emulator: Emulator) -> None:
    kms, iam, name = emulator.client("kms"), emulator.client("iam"), f"context-{secrets.token_hex(4)}"
    key = kms.create_key()["KeyMetadata"]["Arn"]
    context = "kms:EncryptionContext:"
    statement = policy("kms:GenerateDataKey", "kms:Decrypt", resource=key)["Statement"][0] | {
        "Condition": {
            "StringEquals": {f"{context}recall:keys-table": "ours"},
            "Null": {f"{context}recall:user": "false"},
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["recall:keys-table", "recall:user"]},
        }
    }
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="keys", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    caller = emulator.client(
        "kms", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"]
    )
    ours = {"recall:keys-table": "ours", "recall:user": "anna"}
    wrapped = caller.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=ours)
    opened = caller.decrypt(CiphertextBlob=wrapped["CiphertextBlob"], EncryptionContext=ours)
    assert opened["Plaintext"] == wrapped["Plaintext"]
    for other in ({**ours, "recall:keys-table": "theirs"}, {"recall:keys-table": "ours"}, {**ours, "more": "x"}, {}):
        with pytest.raises(ClientError, match="AccessDenied"):
            caller.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=other)


def test_the_account_has_the_key_that_the_example_names(emulator: Emulator, tmp_path: Path) -> None:
    for _ in range(2):
        prepare(emulator, tmp_path, "keys")
    example = yaml.safe_load((Path(__file__).parents[3] / "deploy/examples/private.yaml").read_text())
    arn = example["spec"]["encryption"]["perUserKeys"]["kmsKeyArn"]
    assert emulator.client("kms").describe_key(KeyId=arn)["KeyMetadata"]["Enabled"]
    assert emulator.client("kms").create_key()["KeyMetadata"]["Arn"] != arn


@pytest.mark.parametrize("kind", ["S", "N"])
def test_a_query_gives_the_items_of_its_range_page_by_page(emulator: Emulator, kind: str) -> None:
    table, dynamodb = f"ranges-{secrets.token_hex(4)}", emulator.client("dynamodb")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": kind},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for partition in ("one", "other"):
        for number in range(1, 10):
            dynamodb.put_item(TableName=table, Item={"pk": {"S": partition}, "sk": {kind: str(number)}})
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#pk = :pk AND #sk BETWEEN :first AND :last",
        ExpressionAttributeNames={"#pk": "pk", "#sk": "sk"},
        ExpressionAttributeValues={":pk": {"S": "one"}, ":first": {kind: "3"}, ":last": {kind: "7"}},
        ScanIndexForward=False,
        PaginationConfig={"PageSize": 2},
    )
    found = [[item["sk"][kind] for item in page["Items"]] for page in pages]
    assert found == [["7", "6"], ["5", "4"], ["3"]]
    assert {item["pk"]["S"] for page in pages for item in page["Items"]} == {"one"}
