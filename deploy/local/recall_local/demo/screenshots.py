"""Pictures of the web app for the README, of the running stack's demo account: `make screenshots`.

It signs in at the hosted page, stores the demo memories (again and again without doubles), asks a question, and takes
the main screens at the sizes of a desktop and a phone.
"""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from recall_local.aws import account
from recall_local.demo.memory_api import MemoryApi
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS, sign_in
from recall_local.stack import Stack

if TYPE_CHECKING:
    from recall_local.aws.account import DemoUser

HOST: Final = "beta.recall.localhost"
FOLDER: Final = Path("docs/images")
DESKTOP: Final = ViewportSize(width=1200, height=760)
PHONE: Final = ViewportSize(width=390, height=760)
QUESTION: Final = "What am I allergic to?"
SECONDS: Final = 60


def fill(origin: str, api: str, user: DemoUser) -> None:
    """Store the demo memories in the demo account."""
    with MemoryApi(api) as anonymous:
        page = anonymous.sign_in_page(f"{origin}/callback")
    with MemoryApi(api, sign_in(page, user.email, user.password)) as memories:
        demo = resources.files("recall_local.demo").joinpath("memories.json").read_text(encoding="utf-8")
        for memory in json.loads(demo)["memories"]:
            memories.remember(memory)


def enter(page: Page, user: DemoUser) -> None:
    """Sign in at the hosted page."""
    page.goto("/")
    page.get_by_role("button", name="Sign in").click()
    page.locator("[name=username]").fill(user.email)
    page.locator("[name=password]").fill(user.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Memories", level=1)).to_be_visible()


def still(page: Page, name: str) -> None:
    """Take a picture of a page when everything has arrived."""
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


def main() -> None:
    """Take the pictures."""
    stack = Stack.open(os.environ.get("RECALL_STACK", "recall"))
    origin, api = stack.origin(HOST), stack.origin(f"api.{HOST}")
    user = account.demo_user(stack.state)
    fill(origin, api, user)
    FOLDER.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        desktop = browser.new_page(base_url=origin, viewport=DESKTOP, locale="en-GB", color_scheme="light")
        enter(desktop, user)
        still(desktop, "memories")
        desktop.get_by_role("link", name="Chat", exact=True).click()
        desktop.get_by_label("Your question").fill(QUESTION)
        desktop.get_by_label("Your question").press("Enter")
        expect(desktop.get_by_role("button", name="Answer again")).to_be_enabled()
        still(desktop, "chat")
        desktop.get_by_role("link", name="Account", exact=True).click()
        expect(desktop.get_by_role("heading", name="The last six months")).to_be_visible()
        still(desktop, "account")
        phone = browser.new_page(
            base_url=origin, viewport=PHONE, locale="en-GB", color_scheme="dark", is_mobile=True, has_touch=True
        )
        enter(phone, user)
        still(phone, "phone")
        browser.close()


if __name__ == "__main__":
    main()
