"""Remembering in the web app, in a real browser: the box, its outbox, import, deletion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.web.steps import BOX, action, cards, expect_nothing_waits, keep

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = pytest.mark.parametrize("size", ["page", "phone"])
MEMORIES = re.compile(r"/v1/memories(/batch)?$")


def fail_writes(page: Page, how: Callable[[Route], None]) -> Callable[[], None]:
    """Do something else to every request that stores memories; return how to stop."""

    def handle(route: Route) -> None:
        if route.request.method == "POST":
            how(route)
        else:
            route.continue_()

    page.route(MEMORIES, handle)
    return lambda: page.unroute(MEMORIES, handle)


@SIZES
def test_what_is_written_is_kept_with_all_that_belongs_to_it(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page], axe: Callable[[Page], None]
) -> None:
    page = sign_in(request.getfixturevalue(size))
    expect(page.get_by_role("heading", name="Nothing to remember yet")).to_be_visible()
    axe(page)
    page.get_by_label(BOX).fill("The blue bicycle stands at Mira's.")
    page.get_by_role("button", name="Details").click()
    page.get_by_label("Tags").fill("bicycle,")
    page.keyboard.press("Enter")
    page.get_by_label("When it happened").fill("2024-03-15")
    page.get_by_label("Pin it").check()
    page.get_by_label("Any model").check()
    axe(page)
    page.get_by_role("button", name="Remember", exact=True).click()
    card = cards(page, "blue bicycle")
    for part in ("15 March 2024", "#bicycle"):
        expect(card).to_contain_text(part)
    expect(card.get_by_label("Never sent to: Any model")).to_be_visible()
    expect(action(card, "Unpin")).to_be_visible()
    keep(page, "The  blue bicycle stands at Mira's.")
    expect(page.get_by_text("You had that already")).to_be_visible()
    expect_nothing_waits(page)
    expect(page.get_by_role("article")).to_have_count(1)


def test_many_lines_become_many_memories_when_asked(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page)
    box = page.get_by_label(BOX)
    box.focus()
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "x");
          const lines = Array.from({length: 120}, (_, n) => `- Line number ${n}.`).join("\\n");
          data.setData("text/plain", lines);
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
          document.execCommand("insertText", false, lines);
        }"""
    )
    page.get_by_role("button", name="120 memories, one a line").click()
    expect_nothing_waits(page)
    expect(cards(page, "Line number 119.")).to_be_visible()


def test_without_a_network_everything_waits_and_survives_a_reload(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page)
    expect(page.get_by_role("heading", name="Nothing to remember yet")).to_be_visible()
    page.context.set_offline(True)
    keep(page, "Written in the tunnel.")
    keep(page, "Written in the tunnel too.")
    expect(page.get_by_text("2 wait on this device for a connection")).to_be_visible()
    page.context.set_offline(False)
    expect(cards(page, "in the tunnel")).to_have_count(2)

    stop = fail_writes(page, lambda route: route.fulfill(status=503, json={}))
    keep(page, "Written while the API was down.")
    page.get_by_label(BOX).fill("Begun and not sent")
    expect(page.get_by_text("Being saved …")).to_be_visible()
    page.reload()
    expect(page.get_by_label(BOX)).to_have_value("Begun and not sent")
    expect(page.get_by_text("Written while the API was down.")).to_be_visible()
    stop()
    expect(cards(page, "while the API was down")).to_have_count(1)


def test_an_api_that_fails_now_and_then_loses_nothing_and_stores_nothing_twice(
    page: Page, sign_in: Callable[..., Page]
) -> None:
    sign_in(page)
    turn = iter(range(1_000))

    def stumble(route: Route) -> None:
        if next(turn) % 2 == 0:
            route.abort()
        else:
            route.continue_()

    stop = fail_writes(page, stumble)
    for number in range(4):
        keep(page, f"Memory number {number} in bad weather.")
    expect(page.get_by_role("article")).to_have_count(4)
    expect_nothing_waits(page)
    stop()
    page.reload()
    expect(page.get_by_role("article")).to_have_count(4)


def test_what_is_refused_is_shown_with_the_reason_and_can_be_mended(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page)
    problem = {
        "type": "urn:recall:problem:invalid",
        "title": "Refused",
        "status": 422,
        "errors": [{"field": "body.text", "message": "That is no sentence.", "code": "x"}],
    }
    stop = fail_writes(page, lambda route: route.fulfill(status=422, json=problem))
    keep(page, "Refused at first.")
    expect(page.get_by_text("That is no sentence.")).to_be_visible()
    stop()
    page.goto("/account/access")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("dialog", name="Not everything is saved")).to_be_visible()
    page.get_by_role("button", name="Stay signed in").click()
    page.goto("/")
    page.get_by_label("Text that was refused").fill("Mended.")
    page.get_by_role("button", name="Save it like this").click()
    expect(cards(page, "Mended.")).to_have_count(1)
    expect(page.get_by_text("That is no sentence.")).to_have_count(0)


def test_the_box_is_at_hand_everywhere_by_keyboard(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page, "/account")
    expect(page.get_by_role("heading", name="Account", level=1)).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("dialog", name="Remember something").get_by_label(BOX)).to_be_focused()
    page.keyboard.type("Noted on the way.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Remember something")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Remember something").get_by_label(BOX)).to_be_focused()
    page.keyboard.press("Escape")
    page.goto("/")
    # Remember, recall, delete, undo: without a pointer.
    expect(cards(page, "Noted on the way.")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("Second thought.")
    page.keyboard.press("Enter")
    expect(cards(page, "Second thought.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label(BOX).blur()
    page.keyboard.press("/")
    page.keyboard.type("thought")
    expect(page.locator("mark")).to_have_text("thought")
    page.keyboard.press("ArrowDown")
    expect(cards(page, "Second thought.")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_text("Memory deleted")).to_be_visible()
    expect(cards(page, "Second thought.")).to_have_count(0)
    page.get_by_role("button", name="Undo").press("Enter")
    expect(cards(page, "Second thought.")).to_be_visible()


@SIZES
def test_a_file_is_shown_before_it_is_stored(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page], axe: Callable[[Page], None]
) -> None:
    page = sign_in(request.getfixturevalue(size), "/import")
    files = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Tea at noon.\nTea at noon.\nBread on Friday.\n"}
    page.get_by_label("File with memories").set_input_files(files=[files])
    expect(page.get_by_role("heading", name="2 new memories")).to_be_visible()
    expect(page.get_by_text("One is there already.")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Store 2 memories").click()
    expect(page.get_by_text("2 memories stored")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Go to your memories").last.click()
    expect(page.get_by_role("article")).to_have_count(2)


@SIZES
def test_deleted_memories_come_back_or_go_for_good(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page], axe: Callable[[Page], None]
) -> None:
    page: Page = request.getfixturevalue(size)
    sign_in(page)
    for text in ("To be brought back.", "To be gone."):
        keep(page, text)
        card = cards(page, text)
        expect(card).to_be_visible()
        action(card, "Delete").click()
        expect(card).to_have_count(0)
    page.get_by_role("link", name="Deleted").click()
    rows = page.get_by_role("listitem").filter(has_text="Gone for good on")
    expect(rows).to_have_count(2)
    axe(page)
    rows.filter(has_text="To be gone.").get_by_role("button", name="Delete for good").click()
    page.get_by_role("dialog", name="Delete it for good?").get_by_role("button", name="Delete for good").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Bring back").click()
    expect(page.get_by_role("heading", name="Nothing was deleted")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Go to your memories").click()
    expect(cards(page, "To be brought back.")).to_be_visible()
