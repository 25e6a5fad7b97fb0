"""What the end-to-end tests use of a running stack: kubectl, AWS as root, the API, sign-in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from recall_local import lifecycle
from recall_local.aws import account, emulator
from recall_local.aws import requests as request_log
from recall_local.cluster.choose import choose
from recall_local.demo.memory_api import MemoryApi
from recall_local.demo.sign_in import Tokens, sign_in
from recall_local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recall_local.kubectl import Kubectl

RESYNC_SECONDS = 15
"""Short, so that second passes happen while a test looks for writes."""


def recall_local(*arguments: str, stack: str) -> subprocess.CompletedProcess[str]:
    """Run the stack's command as a person would."""
    environment = {name: value for name, value in os.environ.items() if name != "RECALL_PORT"}
    return subprocess.run(
        [sys.executable, "-m", "recall_local.cli", *arguments],
        env={**environment, "RECALL_STACK": stack},
        capture_output=True,
        text=True,
        check=False,
    )


def eventually(question: Callable[[], Any], *, seconds: float = 60, what: str) -> Any:
    """Ask until the answer is true and return it; fail when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    answer: Any = None
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.2)
    pytest.fail(f"{what}: not within {seconds} s; last answer: {answer!r}")


@dataclass(frozen=True)
class RunningStack:
    """What tests use of a stack that is up."""

    stack: Stack
    kubectl: Kubectl
    aws_endpoint: str
    audit_log: Path | None

    def aws(self, service: str) -> Any:
        """Return a client of the account's root."""
        return boto3.client(
            service,
            endpoint_url=self.aws_endpoint,
            region_name=account.REGION,
            aws_access_key_id=emulator.ROOT_ACCESS_KEY,
            aws_secret_access_key=emulator.ROOT_SECRET_KEY,
            config=Config(retries={"total_max_attempts": 3}),
        )

    def aws_requests(self) -> list[dict[str, Any]]:
        """Return every request to the emulated AWS so far, from its own log."""
        return request_log.read(self.stack.logs / emulator.REQUEST_LOG_NAME)

    def api(self, hostname: str, tokens: Tokens | None = None) -> MemoryApi:
        """Return the API of the instance at `hostname`."""
        return MemoryApi(self.stack.origin(f"api.{hostname}"), tokens)

    def sign_in(self, hostname: str, email: str, password: str) -> Tokens:
        """Sign in on the hosted page, with Chromium."""
        with self.api(hostname) as anonymous:
            page = anonymous.sign_in_page(f"{self.stack.origin(hostname)}/callback")
        return sign_in(page, email, password)

    def new_user(self, email: str, password: str) -> None:
        """Make a confirmed user, once."""
        cognito = self.aws("cognito-idp")
        pool = cognito.list_user_pools(MaxResults=10)["UserPools"][0]["Id"]
        if not cognito.list_users(UserPoolId=pool, Filter=f'email = "{email}"')["Users"]:
            attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
            cognito.admin_create_user(
                UserPoolId=pool, Username=email, UserAttributes=attributes, MessageAction="SUPPRESS"
            )
        cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """Return one condition of an instance; empty when it is not there yet."""
        status = self.kubectl.get("recallinstance", name).get("status", {})
        return next((item for item in status.get("conditions", []) if item["type"] == kind), {})


def started(name: str) -> RunningStack:
    """Bring the stack `name` up and return it."""
    done = recall_local("up", "--resync-seconds", str(RESYNC_SECONDS), stack=name)
    assert done.returncode == 0, f"the stack did not come up:\n{done.stdout}\n{done.stderr}"
    stack = Stack.open(name)
    cluster = choose(stack)
    return RunningStack(stack, lifecycle.kubectl_of(stack), lifecycle.aws_endpoint(cluster), cluster.audit_log)
