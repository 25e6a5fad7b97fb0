"""What axe-core finds on every screen and dialog, in both themes, on a desktop and a phone: nothing serious.

And all that matters without a pointer, the focus always in sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.steps import action, answers, ask, cards, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

SIZES = pytest.mark.parametrize("size", ["page", "phone"])
SCREENS = {
    "/": "Memories",
    "/memories/{memory}": "A memory",
    "/deleted": "Deleted",
    "/import": "Import",
    "/chat": "Chat",
    "/account": "Account",
    "/account/profile": "Account",
    "/account/access": "Account",
    "/account/data": "Account",
    "/no/such/place": "Not found",
}
"""Every address with a screen of its own, and its heading."""


def test_whoever_arrives_can_read_the_welcome(page: Page, axe: Callable[[Page], None]) -> None:
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    axe(page)


@SIZES
def test_nothing_serious_is_found_on_any_screen(
    size: str,
    request: pytest.FixtureRequest,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    axe: Callable[[Page], None],
) -> None:
    page = sign_in(request.getfixturevalue(size))
    api = elsewhere(page)
    memory, gone = remember(api, {"text": "Kept.", "tags": ["a tag"], "pinned": True, "neverSendTo": ["*"]}, "Gone.")
    api.delete(f"/v1/memories/{gone}").raise_for_status()
    for path, heading in SCREENS.items():
        page.goto(path.format(memory=memory))
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        axe(page)


@SIZES
def test_nothing_serious_is_found_in_any_dialog(
    size: str,
    request: pytest.FixtureRequest,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    axe: Callable[[Page], None],
) -> None:
    page = sign_in(request.getfixturevalue(size))
    remember(elsewhere(page), "Mira likes cherries.")
    page.reload()
    action(cards(page), "Edit").click()
    expect(page.get_by_label("Text of the memory")).to_be_focused()
    expect(page.get_by_label("When it happened")).to_be_visible()
    axe(page)

    page.get_by_role("navigation", name="Screens").get_by_role("link", name="Chat").click()
    ask(page, "What does Mira like?")
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    page.get_by_role("button", name="How to answer").click()
    expect(page.get_by_role("dialog").get_by_text("for an ordinary answer").first).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    for item in ("Rename", "Delete"):
        page.get_by_role("button", name="More about this conversation").click()
        expect(page.get_by_role("menu")).to_be_visible()
        page.get_by_role("menuitem", name=item).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        axe(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)

    page.goto("/account/data")
    page.get_by_role("button", name="Delete everything …").click()
    expect(page.get_by_role("dialog", name="Delete your account")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Access").click()
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("dialog", name="Sign out everywhere")).to_be_visible()
    axe(page)
    # An edit is open still: it is only in this tab, and whoever leaves is asked what becomes of it.
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    leave = page.get_by_role("dialog", name="Not everything is saved")
    expect(leave).to_be_visible()
    axe(page)
    leave.get_by_role("button", name="Stay signed in").click()
    expect(leave).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out", exact=True).click()
    leave.get_by_role("button", name="Keep it here and sign out").click()
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[name=password]")).to_be_visible()
    assert page.evaluate("location.hostname").startswith("auth.")


def test_everything_that_matters_is_done_by_keyboard_and_the_focus_is_never_lost(
    page: Page, sign_in: Callable[..., Page]
) -> None:
    sign_in(page)

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)
            expect_focus_in_sight(page)

    def tab_to(name: str, role: str = "button") -> None:
        """Go on with Tab until something that is called `name` has the focus."""
        for _ in range(40):
            press("Tab")
            if page.evaluate(_FOCUSED_NAME).startswith(name):
                expect(page.locator(":focus")).to_have_role(role)  # type: ignore[arg-type]
                return
        pytest.fail(f"Tab does not lead to “{name}”")

    # Remember.
    expect(page.get_by_role("heading", name="Nothing to remember yet")).to_be_visible()
    press("n")
    page.keyboard.type("The spare key lies under the blue pot.")
    press("Enter")
    expect(cards(page, "spare key")).to_be_visible()
    page.keyboard.type("Mira likes cherries.")
    press("Enter")
    expect(cards(page, "Mira likes")).to_be_visible()

    # Recall: search, open, why, edit.
    tab_to("Search your memories", "searchbox")
    page.keyboard.type("spare key")
    expect(page.locator("mark").first).to_be_visible()
    press("ArrowDown")
    expect(cards(page, "spare key")).to_be_focused()
    tab_to("Why this?")
    press("Enter")
    expect(page.get_by_role("region", name="Why this?")).to_be_visible()
    tab_to("Edit")
    press("Enter")
    expect(page.get_by_label("Text of the memory")).to_be_focused()
    page.keyboard.type(" Really.")
    press("Control+Enter")
    expect(cards(page, "blue pot. Really.")).to_be_focused()
    tab_to("Changes")
    press("Enter")
    expect(page.get_by_role("dialog", name="Changes").get_by_text("It said before:")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_focus_in_sight(page)

    # Chat: ask, see what the answer rests on, open it.
    page.get_by_role("link", name="Chat").focus()
    press("Enter")
    expect(page.get_by_role("heading", name="Chat", level=1)).to_be_focused()
    tab_to("Your question", "textbox")
    page.keyboard.type("Where does the spare key lie?")
    press("Enter")
    expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    expect(answers(page)).to_contain_text("spare key")
    expect_focus_in_sight(page)
    page.get_by_role("article", name="You").get_by_role("button", name="Edit the question").focus()
    tab_to("Memory 1")
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to("Open the memory", "link")
    press("Enter")
    expect(page.get_by_role("heading", name="A memory", level=1)).to_be_focused()

    # Delete, and undo.
    tab_to("Delete")
    press("Enter")
    expect(page.get_by_text("Memory deleted")).to_be_visible()
    expect(page.get_by_role("heading", name="Memories", level=1)).to_be_focused()
    expect(cards(page, "spare key")).to_have_count(0)
    press("F6")
    tab_to("Undo")
    press("Enter")
    expect(cards(page, "spare key")).to_be_visible()
    expect_focus_in_sight(page)

    # Delete in the list: the next one has the focus, and after the last one the search.
    cards(page, "spare key").focus()
    press("Delete")
    expect(cards(page, "Mira likes")).to_be_focused()
    press("Delete")
    expect(page.get_by_label("Search your memories")).to_be_focused()


_FOCUSED_NAME = """() => {
  const {activeElement: focused} = document;
  const label = focused.labels?.[0]?.textContent;
  return (focused.getAttribute("aria-label") ?? label ?? focused.textContent).trim();
}"""


def expect_focus_in_sight(page: Page) -> None:
    """Expect that something has the focus that is on the screen, and drawn so that one sees it."""
    expect(page.locator(":focus-visible")).to_have_count(1)
    expect(page.locator(":focus")).to_be_in_viewport()
