"""Sign-in with true tokens of the emulated Cognito."""

from __future__ import annotations

import base64
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = [
    ("GET", "/v1/memories", None),
    ("POST", "/v1/memories", {"text": "a"}),
    ("GET", "/v1/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
    ("PATCH", "/v1/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV", {"text": "a"}),
    ("DELETE", "/v1/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
    ("POST", "/v1/recall", {"query": "a"}),
    ("POST", "/v1/chat", {"message": "a"}),
]


def check_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:recall:problem:unauthorized"


@pytest.mark.parametrize(("method", "path", "body"), PRIVATE)
def test_a_private_route_wants_a_token(pod: Any, method: str, path: str, body: Any) -> None:
    """That every private route does is tested in `test_isolation`, from the OpenAPI document."""
    with pod.client() as anybody:
        check_refused(anybody.request(method, path, json=body))


def test_an_id_token_is_refused(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    tokens = new_tokens()
    with pod.client(tokens["id_token"]) as user:
        check_refused(user.get("/v1/memories"))
    with pod.client(tokens["access_token"]) as user:
        assert user.get("/v1/memories").status_code == 200


def test_a_refresh_token_is_refused(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    with pod.client(new_tokens()["refresh_token"]) as user:
        check_refused(user.get("/v1/memories"))


def test_a_token_without_the_scope_is_refused(pod: Any, instance: Any) -> None:
    cognito = instance.aws.client("cognito-idp")
    cognito.admin_create_user(UserPoolId=instance.pool_id, Username="scopeless", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(
        UserPoolId=instance.pool_id, Username="scopeless", Password="Aa1-scopeless!", Permanent=True
    )
    answer = cognito.admin_initiate_auth(
        UserPoolId=instance.pool_id,
        ClientId=instance.client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "scopeless", "PASSWORD": "Aa1-scopeless!"},
    )
    with pod.client(answer["AuthenticationResult"]["AccessToken"]) as user:
        check_refused(user.get("/v1/memories"))


def test_an_unsigned_token_with_true_claims_is_refused(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    claims = new_tokens()["access_token"].split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    with pod.client(f"{head}.{claims}.") as user:
        check_refused(user.get("/v1/memories"))


def test_a_token_in_the_address_or_a_cookie_is_no_token(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    token = new_tokens()["access_token"]
    with pod.client() as user:
        check_refused(user.get("/v1/memories", params={"access_token": token}))
        check_refused(user.get("/v1/memories", headers={"Cookie": f"token={token}"}))
        check_refused(user.get("/v1/memories", headers={"X-Amzn-Oidc-Data": token, "X-User": "somebody"}))


@pytest.mark.parametrize(("size", "status"), [(9_000, 401), (30_000, 401), (40_000, 400), (1_000_000, 400)])
def test_an_oversized_token_is_refused(pod: Any, size: int, status: int) -> None:
    with pod.client() as user:
        answer = user.get("/v1/memories", headers={"Authorization": "Bearer " + "x" * size})
    assert answer.status_code == status


def test_a_long_address_is_refused(pod: Any) -> None:
    with pod.client() as user:
        answer = user.get("/v1/memories", params={"tag": "x" * 40_000})
    assert answer.status_code == 400


@pytest.mark.parametrize("piece", [b"x" * 8_192, b"X-Some: thing\r\n" * 512])
def test_a_head_without_end_is_given_up(pod: Any, piece: bytes) -> None:
    address = urlsplit(pod.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as endless:
        endless.sendall(b"GET /v1/memories HTTP/1.1\r\nHost: api\r\nX-Endless: ")
        with pytest.raises(ConnectionError):
            endless.sendall(1_000 * piece)
    with pod.client() as user:
        assert user.get("/health/ready").status_code == 200


def test_two_authorization_headers_are_refused(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    token = new_tokens()["access_token"]
    with pod.client() as user:
        headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        check_refused(user.get("/v1/memories", headers=headers))


def test_keys_that_cannot_be_fetched_are_a_503(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        pod = start_pod(RECALL_JWKS_URL=f"http://127.0.0.1:{closed.getsockname()[1]}/jwks")
        with pod.client(new_tokens()["access_token"]) as user:
            answer = user.get("/v1/memories")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]


def test_keys_are_fetched_once_for_many_requests(
    start_pod: Callable[..., Any], instance: Any, new_tokens: Callable[[], dict[str, str]]
) -> None:
    keys = httpx.get(f"{instance.aws.endpoint}/{instance.pool_id}/.well-known/jwks.json").content
    fetched = []

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pod = start_pod(RECALL_JWKS_URL=f"http://127.0.0.1:{server.server_port}/jwks")
    with pod.client(new_tokens()["access_token"]) as user:
        assert [user.get("/v1/memories").status_code for _ in range(20)] == [200] * 20
    server.shutdown()
    assert len(fetched) == 1
