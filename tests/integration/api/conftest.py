"""The API as its own process, on the emulated AWS, with users who signed in through the hosted page."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from recall_api.contract import DRAIN_SECONDS, PARTITION_KEY, SIGN_IN_SCOPES, SORT_KEY, Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REGION = "eu-west-1"
CALLBACK = "http://beta.recall.localhost/callback"
ORIGIN = "http://beta.recall.localhost:8080"
MODELS = ("amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0")


@dataclass(frozen=True)
class Instance:
    """What the operator would have made for one RecallInstance."""

    aws: Any
    bedrock: Any
    memories_table: str
    users_table: str
    pool_id: str
    client_id: str
    keys_table: str = ""
    kms_key: str = ""
    """Both empty where users have no data key of their own."""

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.pool_id}"

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a pod, as the operator sets it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECALL_"))}
        return (
            inherited
            | {
                Environment.INSTANCE.value: "default/beta",
                Environment.HOSTNAME.value: "beta.recall.localhost",
                Environment.WEB_ORIGINS.value: ORIGIN,
                Environment.MEMORIES_TABLE.value: self.memories_table,
                Environment.USERS_TABLE.value: self.users_table,
                Environment.KEYS_TABLE.value: self.keys_table,
                Environment.USER_KEYS_KMS_KEY.value: self.kms_key,
                Environment.TOKEN_ISSUER.value: self.issuer,
                Environment.JWKS_URL.value: f"{self.aws.endpoint}/{self.pool_id}/.well-known/jwks.json",
                Environment.SIGN_IN_URL.value: self.aws.endpoint,
                Environment.USER_POOL_ID.value: self.pool_id,
                Environment.CLIENT_ID.value: self.client_id,
                Environment.CHAT_MODELS.value: ",".join(MODELS),
                Environment.EMBEDDING_MODEL.value: "amazon.titan-embed-text-v2:0",
                Environment.EMBEDDING_DIMENSIONS.value: "256",
                Environment.RESIDENCY.value: "geo",
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_ENDPOINT_URL": self.aws.endpoint,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.bedrock.endpoint,
                "RECALL_BIND_ADDRESS": "127.0.0.1",
                # Tests send more than people do; test_limits.py has limits of its own.
                "RECALL_USER_REQUESTS_PER_MINUTE": "1000000",
                "RECALL_ADDRESS_REQUESTS_PER_MINUTE": "1000000",
                "RECALL_USER_STREAMS": "1000",
            }
            | changes
        )

    def sign_in(self, name: str) -> dict[str, str]:
        """Make a user and return the tokens that the hosted page's code is exchanged for."""
        cognito = self.aws.client("cognito-idp")
        password = "Aa1-" + secrets.token_urlsafe(12)
        cognito.admin_create_user(UserPoolId=self.pool_id, Username=name, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(UserPoolId=self.pool_id, Username=name, Password=password, Permanent=True)
        return tokens_from_hosted_page(self.aws.endpoint, self.client_id, name, password)


def tokens_from_hosted_page(endpoint: str, client_id: str, name: str, password: str) -> dict[str, str]:
    """Do what a browser does with the hosted sign-in page (code + PKCE)."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": " ".join(SIGN_IN_SCOPES),
        "state": "s",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    with httpx.Client(base_url=endpoint, timeout=10) as browser:
        page = browser.get("/oauth2/authorize", params=query)
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        posted = browser.post("/login", data=fields | {"username": name, "password": password})
        assert posted.status_code == 302, posted.text
        code = parse_qs(urlsplit(posted.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "client_id": client_id, "redirect_uri": CALLBACK}
        answer = browser.post("/oauth2/token", data=form | {"code": code, "code_verifier": verifier})
        tokens: dict[str, str] = answer.raise_for_status().json()
        return tokens


@dataclass
class Pod:
    """One process of the API."""

    instance: Instance
    folder: Path
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "api.log").read_text()

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def metrics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text

    def kill(self) -> None:
        """End it as a lost node does."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """End it as Kubernetes does: what measures it can write down what it saw."""
        self.process.terminate()
        try:
            self.process.wait(DRAIN_SECONDS + 10)
        except subprocess.TimeoutExpired:
            self.kill()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_pod(
    instance: Instance, folder: Path, *, seconds: float = 90, module: str = "recall_api.main", **changes: str
) -> Pod:
    """Start the API as the image starts it, and wait until it is ready."""
    port, metrics_port = free_port(), free_port()
    environment = instance.environment(RECALL_PORT=str(port), RECALL_METRICS_PORT=str(metrics_port), **changes)
    with (folder / "api.log").open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=output, stderr=output)
    pod = Pod(instance, folder, port, metrics_port, process)
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(f"{pod.url}/health/ready", timeout=5).status_code == 200:
                return pod
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            pod.kill()
            raise RuntimeError(f"the API did not start:\n{pod.log}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def instance(emulator: Any, bedrock: Any) -> Instance:
    return make_instance(emulator, bedrock, sealed=bool(os.environ.get("RECALL_SEALED")))


def make_instance(emulator: Any, bedrock: Any, *, sealed: bool = False) -> Instance:
    """Make tables, a user pool and a client, as the operator and the account's stack do; a KMS key if `sealed`."""
    suffix = uuid.uuid4().hex[:8]
    dynamodb = emulator.client("dynamodb")
    names = [f"api-memories-{suffix}", f"api-users-{suffix}"]
    keys = [f"api-keys-{suffix}"] if sealed else []
    for name in [*names, *keys]:
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
                {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
                {"AttributeName": SORT_KEY, "AttributeType": "S"},
            ],
        )
    cognito = emulator.client("cognito-idp")
    pool_id = cognito.create_user_pool(PoolName=f"api-{suffix}")["UserPool"]["Id"]
    cognito.create_user_pool_domain(Domain=f"api-{suffix}", UserPoolId=pool_id)
    client_id = make_client(cognito, pool_id)
    sealing = (*keys, emulator.client("kms").create_key()["KeyMetadata"]["Arn"]) if sealed else ()
    return Instance(emulator, bedrock, *names, pool_id, client_id, *sealing)


