"""What screens load, all chunks counted: as the browser loads them, compressed as CloudFront compresses."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Response, expect

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 160_000
"""Bytes of JavaScript. React, sign-in, queries, words and the frame are 139,000; lists or the chat are the rest."""


@pytest.fixture
def loaded(page: Page) -> dict[str, int]:
    """Bytes of each script that the page loaded, gzipped, but the offline worker's, which comes after everything."""
    scripts: dict[str, int] = {}

    def note(response: Response) -> None:
        if response.url.endswith(".js") and not any(name in response.url for name in ("offline", "workbox")):
            scripts[response.url.rpartition("/")[2]] = len(gzip.compress(response.body()))

    page.on("response", note)
    return scripts


def test_the_first_memory_and_the_chat_need_few_bytes(
    page: Page, loaded: dict[str, int], sign_in: Callable[..., Page]
) -> None:
    sign_in(page)
    page.get_by_label("Something to remember").fill("Tea is what I drink at noon.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("region", name="Not saved yet")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert 0 < sum(loaded.values()) <= MOST, loaded
    loaded.clear()
    page.goto("/chat")
    expect(page.get_by_label("Your question")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert 0 < sum(loaded.values()) <= MOST, loaded
