"""Which tokens are refused, with real RSA keys and a JWKS endpoint in the process."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import RSAKey

from recall_api.auth.keys import MAX_AGE_SECONDS, KeySet, read_key_set
from recall_api.auth.service import Authenticator
from recall_api.auth.tokens import TokenRules
from recall_api.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
CLIENT = "client-of-beta"
NOW = 1_790_000_000
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}, auto_kid=False)
NEXT_KEY = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"}, auto_kid=False)
BARE_KEY = RSAKey.import_key(
    {name: value for name, value in KEY.as_dict(private=True).items() if name not in {"alg", "use"}}
)
FOREIGN_KEY = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
CLAIMS: dict[str, Any] = {
    "sub": "0f6a1c2e-7d7a-4a3b-9d7e-2f5c8f1c0a11",
    "iss": ISSUER,
    "client_id": CLIENT,
    "token_use": "access",
    "scope": "openid email",
    "iat": NOW - 60,
    "exp": NOW + 3600,
}


class Issuer:
    """The pool's JWKS endpoint."""

    def __init__(self, *keys: RSAKey) -> None:
        self.keys = list(keys)
        self.requests = 0
        self.is_down = False

    async def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.requests += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise httpx.ConnectError("down")
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def authenticator(issuer: Issuer, clock: Callable[[], float] | None = None) -> Authenticator:
    client = httpx.AsyncClient(transport=httpx.MockTransport(issuer))
    keys = KeySet("https://pool.example/jwks", client, clock or Clock())
    return Authenticator(TokenRules(ISSUER, CLIENT, "openid"), keys, lambda: NOW)


def token(key: Any = KEY, *, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    merged = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    head = {"alg": alg, "kid": "one", **(header or {})}
    return jwt.encode({k: v for k, v in head.items() if v is not None}, merged, key, algorithms=[alg])


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hmac_token(secret: bytes) -> str:
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(CLAIMS)}"
    signature = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def refusal(header: str | list[str], issuer: Issuer | None = None) -> ProblemError:
    headers = [header] if isinstance(header, str) else header
    with pytest.raises(ProblemError) as caught:
        await authenticator(issuer or Issuer(KEY)).authenticate(headers)
    return caught.value


async def test_a_true_access_token_names_its_user() -> None:
    principal = await authenticator(Issuer(KEY)).authenticate([f"Bearer {token()}"])
    assert principal.user_id == CLAIMS["sub"]
    assert principal.scopes == {"openid", "email"}
    assert principal.expires_at == NOW + 3600


@pytest.mark.parametrize(("auth_time", "began_at"), [(None, NOW - 60), (NOW - 900, NOW - 900), (NOW + 5, NOW - 60)])
async def test_a_renewed_token_belongs_to_the_session_that_began_earlier(auth_time: int | None, began_at: int) -> None:
    principal = await authenticator(Issuer(KEY)).authenticate([f"Bearer {token(auth_time=auth_time)}"])
    assert principal.began_at == began_at