def make_client(cognito: Any, pool_id: str) -> str:
    """Make an app client as the operator does."""
    made = cognito.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="beta",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=list(SIGN_IN_SCOPES),
        CallbackURLs=[CALLBACK],
        SupportedIdentityProviders=["COGNITO"],
    )
    return str(made["UserPoolClient"]["ClientId"])


@pytest.fixture(scope="session")
def pod(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The API that tests of the run share."""
    running = run_pod(instance, tmp_path_factory.mktemp("pod"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def other_pod(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A second process on the same tables."""
    running = run_pod(instance, tmp_path_factory.mktemp("other-pod"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def new_tokens(instance: Instance) -> Callable[[], dict[str, str]]:
    """Make a user and return the user's tokens."""
    return lambda: instance.sign_in(f"user-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def user(pod: Pod, new_tokens: Callable[[], dict[str, str]]) -> Iterator[httpx.Client]:
    """A fresh user's view of the API."""
    with pod.client(new_tokens()["access_token"]) as client:
        yield client


@pytest.fixture
def stranger(pod: Pod, new_tokens: Callable[[], dict[str, str]]) -> Iterator[httpx.Client]:
    """Another user's view of the API."""
    with pod.client(new_tokens()["access_token"]) as client:
        yield client


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait until a call returns something true, and return it."""

    def wait(call: Callable[[], Any], seconds: float = 10.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := call()):
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture
def start_pod(instance: Instance, tmp_path: Path) -> Iterator[Callable[..., Pod]]:
    """Start a pod of the test's own, with changed settings; all are killed at the end."""
    pods: list[Pod] = []

    def start(*, seconds: float = 90, **changes: str) -> Pod:
        pods.append(run_pod(instance, tmp_path, seconds=seconds, **changes))
        return pods[-1]

    yield start
    for pod in pods:
        pod.kill()
