"""An API that is down, slow, failing at random, or refuses the token: nothing typed is lost, and the app says why."""

from __future__ import annotations

import itertools
import random
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.web.steps import (
    QUESTION,
    answers,
    ask,
    cards,
    expect_nothing_waits,
    keep,
    lose_the_answer,
    remember,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.e2e.web.conftest import Faults

API = "**://api.*/v1/**"
PROBLEM = {"type": "urn:recall:problem:unavailable", "title": "Unavailable", "status": 503, "detail": None}
SLOW = {"offline": False, "latency": 2000, "downloadThroughput": -1, "uploadThroughput": -1}


@pytest.fixture
def profile(page: Page, sign_in: Callable[..., Page]) -> Page:
    """Yield the profile, with a name that is typed and not saved."""
    sign_in(page, "/account/profile")
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    return page


def refuse(route: Route, status: int, origin: str) -> None:
    """Answer a call with a problem, as the API does."""
    route.fulfill(status=status, json=PROBLEM | {"status": status}, headers={"access-control-allow-origin": origin})


def save(page: Page) -> None:
    """Ask to save the profile."""
    page.get_by_role("button", name="Save", exact=True).click()


def expect_saved(page: Page) -> None:
    """Expect that the name is saved, and still there."""
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")


def test_down(profile: Page) -> None:
    profile.context.route(API, lambda route: route.abort("connectionrefused"))
    save(profile)
    expect(profile.get_by_role("alert").get_by_text("Recall cannot be reached")).to_be_visible()
    expect(profile.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")
    profile.context.unroute(API)
    save(profile)
    expect_saved(profile)


def test_slow(profile: Page, elsewhere: Callable[[Page], httpx.Client]) -> None:
    session = profile.context.new_cdp_session(profile)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW)
    save(profile)
    expect(profile.get_by_role("button", name="Save", exact=True)).to_have_attribute("aria-busy", "true")
    expect_saved(profile)

    screens = profile.get_by_role("navigation", name="Screens")
    screens.get_by_role("link", name="Memories").click()
    for number in range(3):
        keep(profile, f"Memory {number} over a slow line.")
    expect(profile.get_by_role("region", name="Not saved yet")).to_contain_text("being saved")
    expect_nothing_waits(profile)
    expect(cards(profile, "over a slow line.")).to_have_count(3)

    screens.get_by_role("link", name="Chat").click()
    ask(profile, "What came over a slow line?")
    expect(profile.get_by_text("Looking through your memories…")).to_be_visible()
    profile.get_by_label(QUESTION).fill("Typed while it was answered")
    expect(answers(profile)).to_contain_text("over a slow line")
    expect(profile.get_by_role("button", name="Answer again")).to_be_visible()
    expect(profile.get_by_label(QUESTION)).to_have_value("Typed while it was answered")
    assert texts(elsewhere(profile)) == [f"Memory {number} over a slow line." for number in range(3)]


def test_failing_at_random(page: Page, sign_in: Callable[..., Page], origin: str) -> None:
    sign_in(page, "/account/profile")
    chance = random.Random(20)
    refused = []

    def answer(route: Route) -> None:
        if route.request.method != "OPTIONS" and (not refused or chance.random() < 0.2):
            refused.append(route.request.url)
            refuse(route, 503, origin)
        else:
            route.continue_()

    page.context.route(API, answer)
    for place in ("Memories", "Chat", "Account"):
        page.get_by_role("navigation", name="Screens").get_by_role("link", name=place).click()
        expect(page.get_by_role("heading", name=place, level=1)).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)  # what failed was repeated
    assert refused


