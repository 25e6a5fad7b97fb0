"""A real browser on the web app of the running stack: one per run, with a page and a user of its own for each test."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from recall_local import lifecycle, loopback
from recall_local.cluster.choose import choose
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS
from recall_local.web_build import FRONTEND
from tests.e2e.web.serving import built_web_app, headers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.running_stack import RunningStack

HOST = "beta.recall.localhost"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
BUILT = os.environ.get("RECALL_TEST_WEB")
"""A folder that Vite built, shown in place of what the stack serves: several builds can be tried on one stack."""
SECONDS = 15
"""How long a test waits for what it expects on a page: long enough for a busy machine."""


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    email: str
    password: str


@pytest.fixture(scope="session")
def origin(recall: RunningStack) -> str:
    """Where the web app is."""
    return recall.stack.origin(HOST)


@pytest.fixture(scope="session")
def browser(origin: str) -> Iterator[Browser]:
    """Chromium."""
    expect.set_options(timeout=SECONDS * 1000)
    with ExitStack() as stack:
        arguments = list(CHROMIUM_ARGUMENTS)
        if BUILT:
            port = stack.enter_context(built_web_app(Path(BUILT), headers_of(origin)))
            arguments.append(f"--host-resolver-rules=MAP {urlsplit(origin).netloc} 127.0.0.1:{port}")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def person(recall: RunningStack) -> Person:
    """Somebody new."""
    made = Person(f"{secrets.token_hex(6)}@recall.localhost", "Aa1-" + secrets.token_urlsafe(12))
    recall.new_user(made.email, made.password)
    return made


@pytest.fixture
def authorizations() -> dict[BrowserContext, str]:
    """Return how the app of each browser has introduced itself to the API lately."""
    return {}


@pytest.fixture
def elsewhere(origin: str, authorizations: dict[BrowserContext, str]) -> Iterator[Callable[[Page], httpx.Client]]:
    """Reach the API as whoever is signed in on a page, past that page: as another device of theirs does."""
    with ExitStack() as stack:

        def client(page: Page) -> httpx.Client:
            if page.context not in authorizations:
                page.wait_for_event("request", lambda request: "authorization" in request.headers)
            headers = {"authorization": authorizations[page.context]}
            return stack.enter_context(loopback.client(origin.replace("://", "://api."), headers=headers))

        yield client


@pytest.fixture
def new_context(
    browser: Browser, origin: str, authorizations: dict[BrowserContext, str]
) -> Iterator[Callable[..., BrowserContext]]:
    """Make browsers of the test's own; an error in a page's console that is no refused request fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def make(**options: object) -> BrowserContext:
        settings = {
            "viewport": DESKTOP,
            "locale": "en-GB",
            "timezone_id": "Europe/Berlin",
            # Tests of the offline shell allow it; in all others every answer comes from where the test says.
            "service_workers": "block",
        } | options
        context = browser.new_context(base_url=origin, **settings)  # type: ignore[arg-type]
        context.set_default_timeout(SECONDS * 1000)
        context.on("weberror", lambda error: problems.append(str(error.error)))
        context.on(
            "console",
            lambda message: (
                problems.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        context.on("request", lambda request: note(context, request))
        contexts.append(context)
        return context

    def note(context: BrowserContext, request: Request) -> None:
        if "authorization" in request.headers:
            authorizations[context] = request.headers["authorization"]

    yield make
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A page at the size of a desktop."""
    return new_context().new_page()


@pytest.fixture
def phone(new_context: Callable[..., BrowserContext]) -> Page:
    """A page at the size of a phone."""
    return new_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()


@pytest.fixture
def sign_in(person: Person) -> Callable[..., Page]:
    """Open a page of the app as `person`, through the hosted sign-in page where it asks."""

    def enter(page: Page, path: str = "/") -> Page:
        page.goto(path)
        page.get_by_role("button", name="Sign in").click()
        page.locator("[name=username]").fill(person.email)
        page.locator("[name=password]").fill(person.password)
        page.keyboard.press("Enter")
        page.get_by_role("navigation", name="Screens").wait_for()
        return page

    return enter


class Faults:
    """What the emulated Bedrock is told to do wrong with its next answers."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, kind: str, **more: Any) -> None:
        """Let it happen to the next answer."""
        fault = {"kind": kind, "operation": "ConverseStream", **more}
        httpx.post(self._address, json=[fault]).raise_for_status()

    def release(self) -> None:
        """Let answers that are held go on, and forget the rest."""
        httpx.delete(self._address).raise_for_status()


@pytest.fixture
def fault(recall: RunningStack) -> Iterator[Faults]:
    """Let the emulated Bedrock do something wrong."""
    faults = Faults(f"{lifecycle.models_endpoint(choose(recall.stack))}/_faults")
    yield faults
    faults.release()


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Look at a page with axe-core, in both themes: nothing serious or critical may be found."""

    def check(page: Page) -> None:
        found: dict[str, list[str]] = {}
        for theme in ("light", "dark"):
            # Without motion: the contrast of what is just fading in says nothing.
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            # Evaluated as by the developer tools, so that the page's Content-Security-Policy stays as it is.
            if not page.evaluate("'axe' in window"):
                page.evaluate(_axe_source())
            violations = page.evaluate(_LOOK)
            grave = [item for item in violations if item["impact"] in {"serious", "critical"}]
            found |= {f"{theme}: {item['id']}: {item['help']}": _places(item) for item in grave}
        page.emulate_media(color_scheme="null", reduced_motion="null")
        assert not found, f"{page.url}: {json.dumps(found, indent=2)}"

    return check


_LOOK = """async () => {
  for (const frame of [1, 2]) await new Promise(requestAnimationFrame);  // colours change with the next frame
  const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
  await Promise.allSettled(changes.map((change) => change.finished));
  return (await axe.run({resultTypes: ['violations']})).violations;
}"""


@cache
def _axe_source() -> str:
    return (FRONTEND / "node_modules/axe-core/axe.min.js").read_text()


def _places(violation: dict[str, Any]) -> list[str]:
    return [f"{' '.join(map(str, node['target']))}: {node['failureSummary']}" for node in violation["nodes"]]
