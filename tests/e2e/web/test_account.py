"""The account in a real browser: usage, profile, access tokens, export, sessions, deletion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from recall_local import loopback
from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    from playwright.sync_api import BrowserContext


def api_of(origin: str, token: str) -> httpx.Client:
    """Return the API as a program with a token uses it."""
    client = loopback.client(origin.replace("://", "://api."))
    client.headers["authorization"] = f"Bearer {token}"
    return client


@pytest.mark.parametrize("size", ["page", "phone"])
def test_what_is_set_stays_and_a_token_works_until_it_is_revoked(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page], origin: str
) -> None:
    page = sign_in(request.getfixturevalue(size), "/account")
    expect(page.get_by_role("meter", name="Spent of this month's budget")).to_have_attribute(
        "aria-valuetext", "$0.00 of $1.00"
    )
    expect(page.get_by_text("Your plan: free")).to_be_visible()
    expect(page.get_by_role("heading", name="The last six months")).to_be_visible()

    page.get_by_role("link", name="Profile").click()
    expect(page).to_have_title("Profile · Account · Recall")
    page.get_by_label("Name", exact=True).fill("Ada")
    page.get_by_role("button", name="Use Europe/Berlin").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.get_by_label("Appearance").select_option("Dark")
    page.get_by_label("Language").select_option("Deutsch")
    expect(page.get_by_role("heading", name="Konto", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Konto", level=1)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ada")
    expect(page.get_by_label("Zeitzone")).to_have_value("Europe/Berlin")
    page.get_by_label("Sprache").select_option("English")

    page.get_by_role("link", name="Access").click()
    page.get_by_label("What for").fill("notes script")
    page.get_by_label("Valid for").select_option("7 days")
    page.get_by_label("write memories").check()
    page.get_by_role("button", name="Make the token").click()
    token = page.get_by_label("The token").input_value()
    with api_of(origin, token) as program:
        assert program.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar."}).status_code == 201
        page.get_by_role("button", name="I have kept it").click()
        expect(page.get_by_label("The token")).to_have_count(0)
        page.get_by_role("button", name="Revoke “notes script”").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("There are no tokens yet.")).to_be_visible()
        eventually(lambda: program.get("/v1/memories").status_code == 401, what="the token is refused")


def test_everything_can_be_taken_away_and_erased(
    page: Page, sign_in: Callable[..., Page], axe: Callable[[Page], None], tmp_path: Path
) -> None:
    page.add_init_script("delete window.showSaveFilePicker")  # its dialog belongs to the system, which has none here
    sign_in(page)
    page.get_by_label("Something to remember").fill("Oma's soup needs a bay leaf.")
    page.get_by_role("button", name="Remember", exact=True).click()
    expect(page.get_by_role("main").get_by_text("Oma's soup needs a bay leaf.")).to_be_visible()

    page.goto("/account/data")
    for name, suffix in (("Memories to read", "md"), ("Memories for programs", "ndjson"), ("Everything", "ndjson")):
        with page.expect_download() as begun:
            page.get_by_role("button", name=f"Save: {name}").click()
        assert begun.value.suggested_filename.endswith(f".{suffix}")
        saved = tmp_path / name
        begun.value.save_as(saved)
        assert "Oma's soup needs a bay leaf." in saved.read_text()
    assert all(json.loads(line) for line in saved.read_text().splitlines())

    page.get_by_role("button", name="Delete everything …").click()
    confirm = page.get_by_role("button", name="Delete for good")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type “delete everything” to confirm").fill("delete everything")
    axe(page)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Everything is deleted")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Backups of the tables until")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_who_signs_out_everywhere_leaves_nothing_behind_and_is_out_elsewhere(
    sign_in: Callable[..., Page], new_context: Callable[..., BrowserContext], origin: str
) -> None:
    here, elsewhere = new_context().new_page(), new_context().new_page()
    sign_in(elsewhere)
    sign_in(here, "/account/profile")
    here.get_by_label("Appearance").select_option("Dark")
    here.get_by_role("link", name="Access").click()
    here.get_by_role("button", name="Sign out everywhere").click()
    here.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    here.wait_for_url(f"{origin}/")
    expect(here.get_by_role("button", name="Sign in")).to_be_visible()
    assert here.evaluate(
        """async () => ({
          local: Object.entries(localStorage).filter(([name]) => name !== "recall.configuration"),
          session: Object.entries(sessionStorage),
          waiting: await new Promise((resolve) => {
            const opened = indexedDB.open("recall");
            opened.onsuccess = () => {
              const names = [...opened.result.objectStoreNames];
              if (names.length === 0) return resolve(0);
              const counted = opened.result.transaction(names).objectStore(names[0]).count();
              counted.onsuccess = () => resolve(counted.result);
            };
          }),
          caches: (await globalThis.caches?.keys() ?? []).filter((name) => !name.includes("precache")),
        })"""
    ) == {"local": [], "session": [], "waiting": 0, "caches": []}

    def is_out() -> bool:
        elsewhere.get_by_label("Something to remember").fill("Still here?")
        elsewhere.get_by_role("button", name="Remember", exact=True).click()
        return elsewhere.get_by_text("You were signed out").first.is_visible()

    eventually(is_out, what="every pod knows that the session was ended")
    expect(elsewhere.get_by_role("region", name="Not saved yet")).to_contain_text("Still here?")
