"""Sign-in, sign-out, headers and the frame of the web app, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from recall_local import loopback

if TYPE_CHECKING:
    from collections.abc import Callable


def test_who_signs_in_lands_where_they_wanted_and_stays_after_a_reload(
    page: Page, sign_in: Callable[..., Page]
) -> None:
    sign_in(page, "/account")
    expect(page.get_by_role("heading", name="Account", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Account", level=1)).to_be_visible()
    stored = page.evaluate("JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])")
    assert "eyJ" not in stored  # how every token begins


def test_who_signs_out_has_to_sign_in_again(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page, "/account/access")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/")  # by way of the sign-in pages, which forget the session too
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[name=password]")).to_be_visible()


def test_an_address_that_leads_nowhere_says_so(page: Page, sign_in: Callable[..., Page]) -> None:
    sign_in(page, "/no/such/place")
    page.get_by_role("link", name="Go to your memories").click()
    expect(page.get_by_role("heading", name="Memories", level=1)).to_be_visible()


@pytest.mark.parametrize("size", ["page", "phone"])
def test_the_first_steps_are_gone_through_or_skipped_for_good(
    size: str, request: pytest.FixtureRequest, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(request.getfixturevalue(size))
    steps = page.get_by_role("region", name="First steps")
    expect(steps.get_by_role("heading", name="Write it down")).to_be_visible()
    steps.get_by_role("button", name="Next").click()
    steps.get_by_role("button", name="Next").click()
    steps.get_by_role("link", name="Have a look").click()
    expect(page.get_by_role("heading", name="Chat", level=1)).to_be_visible()
    page.get_by_role("link", name="Memories").click()
    steps.get_by_role("button", name="Skip the first steps").click()
    expect(steps).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Nothing to remember yet")).to_be_visible()
    expect(steps).to_have_count(0)


def test_every_file_comes_with_the_headers_that_keep_pages_safe(origin: str) -> None:
    with loopback.client(origin) as client:
        answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }.items():
        assert answer.headers[name] == value
    assert "max-age=63072000" in answer.headers["strict-transport-security"]
