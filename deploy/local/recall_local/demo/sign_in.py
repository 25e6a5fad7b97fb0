"""Sign-in as people do it: the hosted page in a real browser, authorization code with PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import sync_playwright

from recall_local import loopback
from recall_local.packages import CHROMIUM_PATH, CHROMIUM_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = os.environ.get(CHROMIUM_VARIABLE, CHROMIUM_PATH)
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # the stack runs as root, where Chromium refuses its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What Cognito's token endpoint gave; never printed."""

    access: str
    identity: str
    refresh: str


@dataclass(frozen=True, slots=True)
class SignInPage:
    """Where and as which client to sign in: what `GET /v1/config` of an instance says."""

    sign_in_url: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]


def sign_in(page: SignInPage, email: str, password: str, *, screenshot: Path | None = None) -> Tokens:
    """Sign in with Chromium and exchange the code for tokens.

    Args:
        page: the client and the addresses.
        email: the user's sign-in name.
        password: the user's password.
        screenshot: where to keep a picture of the filled page, if anywhere.

    Raises:
        RuntimeError: the page refused the user or answered with an error instead of a code.
        httpx.HTTPStatusError: the token endpoint refused the code.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state = secrets.token_urlsafe(16)
    query = {
        "response_type": "code",
        "client_id": page.client_id,
        "redirect_uri": page.redirect_uri,
        "scope": " ".join(page.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = _answer_of_hosted_page(page, query, email, password, screenshot)
    if answer.get("state") != state or "code" not in answer:
        raise RuntimeError(f"the sign-in page answered without a code: {answer.get('error_description', answer)}")
    exchange = {
        "grant_type": "authorization_code",
        "client_id": page.client_id,
        "code": answer["code"],
        "redirect_uri": page.redirect_uri,
        "code_verifier": verifier,
    }
    with loopback.client(page.sign_in_url) as client:
        response = client.post("/oauth2/token", data=exchange)
    response.raise_for_status()
    tokens = response.json()
    return Tokens(tokens["access_token"], tokens["id_token"], tokens["refresh_token"])


def _answer_of_hosted_page(
    page: SignInPage, query: dict[str, str], email: str, password: str, screenshot: Path | None
) -> dict[str, str]:
    """Fill the hosted page in and return the query with which it sends the browser back."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        try:
            tab = browser.new_page()
            # The web app would take the code here; the tour only needs to see the address the browser is sent to.
            tab.route(f"{page.redirect_uri}?*", lambda route: route.fulfill(status=200, body="signed in"))
            tab.goto(f"{page.sign_in_url}/oauth2/authorize?{urlencode(query)}")
            tab.fill("input[name=username]", email)
            tab.fill("input[name=password]", password)
            if screenshot is not None:
                tab.screenshot(path=screenshot)
            tab.click("[type=submit]")
            tab.wait_for_url(f"{page.redirect_uri}?*", timeout=30_000)
            return {name: values[0] for name, values in parse_qs(urlsplit(tab.url).query).items()}
        finally:
            browser.close()
