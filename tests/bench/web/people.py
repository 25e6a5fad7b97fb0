"""Users with many memories in the running stack, and a browser in which they are signed in.

Their memories are written straight into DynamoDB, once a stack (a minute for 50,000), with the snapshot of the search
index that a pod would have made; everything that a browser reads of them comes through the API.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import boto3
import uvloop
from playwright.sync_api import Browser, Page, sync_playwright

from recall_api.aws import Aws
from recall_api.identifiers import UserId
from recall_api.memories.repository import MemoryRepository
from recall_api.search.repository import vector_space
from recall_api.settings import Settings
from recall_api.storage import Table
from recall_api.telemetry import Metrics
from recall_local import lifecycle
from recall_local.aws import account, emulator
from recall_local.cluster.choose import choose
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.bench.api.search import memories, store_with_snapshot
from tests.bench.embedders import WordLlamaEmbedder
from tests.e2e.web.serving import built_web_app, headers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recall_local.stack import Stack

HOST: Final = "beta.recall.localhost"
YEAR: Final = 2024
"""The year in which all of it happened: a timeline shows all of a user's memories, a month a twelfth of them."""
_PASSWORD: Final = "Aa1-bench-of-the-web-app"


@dataclass(frozen=True)
class Person:
    """Somebody with so many memories."""

    email: str
    password: str
    count: int


def planted(stack: Stack, count: int, note: Callable[[str], None]) -> Person:
    """Return the user of the running stack with `count` memories, made when there is none yet."""
    person = Person(f"bench-{count}@recall.localhost", _PASSWORD, count)
    endpoint = lifecycle.aws_endpoint(choose(stack))
    _be_root(endpoint)
    subject = _user(endpoint, person)
    os.environ |= _environment_of_pods(stack)
    uvloop.run(_plant(Settings(), subject, count, note))
    return person


def _be_root(endpoint: str) -> None:
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": account.REGION,
        "AWS_DEFAULT_REGION": account.REGION,
        "AWS_ACCESS_KEY_ID": emulator.ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": emulator.ROOT_SECRET_KEY,
    }


def _user(endpoint: str, person: Person) -> UserId:
    cognito = boto3.client("cognito-idp", endpoint_url=endpoint)
    pool = cognito.list_user_pools(MaxResults=10)["UserPools"][0]["Id"]
    if not cognito.list_users(UserPoolId=pool, Filter=f'email = "{person.email}"')["Users"]:
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=person.email,
            UserAttributes=[{"Name": "email", "Value": person.email}, {"Name": "email_verified", "Value": "true"}],
            MessageAction="SUPPRESS",
        )
    cognito.admin_set_user_password(UserPoolId=pool, Username=person.email, Password=person.password, Permanent=True)
    [user] = cognito.list_users(UserPoolId=pool, Filter=f'email = "{person.email}"')["Users"]
    return UserId(next(item["Value"] for item in user["Attributes"] if item["Name"] == "sub"))


def _environment_of_pods(stack: Stack) -> dict[str, str]:
    found: dict[str, str] = lifecycle.kubectl_of(stack).get("configmap", "beta-api")["data"]
    return {name: value for name, value in found.items() if name.startswith("RECALL_")}


async def _plant(settings: Settings, subject: UserId, count: int, note: Callable[[str], None]) -> None:
    aws = Aws(settings, Metrics())
    try:
        if (await MemoryRepository(Table(aws, settings.memories_table)).state(subject)).count >= count:
            return
        note(f"writing {count:,} memories into DynamoDB")
        stored = memories(count, begin=datetime(YEAR, 1, 1, tzinfo=UTC), minutes=366 * 24 * 60)
        vectors = WordLlamaEmbedder().embed_many([memory.content.text for memory in stored])
        space = vector_space(settings.embedding_model, settings.embedding_dimensions)
        await store_with_snapshot(aws, settings.memories_table, subject, stored, vectors, space)
    finally:
        await aws.close()


@contextmanager
def browser_on(origin: str, built: Path, *arguments: str) -> Iterator[Browser]:
    """Run Chromium, to which `origin` is the app in `built`, served from loopback under the headers of the stack."""
    with built_web_app(built, headers_of(origin)) as port, sync_playwright() as playwright:
        rule = f"--host-resolver-rules=MAP {urlsplit(origin).netloc} 127.0.0.1:{port}"
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_ARGUMENTS, rule, *arguments])
        try:
            yield chromium
        finally:
            chromium.close()


def enter(page: Page, person: Person, path: str = "/") -> Page:
    """Open the app as a person, through the hosted sign-in page."""
    page.goto(path)
    page.get_by_role("button", name="Sign in").click()
    page.locator("[name=username]").fill(person.email)
    page.locator("[name=password]").fill(person.password)
    page.keyboard.press("Enter")
    page.get_by_role("navigation", name="Screens").wait_for()
    return page
