"""The functions by themselves; `test_deployment` has Cognito call one."""

from __future__ import annotations

import importlib
import json
import subprocess
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_operator.resources.app_client import client_name
from recall_operator.resources.tables import table_name
from tests.infra.conftest import FOLDER
from tests.node import NODE
from tests.unit.operator.permissions.test_policies import subject

ROUTE = FOLDER / "recall_infra" / "functions" / "web" / "route.js"


@pytest.fixture
def tier(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("RECALL_USERS_TABLES", json.dumps({"recall.test.default.own": "my-users"}))
    return importlib.reload(importlib.import_module("recall_infra.functions.tier.handler"))


@pytest.fixture
def sign_up(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RECALL_ALLOWED_DOMAINS", json.dumps(["example.org"]))
    return importlib.reload(importlib.import_module("recall_infra.functions.sign_up.handler"))


def token_event() -> dict[str, Any]:
    return {
        "version": "2",
        "triggerSource": "TokenGeneration_HostedAuth",
        "userPoolId": "eu-west-1_Users12345",
        "callerContext": {"clientId": "c1"},
        "request": {"userAttributes": {"sub": "s1", "email": "somebody@example.org"}},
        "response": {"claimsAndScopeOverrideDetails": None},
    }


def test_the_operator_and_the_trigger_agree_on_names(tier: Any) -> None:
    """The table that the operator makes is the one that the trigger finds by the operator's client."""
    one = subject()
    assert tier.users_table(client_name(one)) == table_name(one, "users")


def test_a_table_of_its_own_is_found_by_the_environments_list(tier: Any) -> None:
    assert tier.users_table("recall.test.default.own@u") == "my-users"


@pytest.mark.parametrize("name", ["", "somebody's", "recall.test.default.beta", "other.test.default.beta@u"])
def test_other_clients_have_no_table(tier: Any, name: str) -> None:
    with pytest.raises(ValueError, match="RecallInstance"):
        tier.users_table(name)


@pytest.mark.parametrize("event", [{}, {"version": "1"}, {"request": {}}, {"callerContext": None, "version": "2"}])
def test_whatever_cognito_sends_people_sign_in_as_free(
    tier: Any, event: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tier.handler(event)
    found = answer["response"]["claimsAndScopeOverrideDetails"]
    assert found["idTokenGeneration"] == found["accessTokenGeneration"] == {"claimsToAddOrOverride": {"tier": "free"}}
    assert "free" in capsys.readouterr().out


def test_a_failure_is_logged_without_who_or_what(tier: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: str) -> str:
        raise RuntimeError("USER#s1 keeps a secret")

    tier.find_tier = fails
    tier.handler(token_event())
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == "RuntimeError"
    assert "s1" not in json.dumps(said)
    assert "secret" not in json.dumps(said)


def test_a_slow_answer_is_not_waited_for(tier: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tier.LIMIT_SECONDS = 0.01
    tier.find_tier = lambda *_: time.sleep(0.2) or "premium"
    found = tier.handler(token_event())["response"]["claimsAndScopeOverrideDetails"]
    assert found["idTokenGeneration"]["claimsToAddOrOverride"] == {"tier": "free"}
    assert "TimeoutError" in capsys.readouterr().out


def sign_up_event(source: str, **attributes: str) -> dict[str, Any]:
    return {"triggerSource": source, "request": {"userAttributes": attributes}, "response": {}}


@pytest.mark.parametrize("email", ["somebody@example.org", "some.body+x@EXAMPLE.ORG"])
@pytest.mark.parametrize("source", ["PreSignUp_SignUp", "PreSignUp_ExternalProvider"])
def test_allowed_domains_may_sign_up(sign_up: Any, source: str, email: str) -> None:
    event = sign_up_event(source, email=email)
    assert sign_up.handler(event) == event


@given(domain=st.from_regex(r"[a-z]{1,8}([.-][a-z]{1,8}){0,3}", fullmatch=True))
def test_no_other_domain_may_sign_up(domain: str) -> None:
    handler = importlib.import_module("recall_infra.functions.sign_up.handler")
    handler.ALLOWED_DOMAINS = frozenset({"example.org"})
    if domain == "example.org":
        return
    with pytest.raises(handler.SignUpRefusedError, match="certain domains"):
        handler.handler(sign_up_event("PreSignUp_SignUp", email=f"somebody@{domain}"))


@pytest.mark.parametrize("email", ["somebody@example.org.example.com", "a@example.org@example.com", "example.org", ""])
def test_look_alikes_are_refused(sign_up: Any, email: str) -> None:
    with pytest.raises(sign_up.SignUpRefusedError):
        sign_up.handler(sign_up_event("PreSignUp_SignUp", email=email))


def test_an_unverified_address_of_a_provider_is_refused(sign_up: Any) -> None:
    event = sign_up_event("PreSignUp_ExternalProvider", email="somebody@example.org", email_verified="false")
    with pytest.raises(sign_up.SignUpRefusedError, match="not verified"):
        sign_up.handler(event)


def test_administrators_invite_whom_they_like(sign_up: Any) -> None:
    event = sign_up_event("PreSignUp_AdminCreateUser", email="guest@example.com")
    assert sign_up.handler(event) == event


PATHS = {
    "/": "/index.html",
    "/callback": "/index.html",
    "/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV": "/index.html",
    "/v1.2/about": "/index.html",
    "/index.html": "/index.html",
    "/assets/app-1a2b3c.js": "/assets/app-1a2b3c.js",
    "/assets/missing.js": "/assets/missing.js",
    "/favicon.ico": "/favicon.ico",
}


def test_the_apps_own_paths_are_answered_by_its_one_page() -> None:
    """Run by Node.js as CloudFront runs it: the file defines `handler`, and gets an event."""
    program = f"{ROUTE.read_text()}\nconst paths = {json.dumps(list(PATHS))};\n" + (
        "console.log(JSON.stringify(paths.map((uri) => handler({ request: { uri } }).uri)));"
    )
    ended = subprocess.run([NODE, "-e", program], check=True, capture_output=True, text=True)
    assert dict(zip(PATHS, json.loads(ended.stdout), strict=True)) == PATHS


def test_the_functions_need_nothing_but_what_lambda_brings() -> None:
    """Lambda's Python has boto3 and botocore; everything else in these files must be Python's own."""
    for file in (FOLDER / "recall_infra" / "functions").rglob("*.py"):
        code = file.read_text()
        imported = [
            line.split()[1].split(".")[0] for line in code.splitlines() if line.startswith(("import ", "from "))
        ]
        assert set(imported) <= {"__future__", "boto3", "botocore", "concurrent", "json", "os", "typing"}
