"""Finding memories again, and changing them where they are found, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.web.steps import action, cards, remember, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

SIZES = pytest.mark.parametrize("size", ["page", "phone"])
SEARCH = "Search your memories"
MEMORIES: tuple[dict[str, object], ...] = (
    {"text": "We swam in the lake near Plön.", "tags": ["travel"], "occurredAt": "2024-07-14T10:00:00Z"},
    {"text": "Dinner with Ada at the harbour.", "tags": ["travel", "food"], "occurredAt": "2024-07-20T18:00:00Z"},
    {"text": "The blue bicycle stands at Mira's.", "tags": ["bicycle"], "occurredAt": "2024-03-15T12:00:00Z"},
    {"text": "Mira likes cherries.", "tags": ["food"], "pinned": True},
)


def choose(card: Locator) -> None:
    """Choose a memory, for what is done to many at once."""
    box = card.get_by_label("Choose this memory")
    card.hover()
    if not box.is_visible():
        card.get_by_role("button", name="What can be done").click()
    box.check()


@SIZES
def test_memories_are_found_by_words_conditions_and_days(
    size: str,
    request: pytest.FixtureRequest,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    axe: Callable[[Page], None],
) -> None:
    page = sign_in(request.getfixturevalue(size))
    remember(elsewhere(page), *MEMORIES)
    page.reload()
    expect(cards(page)).to_have_count(4)

    # As it is typed, marked, and why.
    page.get_by_label(SEARCH).press_sequentially("where is the bicycle")
    expect(cards(page).first.locator("mark")).to_have_text("bicycle")
    expect(page).to_have_url(re.compile(r"q=where\+is\+the\+bicycle"))
    action(cards(page).first, "Why this?").click()
    why = cards(page).first.get_by_role("region", name="Why this?")
    expect(why).to_contain_text("Words in it:")
    expect(why).to_contain_text("Score:")
    axe(page)
    page.get_by_role("button", name="Clear the search").click()
    expect(page.get_by_label(SEARCH)).to_be_focused()
    expect(cards(page)).to_have_count(4)

    # By conditions: one narrows the other, they outlive a reload, and go one by one or all at once.
    page.get_by_role("button", name=re.compile("^Filters")).click()
    filters = page.get_by_role("group", name="Filters")
    filters.get_by_role("button", name="#food 2").click()
    expect(cards(page)).to_have_count(2)
    filters.get_by_label("Pinned only").check()
    expect(cards(page)).to_have_text(re.compile("cherries"))
    filters.get_by_label("Pinned only").uncheck()
    filters.get_by_role("button", name="#travel 2").click()
    expect(cards(page)).to_have_text(re.compile("Dinner with Ada"))
    axe(page)
    page.reload()
    expect(cards(page)).to_have_text(re.compile("Dinner with Ada"))
    page.get_by_role("button", name="Take the tag food away").click()
    expect(cards(page)).to_have_count(2)
    page.get_by_role("button", name=re.compile("^Filters")).click()
    filters.get_by_label("Happened from").fill("2024-07-15")
    filters.get_by_label("Happened until").fill("2024-07-31")
    expect(cards(page)).to_have_text(re.compile("Dinner with Ada"))
    page.get_by_label(SEARCH).fill("cherries")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Without filters").click()
    expect(cards(page).first.locator("mark")).to_have_text("cherries")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear the search").click()
    expect(cards(page)).to_have_count(4)

    # By days: a month, one of its days, a year.
    page.get_by_role("button", name="Calendar").click()
    page.get_by_label("Go to").fill("2024-07")
    expect(page.get_by_role("heading", name="July 2024", exact=True)).to_be_visible()
    expect(cards(page)).to_have_count(2)
    page.get_by_role("button", name="14 July 2024: one memory").click()
    expect(cards(page)).to_have_text(re.compile("We swam"))
    axe(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No memories of this day")).to_be_visible()
    page.get_by_role("button", name="Show the whole month").click()
    expect(cards(page)).to_have_count(2)
    page.get_by_role("button", name="Earlier").click()
    expect(page.get_by_role("heading", name="No memories from this time")).to_be_visible()
    page.get_by_role("button", name="Timeline").click()
    page.get_by_label("Go to").fill("2024")
    for month in ("July 2024", "March 2024"):
        expect(page.get_by_role("heading", name=month, exact=True)).to_be_visible()
    expect(cards(page)).to_have_count(3)
    axe(page)
    page.go_back()
    expect(page.get_by_role("heading", name=re.compile(r"^\d{4}$"))).to_be_visible()
    page.get_by_role("button", name="List").click()
    expect(cards(page)).to_have_count(4)


@SIZES
def test_memories_are_changed_where_they_stand_one_by_one_or_many_at_once(
    size: str,
    request: pytest.FixtureRequest,
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    axe: Callable[[Page], None],
) -> None:
    page = sign_in(request.getfixturevalue(size))
    api = elsewhere(page)
    memory, *_ = remember(api, "Mira likes cherries.", "Ada plays chess.", "Tea at noon.", "Bread on Friday.")
    page.reload()

    # Changed elsewhere while it is edited here: both are shown, and one chooses.
    card = cards(page, "Mira likes")
    action(card, "Edit").click()
    text = page.get_by_label("Text of the memory")
    expect(text).to_be_focused()
    text.fill("Mira likes sour cherries.")
    page.reload()
    expect(text).to_have_value("Mira likes sour cherries.")
    api.patch(f"/v1/memories/{memory}", json={"text": "Mira likes plums."}).raise_for_status()
    text.press("Control+Enter")
    conflict = page.get_by_role("alert", name="This memory was changed meanwhile")
    for version in ("Mira likes plums.", "Mira likes sour cherries."):
        expect(conflict).to_contain_text(version)
    axe(page)
    conflict.get_by_role("button", name="Put both together").click()
    expect(text).to_have_value("Mira likes plums.\n\nMira likes sour cherries.")
    text.fill("Mira likes plums and sour cherries.")
    api.patch(f"/v1/memories/{memory}", json={"text": "Mira likes pears."}).raise_for_status()
    text.press("Control+Enter")
    conflict.get_by_role("button", name="Keep mine").click()
    expect(text).to_have_count(0)
    expect(cards(page, "Mira likes plums and sour cherries.")).to_be_focused()
    assert "Mira likes plums and sour cherries." in texts(api)

    # What it said before is there, and comes back.
    action(card, "Changes").click()
    changes = page.get_by_role("dialog", name="Changes")
    expect(changes.get_by_text("It said before:")).to_have_count(3)
    axe(page)
    changes.get_by_role("listitem").filter(has_text="Mira likes cherries.").get_by_role(
        "button", name="Bring this version back"
    ).click()
    expect(changes).to_have_count(0)
    expect(cards(page, "Mira likes cherries.")).to_be_visible()

    # Many at once.
    for name in ("Ada plays", "Tea at", "Bread on"):
        choose(cards(page, name))
    bar = page.get_by_role("toolbar", name="3 chosen")
    bar.get_by_role("button", name="Add a tag").click()
    bar.get_by_label("Name of the tag").fill("everyday")
    axe(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="#everyday")).to_have_count(3)
    expect(page.get_by_role("toolbar")).to_have_count(0)
    for name in ("Ada plays", "Tea at"):
        choose(cards(page, name))
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("2 memories deleted")).to_be_visible()
    expect(cards(page)).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 memories are back")).to_be_visible()
    expect(cards(page)).to_have_count(4)
    assert sorted(texts(api)) == ["Ada plays chess.", "Bread on Friday.", "Mira likes cherries.", "Tea at noon."]
