"""What people do on several screens, for the tests of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recall_local import loopback

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Locator, Page, Route

BOX = "Something to remember"
QUESTION = "Your question"


def keep(page: Page, text: str) -> None:
    """Write something into the box and press Enter."""
    page.get_by_label(BOX).fill(text)
    page.keyboard.press("Enter")


def cards(page: Page, text: str = "") -> Locator:
    """Return the memories on the page that say `text`."""
    return page.get_by_role("article").filter(has_text=text)


def action(card: Locator, name: str) -> Locator:
    """Return a button of a memory, as a mouse or a thumb gets at it."""
    card.hover()
    more = card.get_by_role("button", name="What can be done")
    if more.is_visible() and more.get_attribute("aria-expanded") == "false":
        more.click()
    return card.get_by_role("button", name=name, exact=True)


def remember(api: httpx.Client, *memories: str | dict[str, object]) -> list[str]:
    """Store memories past the page, and return their ids; a text stands for a memory that says it."""
    create = [{"text": memory} if isinstance(memory, str) else memory for memory in memories]
    answer = api.post("/v1/memories/batch", json={"create": create})
    assert answer.status_code == 200, answer.text
    return [created["memory"]["id"] for created in answer.json()["created"]]


def texts(api: httpx.Client) -> list[str]:
    """Return what the API's memories say, those written first first."""
    answer = api.get("/v1/memories", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return [memory["text"] for memory in reversed(answer.json()["items"])]


def ask(page: Page, question: str) -> None:
    """Ask a question as a person with a keyboard does."""
    page.get_by_label(QUESTION).fill(question)
    page.keyboard.press("Enter")


def answers(page: Page) -> Locator:
    """Return the answers that are on the page."""
    return page.get_by_role("article", name="Answer")


def lose_the_answer(route: Route) -> None:
    """Let a request through to the API, and break the connection before its answer comes."""
    asked = route.request
    headers = {name: asked.headers[name] for name in ("authorization", "content-type")}
    with loopback.client(headers=headers) as client:
        client.request(asked.method, asked.url, content=asked.post_data_buffer).raise_for_status()
    route.abort("connectionreset")


def expect_nothing_waits(page: Page) -> None:
    """Expect that everything that was written is saved."""
    expect(page.get_by_role("region", name="Not saved yet")).to_have_count(0)
