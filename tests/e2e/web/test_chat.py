"""Talking to a model in a real browser: answers and what they rest on, stopping, failures, conversations, incognito."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.web.steps import QUESTION, answers, ask, remember

MARKDOWN = "".join(
    f"event: {name}\ndata: {json.dumps(data)}\n\n"
    for name, data in {
        "started": {
            "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
            "stored": False,
            "conversationId": None,
            "messageId": None,
            "answerId": None,
        },
        "recalled": {"memories": [], "byMeaning": True},
        "delta": {
            "text": "# Two things\n\n- one\n- two\n\n![a map](https://elsewhere.example/map.png) "
            "[wicked](javascript:alert(1)) <img src=https://elsewhere.example/pixel.png>"
            "<script>alert(1)</script><style>body{display:none}</style>"
        },
        "done": {
            "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "cacheReadTokens": 0, "cacheWriteTokens": 0},
            "latencyMs": 1,
            "costMicroDollars": 1,
        },
    }.items()
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.e2e.web.conftest import Faults


@pytest.mark.parametrize("size", ["page", "phone"])
def test_an_answer_shows_what_it_rests_on_and_what_was_told_is_remembered(
    size: str,
    request: pytest.FixtureRequest,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    axe: Callable[[Page], None],
) -> None:
    page = sign_in(request.getfixturevalue(size), "/chat")
    remember(elsewhere(page), "I am allergic to peanuts.", "My sister Ada lives in Bremen.")
    axe(page)

    ask(page, "I am a vegetarian. My dog is called Rex. What am I allergic to?")
    expect(answers(page)).to_contain_text("allergic to peanuts")
    expect(page).to_have_url(re.compile("/chat/0"))
    page.get_by_role("button", name="Memory 1").first.click()
    cited = page.get_by_role("dialog")
    expect(cited.locator("mark")).to_have_text("I am allergic to peanuts.")
    expect(cited.get_by_role("link", name="Open the memory")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    expect(cited).to_have_count(0)

    page.get_by_text("were given to the model").click()
    expect(page.get_by_text("shares “allergic”")).to_be_visible()
    proposed = page.get_by_role("list", name="Worth remembering?").get_by_role("listitem")
    proposed.filter(has_text="vegetarian").get_by_role("button", name="Remember", exact=True).click()
    expect(page.get_by_text("Remembered", exact=True)).to_be_visible()
    proposed.filter(has_text="Rex").get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_text("Not remembered")).to_be_visible()
    axe(page)

    page.reload()
    expect(answers(page)).to_contain_text("allergic to peanuts")
    expect(page.get_by_text("Remembered", exact=True)).to_be_visible()
    expect(page.get_by_text("Not remembered")).to_be_visible()
    expect(page.get_by_text("So far $0.00")).to_be_visible()
    page.get_by_role("button", name="Memory 1").first.click()
    expect(page.get_by_role("dialog").locator("mark")).to_have_text("I am allergic to peanuts.")


@pytest.mark.parametrize("size", ["page", "phone"])
def test_an_answer_is_markdown_that_fetches_nothing_and_is_given_anew_by_another_model(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(request.getfixturevalue(size), "/chat")
    page.get_by_role("button", name="How to answer").click()
    other = page.get_by_role("radio", name="Haiku")
    expect(other).not_to_be_checked()
    expect(page.get_by_role("group", name="Model")).to_contain_text("for an ordinary answer")
    other.check()
    page.keyboard.press("Escape")

    # What a model may be talked into saying; the built-in one has no such ideas.
    elsewhere: list[str] = []
    page.context.route("**://elsewhere.example/**", lambda route: (elsewhere.append(route.request.url), route.abort()))
    asked: list[dict[str, object]] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(body=MARKDOWN, content_type="text/event-stream", headers={"access-control-allow-origin": "*"})

    page.route("**/v1/chat", answer)
    page.get_by_role("link", name="Talk incognito").click()
    ask(page, "What do you say?")
    said = answers(page)
    expect(said.get_by_role("heading", name="Two things")).to_be_visible()
    expect(said.get_by_role("listitem")).to_have_text(["one", "two"])
    expect(said.get_by_role("link", name="Image: a map")).to_be_visible()
    expect(said.locator("img, iframe, script, style")).to_have_count(0)
    expect(said.get_by_role("link", name="wicked")).to_have_count(0)
    assert elsewhere == []
    page.get_by_role("button", name="Answer again").click()
    expect(answers(page).get_by_role("heading", name="Two things")).to_have_count(1)
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    assert len(asked) == 2
    assert all("haiku" in str(question["model"]) for question in asked)


def test_a_keyboard_alone_asks_stops_edits_renames_and_deletes(
    page: Page, sign_in: Callable[..., Page], fault: Faults
) -> None:
    sign_in(page, "/chat")
    box = page.get_by_label(QUESTION)
    box.focus()
    fault("hold", after=4)
    page.keyboard.type("Where do I live?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("And who else?")
    page.keyboard.press("Enter")
    expect(answers(page)).to_contain_text("built-in")
    page.keyboard.press("Escape")
    expect(page.get_by_text("You stopped the answer")).to_be_visible()
    expect(box).to_be_focused()
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()  # the API has kept it

    page.get_by_role("button", name="Edit the question").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Who lives here?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="You")).to_have_text("Who lives here?")
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    expect(page.get_by_text("You stopped the answer")).to_have_count(0)

    page.get_by_role("button", name="More about this conversation").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()  # the menu is loaded when it first opens
    page.keyboard.press("Enter")
    page.get_by_role("textbox", name="Title").fill("Neighbours")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Neighbours", level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("searchbox").fill("neigh")
    expect(page.get_by_role("link", name="Neighbours")).to_be_visible()
    page.get_by_role("searchbox").fill("")

    page.get_by_role("button", name="More about this conversation").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete for good").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Chat", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Neighbours")).to_have_count(0)
    expect(box).to_be_focused()


def test_nothing_typed_is_lost_when_the_api_the_budget_or_the_connection_fails(
    page: Page, sign_in: Callable[..., Page], fault: Faults, axe: Callable[[Page], None]
) -> None:
    sign_in(page, "/chat")
    page.get_by_label(QUESTION).fill("A draft that I have not sent")
    page.reload()
    expect(page.get_by_label(QUESTION)).to_have_value("A draft that I have not sent")

    chat = "**/v1/chat"
    page.route(chat, lambda route: route.abort())
    page.get_by_label(QUESTION).press("Enter")
    expect(page.get_by_text("Recall cannot be reached")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Recall cannot be reached")).to_be_visible()
    page.unroute(chat)

    resets = "2026-12-01T00:00:00+00:00"
    spent = {"type": "urn:recall:problem:budget-spent", "title": "Budget spent", "status": 429, "resetsAt": resets}
    page.route(chat, lambda route: route.fulfill(status=429, json=spent, headers={"access-control-allow-origin": "*"}))
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("1 December 2026")).to_be_visible()
    expect(page.get_by_role("link", name="See what was spent")).to_be_visible()
    axe(page)
    page.unroute(chat)

    fault("guardrail")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("The answer was held back")).to_be_visible()
    fault("cut", after=5)
    ask(page, "And now?")
    expect(page.get_by_text("The answer broke off")).to_be_visible()
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("The answer broke off")).to_have_count(0)
    expect(page.get_by_role("button", name="Answer again")).to_have_count(2)

    fault("hold", after=4)
    ask(page, "Are you there?")
    expect(answers(page).last).to_contain_text("built-in")
    page.reload()  # the connection is lost, and the page with it
    expect(page.get_by_text("You stopped the answer")).to_be_visible()
    expect(page.get_by_text("Are you there?").first).to_be_visible()


def test_incognito_on_a_phone_leaves_nothing_behind(
    phone: Page, sign_in: Callable[..., Page], axe: Callable[[Page], None]
) -> None:
    sign_in(phone, "/chat")
    phone.get_by_role("link", name="Talk incognito").click()
    expect(phone.get_by_text("Nothing of this is stored")).to_be_visible()
    phone.get_by_role("button", name="How to answer").click()
    expect(phone.get_by_text("for an ordinary answer").first).to_be_visible()
    axe(phone)
    phone.get_by_role("switch", name="Use my memories").click()
    phone.keyboard.press("Escape")
    phone.get_by_label(QUESTION).fill("What is my secret?")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_role("button", name="Answer again")).to_be_visible()
    axe(phone)
    kept = phone.evaluate("JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])")
    assert "secret" not in kept
    phone.get_by_role("button", name="Conversations").click()
    expect(phone.get_by_text("Your conversations will be listed here.").last).to_be_visible()
    phone.get_by_role("button", name="Close").click()
    phone.get_by_role("link", name="End incognito").click()
    phone.go_back()
    expect(phone.get_by_text("What is my secret?")).to_have_count(0)