async def test_the_scheme_is_read_whatever_its_case() -> None:
    assert await authenticator(Issuer(KEY)).authenticate([f"bEARER  {token()}"])


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: f"{part({'alg': 'none', 'kid': 'one'})}.{part(CLAIMS)}.",
    "alg none with a signature": lambda: f"{part({'alg': 'none', 'kid': 'one'})}.{part(CLAIMS)}.{'A' * 342}",
    "alg NONE": lambda: f"{part({'alg': 'nOnE', 'kid': 'one'})}.{part(CLAIMS)}.",
    "no alg": lambda: f"{part({'kid': 'one'})}.{part(CLAIMS)}.{'A' * 342}",
    "HS256 with the public key as secret": lambda: hmac_token(KEY.as_pem(private=False)),
    "RS512": lambda: jws.serialize_compact({"alg": "RS512", "kid": "one"}, json.dumps(CLAIMS), BARE_KEY, ["RS512"]),
    "PS256": lambda: jws.serialize_compact({"alg": "PS256", "kid": "one"}, json.dumps(CLAIMS), BARE_KEY, ["PS256"]),
    "another key under a known id": lambda: token(FOREIGN_KEY),
    "a key of its own in the header": lambda: token(FOREIGN_KEY, header={"jwk": FOREIGN_KEY.as_dict(private=False)}),
    "a key set of its own in the header": lambda: token(FOREIGN_KEY, header={"jku": "https://evil.example/jwks"}),
    "an unknown key id": lambda: token(header={"kid": "three"}),
    "no key id": lambda: token(header={"kid": None}),
    "a key id that is no text": lambda: f"{part({'alg': 'RS256', 'kid': ['one']})}.{part(CLAIMS)}.{'A' * 342}",
    "an unknown critical header": lambda: token(header={"crit": ["b64"], "b64": False}),
    "an id token": lambda: token(token_use="id", client_id=None, aud=CLIENT),
    "an id token with a client": lambda: token(token_use="id"),
    "no token_use": lambda: token(token_use=None),
    "another issuer": lambda: token(iss="https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_other"),
    "the issuer with a slash": lambda: token(iss=ISSUER + "/"),
    "no issuer": lambda: token(iss=None),
    "another client": lambda: token(client_id="client-of-staging"),
    "a list of clients": lambda: token(client_id=[CLIENT]),
    "no client": lambda: token(client_id=None, aud=CLIENT),
    "expired": lambda: token(exp=NOW),
    "expired an hour ago": lambda: token(iat=NOW - 7200, exp=NOW - 3600),
    "no expiry": lambda: token(exp=None),
    "expiry as text": lambda: token(exp=str(NOW + 10)),
    "expiry true": lambda: token(exp=True),
    "expiry infinite": lambda: token(exp=1e300),
    "lives for ever": lambda: token(exp=NOW + 10**9),
    "not valid yet": lambda: token(nbf=NOW + 3600),
    "from the future": lambda: token(iat=NOW + 3600, exp=NOW + 7200),
    "no time of issue": lambda: token(iat=None),
    "no scope": lambda: token(scope=None),
    "another scope": lambda: token(scope="aws.cognito.signin.user.admin"),
    "the scope as a part of a word": lambda: token(scope="openidx notopenid"),
    "no subject": lambda: token(sub=None),
    "an empty subject": lambda: token(sub=""),
    "a subject that looks like a key": lambda: token(sub="a#MEM"),
    "a subject that is a number": lambda: token(sub=5),
    "a changed claim": lambda: ".".join(
        [token().split(".")[0], part({**CLAIMS, "sub": "somebody-else"}), token().split(".")[2]]
    ),
    "a cut signature": lambda: token()[:-4],
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "two parts": lambda: token().rpartition(".")[0],
    "five parts": lambda: token() + ".a.b",
    "claims that are a list": lambda: jws.serialize_compact(
        {"alg": "RS256", "kid": "one"}, json.dumps([CLAIMS]), KEY, ["RS256"]
    ),
    "claims that are no JSON": lambda: jws.serialize_compact({"alg": "RS256", "kid": "one"}, "hello", KEY, ["RS256"]),
    "deep nesting": lambda: f"{base64.urlsafe_b64encode(b'[' * 6000).decode()}.a.b",
    "oversized": lambda: token(padding="x" * 9000),
    "not base64": lambda: "$$$.###.!!!",
    "one word": lambda: "secret",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_refused(attack: str) -> None:
    forged = ATTACKS[attack]()
    problem = await refusal(f"Bearer {forged}")
    assert (problem.status, problem.slug) == (401, "unauthorized")
    assert problem.headers["WWW-Authenticate"].startswith('Bearer realm="recall"')
    assert forged not in str(problem.document()) + str(problem.headers)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {base64.b64encode(b'user:password').decode()}",
        f"Bearer {token()} {token()}",
        f"Bearer,{token()}",
        token(),
        f"Bearer {token()}\x00",
    ],
)
async def test_a_malformed_header_is_refused(header: str) -> None:
    assert (await refusal(header)).status == 401


async def test_no_header_and_two_headers_are_refused() -> None:
    nothing = await refusal([])
    assert nothing.status == 401
    assert "error=" not in nothing.headers["WWW-Authenticate"]
    assert (await refusal([f"Bearer {token()}", f"Bearer {token()}"])).status == 401


@given(st.text(alphabet=st.characters(max_codepoint=0x7F), max_size=200))
def test_nothing_that_is_no_token_passes_or_crashes(text: str) -> None:
    async def check() -> int:
        return (await refusal(f"Bearer {text}")).status

    assert asyncio.run(check()) == 401


async def test_an_unknown_key_is_looked_up_once_for_all_who_wait() -> None:
    issuer, clock = Issuer(KEY), Clock()
    checked = authenticator(issuer, clock)
    await checked.authenticate([f"Bearer {token()}"])
    issuer.keys.append(NEXT_KEY)
    clock.now += 60
    rotated = token(NEXT_KEY, header={"kid": "two"})
    principals = await asyncio.gather(*(checked.authenticate([f"Bearer {rotated}"]) for _ in range(50)))
    assert {principal.user_id for principal in principals} == {CLAIMS["sub"]}
    assert issuer.requests == 2