def test_bad_weather_loses_and_doubles_nothing_that_was_written(
    page: Page, sign_in: Callable[..., Page], elsewhere: Callable[[Page], httpx.Client], origin: str
) -> None:
    """One in five calls fails: refused, unreachable, or answered and the answer lost."""
    sign_in(page)
    chance = random.Random(6)
    kinds = itertools.cycle(["lost", "refused", "unreachable"])
    failed: list[str] = []

    def answer(route: Route) -> None:
        if route.request.method == "OPTIONS" or (failed and chance.random() >= 0.2):
            route.continue_()
            return
        kind = next(kinds)
        failed.append(kind)
        if kind == "refused":
            refuse(route, 503, origin)
        elif kind == "lost" and "/v1/memories" in route.request.url and route.request.method == "POST":
            lose_the_answer(route)
        else:
            route.abort()

    page.context.route(API, answer)
    written = [f"Memory number {number} in bad weather." for number in range(12)]
    for text in written:
        keep(page, text)
    expect(cards(page, "in bad weather.")).to_have_count(len(written))
    expect_nothing_waits(page)
    expect(page.get_by_text("You had that already")).to_have_count(0)

    page.get_by_role("navigation", name="Screens").get_by_role("link", name="Chat").click()
    asked = [f"What about memory number {number}?" for number in range(4)]
    for count, question in enumerate(asked, start=1):
        ask(page, question)
        again = page.get_by_role("button", name="Ask again")
        whole = page.get_by_role("button", name="Answer again").nth(count - 1)
        expect(whole.or_(again)).to_be_visible()
        while again.is_visible():  # the app says what happened, holds the question, and leaves it to its user
            again.click()
            expect(whole.or_(again)).to_be_visible()
    assert failed
    page.context.unroute(API)
    page.reload()
    expect(page.get_by_role("article", name="You")).to_have_text(asked)
    api = elsewhere(page)
    assert sorted(texts(api)) == sorted(written)
    (conversation,) = api.get("/v1/conversations").json()["items"]
    assert conversation["messages"] == 2 * len(asked)


def test_an_answer_that_is_lost_after_the_api_has_stored_doubles_nothing(
    page: Page, sign_in: Callable[..., Page], elsewhere: Callable[[Page], httpx.Client]
) -> None:
    sign_in(page)
    failed: list[str] = []

    def write(route: Route) -> None:
        if route.request.method != "POST" or len(failed) == 4:
            route.continue_()
            return
        failed.append(route.request.url)
        if len(failed) <= 2:
            route.abort("connectionrefused")
        else:
            lose_the_answer(route)

    page.route(re.compile(r"/v1/memories(/batch)?$"), write)
    written = ["Written while the API is down.", "And this.", "And that."]
    for text in written:
        keep(page, text)
    expect(page.get_by_role("region", name="Not saved yet")).to_contain_text("3 are being saved")
    expect_nothing_waits(page)
    assert len(failed) == 4
    expect(cards(page)).to_have_count(3)
    expect(page.get_by_text("You had that already")).to_have_count(0)
    assert texts(elsewhere(page)) == written


def test_a_token_that_expires_while_an_answer_is_written_is_renewed_without_a_break(
    page: Page,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    fault: Faults,
    origin: str,
) -> None:
    page.clock.install()
    sign_in(page, "/chat")
    api = elsewhere(page)
    remember(api, "I keep bees behind the house.")
    fault("hold", after=4)
    ask(page, "What do I keep behind the house?")
    expect(answers(page)).to_contain_text("built-in")
    page.get_by_label(QUESTION).fill("And since when")

    expired = api.headers["authorization"]
    calls: list[tuple[str, bool]] = []

    def answer(route: Route) -> None:
        worn = route.request.headers.get("authorization") == expired
        calls.append((route.request.url, worn))
        if worn and route.request.method != "OPTIONS":
            refuse(route, 401, origin)
        else:
            route.continue_()

    page.context.route(API, answer)
    with page.expect_response("**/oauth2/token") as renewed:
        page.clock.fast_forward("01:30:00")
    assert renewed.value.ok
    page.get_by_role("button", name="More about this conversation").or_(page.get_by_label(QUESTION)).first.focus()
    fault.release()
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    expect(answers(page)).to_contain_text("I keep bees behind the house.")
    expect(page.get_by_label(QUESTION)).to_have_value("And since when")
    page.get_by_label(QUESTION).press("Enter")
    expect(page.get_by_role("button", name="Answer again")).to_have_count(2)
    expect(page.get_by_text("You were signed out")).to_have_count(0)
    asked = [url for url, worn in calls if "/v1/chat" in url and not worn]
    assert len(asked) == 1


def test_a_refused_token_is_renewed_and_nobody_notices(profile: Page, origin: str) -> None:
    refused = []

    def answer(route: Route) -> None:
        if route.request.method == "PATCH" and not refused:
            refused.append(route.request.headers["authorization"])
            refuse(route, 401, origin)
        else:
            route.continue_()

    profile.context.route(API, answer)
    save(profile)
    expect_saved(profile)
    assert len(refused) == 1


def test_a_session_that_is_over_keeps_what_was_typed(profile: Page, origin: str) -> None:
    profile.context.route(API, lambda route: refuse(route, 401, origin))
    profile.context.route("**/oauth2/token", lambda route: refuse(route, 400, origin))
    save(profile)
    expect(profile.get_by_text("You were signed out").first).to_be_visible()
    expect(profile.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")