async def test_made_up_key_ids_do_not_become_requests() -> None:
    issuer, clock = Issuer(KEY), Clock()
    checked = authenticator(issuer, clock)
    for number in range(100):
        clock.now += 0.01
        with pytest.raises(ProblemError):
            await checked.authenticate([f"Bearer {token(header={'kid': f'made-up-{number}'})}"])
    assert issuer.requests == 1


async def test_known_keys_work_while_the_issuer_is_down_and_unknown_ones_are_a_503() -> None:
    issuer, clock = Issuer(KEY), Clock()
    checked = authenticator(issuer, clock)
    await checked.authenticate([f"Bearer {token()}"])
    issuer.is_down = True
    clock.now += 7200
    assert await checked.authenticate([f"Bearer {token()}"])
    with pytest.raises(ProblemError) as caught:
        await checked.authenticate([f"Bearer {token(NEXT_KEY, header={'kid': 'two'})}"])
    assert caught.value.status == 503
    issuer.is_down = False
    clock.now += 2
    with pytest.raises(ProblemError) as caught:
        await checked.authenticate([f"Bearer {token(NEXT_KEY, header={'kid': 'two'})}"])
    assert caught.value.status == 401


async def test_an_issuer_that_was_never_reached_is_a_503_and_asked_again_soon() -> None:
    issuer, clock = Issuer(KEY), Clock()
    issuer.is_down = True
    checked = authenticator(issuer, clock)
    for _ in range(20):
        with pytest.raises(ProblemError) as caught:
            await checked.authenticate([f"Bearer {token()}"])
        assert caught.value.status == 503
    assert issuer.requests == 1
    issuer.is_down = False
    clock.now += 1.1
    assert await checked.authenticate([f"Bearer {token()}"])


async def test_a_withdrawn_key_stops_working_within_an_hour() -> None:
    issuer, clock = Issuer(KEY, NEXT_KEY), Clock()
    checked = authenticator(issuer, clock)
    await checked.authenticate([f"Bearer {token()}"])
    issuer.keys.remove(KEY)
    clock.now += 3601
    with pytest.raises(ProblemError) as caught:
        await checked.authenticate([f"Bearer {token()}"])
    assert caught.value.status == 401


def test_keys_that_are_no_rsa_signature_keys_are_left_out() -> None:
    weak = RSAKey.generate_key(1024, {"kid": "weak"}, auto_kid=False).as_dict(private=False)
    public = KEY.as_dict(private=False)
    keys = read_key_set(
        {
            "keys": [
                {**public, "kid": "encryption", "use": "enc"},
                {**public, "kid": "other", "alg": "RS512"},
                {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
                weak,
                {"kty": "RSA", "kid": "broken", "n": "x"},
                "text",
                KEY.as_dict(private=True),
            ]
        }
    )
    assert set(keys) == {"one"}
    assert not keys["one"].is_private


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, "keys"])
def test_what_is_no_key_set_is_said_to_be_none(document: Any) -> None:
    with pytest.raises(ValueError, match="JWK set"):
        read_key_set(document)


def test_checking_a_token_takes_less_than_a_few_milliseconds() -> None:
    async def check() -> float:
        checked = authenticator(Issuer(KEY))
        header = [f"Bearer {token()}"]
        await checked.authenticate(header)
        began = time.perf_counter()
        for _ in range(50):
            await checked.authenticate(header)
        return (time.perf_counter() - began) / 50

    assert asyncio.run(check()) < 0.01


async def test_a_token_that_was_checked_is_refused_when_it_ends_or_its_key_is_replaced() -> None:
    now = float(NOW)
    issuer, clock = Issuer(KEY), Clock()
    keys = KeySet("https://pool.example/jwks", httpx.AsyncClient(transport=httpx.MockTransport(issuer)), clock)
    checking = Authenticator(TokenRules(ISSUER, CLIENT, "openid"), keys, lambda: now)
    mine = [f"Bearer {token()}"]
    assert await checking.authenticate(mine) == await checking.authenticate(mine)
    issuer.keys = [FOREIGN_KEY]
    clock.now += MAX_AGE_SECONDS + 1
    with pytest.raises(ProblemError) as refused:
        await checking.authenticate(mine)
    assert "signature" in str(refused.value.detail)
    issuer.keys = [KEY]
    clock.now += MAX_AGE_SECONDS + 1
    await checking.authenticate(mine)
    now = CLAIMS["exp"]
    with pytest.raises(ProblemError) as refused:
        await checking.authenticate(mine)
    assert "expired" in str(refused.value.detail)
