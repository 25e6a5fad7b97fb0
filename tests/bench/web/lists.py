"""How lists of 50,000 memories scroll, and how long a search and a save take to be seen.

    python -m tests.bench.web.lists [--quick]     the running stack, $RECALL_STACK

Real Chromium, the real build, the stack's API. Beside each figure is one of the bare minimum in the same browser: a
page of plain text that is scrolled in the same way, and the bare call of the API. `--quick` leaves out the user with
50,000 memories, of whom the emulated DynamoDB takes minutes to list all.
"""

from __future__ import annotations

import json
import os
import statistics
import string
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recall_local import web_build
from recall_local.stack import Stack
from tests.bench.web.figures import keep
from tests.bench.web.people import HOST, YEAR, browser_on, enter, planted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Page

    from tests.bench.web.people import Person

LONG: Final = 50_000
SOME: Final = 10_000
TRIALS: Final = 40
DESKTOP: Final = {"width": 1280, "height": 800}
MINUTES: Final = 4
"""As long as reading all of a list may take at most."""

SCROLL: Final = """async ({seconds, pixels}) => {
  const top = Math.max(0, document.documentElement.scrollHeight / 2 - 10_000);
  window.scrollTo(0, top);
  const frame = () => new Promise(requestAnimationFrame);
  for (let still = 0; still < 20; still += 1) await frame();
  const frames = [];
  let nodes = 0;
  let before = await frame();
  const end = before + seconds * 1000;
  while (before < end) {
    window.scrollBy(0, pixels);
    const now = await frame();
    frames.push(now - before);
    before = now;
    if (frames.length % 10 === 0) nodes = Math.max(nodes, document.getElementsByTagName("*").length);
  }
  return {frames, nodes, moved: window.scrollY - top};
}"""
"""Scrolls by so many pixels each frame, from near the middle, and takes the time between frames."""

PLAIN: Final = """<!doctype html><title>Plain</title><style>p { margin: 0 0 8px; height: 104px }</style>"""
PLAIN_ROWS: Final = 1_000

FIRST_HIT: Final = """() => new Promise((resolve) => {
  let pressed = 0;
  addEventListener("keydown", ({timeStamp}) => { pressed = timeStamp; }, {capture: true, once: true});
  const looking = new MutationObserver(() => {
    if (document.querySelector("[role=feed][aria-label='What was found'] article") === null) return;
    looking.disconnect();
    painted(() => resolve(performance.now() - pressed));
  });
  looking.observe(document.body, {childList: true, subtree: true});
})"""
SHOWN: Final = """(text) => new Promise((resolve) => {
  let pressed = 0;
  addEventListener("keydown", ({timeStamp}) => { pressed = timeStamp; }, {capture: true, once: true});
  const looking = new MutationObserver(() => {
    const places = document.querySelectorAll("main li, main article");
    if (![...places].some((place) => place.textContent.includes(text))) return;
    looking.disconnect();
    painted(() => resolve(performance.now() - pressed));
  });
  looking.observe(document.body, {childList: true, subtree: true, characterData: true});
})"""
PAINTED: Final = """window.painted = (then) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = then;
  channel.port2.postMessage(null);
});"""
"""Calls back when the next frame was made."""

CALL: Final = """async ({address, authorization, body}) => {
  const began = performance.now();
  const answer = await fetch(address, {
    method: "POST", body: JSON.stringify(body),
    headers: {"content-type": "application/json", authorization},
  });
  await answer.json();
  return performance.now() - began;
}"""


def percentiles(values: Sequence[float], *of: int) -> dict[str, float]:
    """Return percentiles in ms."""
    return {f"p{one}_ms": round(float(np.percentile(values, one)), 1) for one in of}


def scrolled(page: Page, *, seconds: float = 8, pixels: int = 60) -> dict[str, float]:
    """Scroll a page and say how it went."""
    seen = page.evaluate(SCROLL, {"seconds": seconds, "pixels": pixels})
    assert seen["moved"] > seconds * pixels, f"{page.url} was not scrolled: {seen['moved']} px"
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    heap = next(m["value"] for m in session.send("Performance.getMetrics")["metrics"] if m["name"] == "JSHeapUsedSize")
    session.detach()
    return {
        **percentiles(seen["frames"], 50, 95, 99),
        "frames": len(seen["frames"]),
        "frames_over_50_ms": sum(frame > 50 for frame in seen["frames"]),
        "nodes": seen["nodes"],
        "heap_mb": round(heap / 1e6, 1),
    }


def plain_text(browser: Browser) -> dict[str, float]:
    """Scroll a page of plain text."""
    with browser.new_context(viewport=DESKTOP) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_content(PLAIN + "<p>Something that was said once.</p>" * PLAIN_ROWS)
        return scrolled(page)


def read_whole(page: Page, count: int) -> None:
    """Go to the end of the list of all memories until it is the end."""
    last = page.locator(f"[role=feed] article[aria-posinset='{count}']")
    page.evaluate(
        """async (count) => {
          const end = () => document.querySelector(`[role=feed] article[aria-posinset="${count}"]`);
          while (!end()) {
            window.scrollTo(0, document.documentElement.scrollHeight);
            await new Promise(requestAnimationFrame);
          }
        }""",
        count,
    )
    last.wait_for()


def lists(browser: Browser, origin: str, long: Person, year: Person) -> dict[str, Any]:
    """Scroll every list: all memories of who has most, and a year and a month of somebody."""
    figures: dict[str, Any] = {"plain": plain_text(browser)}
    with browser.new_context(**options(origin)) as context:
        page = enter(context.new_page(), long)
        read_whole(page, long.count)
        figures["list"] = {"memories": long.count, **scrolled(page)}
    with browser.new_context(**options(origin)) as context:
        page = enter(context.new_page(), year)
        for view, period in (("timeline", f"{YEAR}"), ("calendar", f"{YEAR}-05")):
            page.get_by_role("button", name=view.capitalize()).click()
            page.get_by_label("Go to").fill(period)
            listed = page.get_by_role("list", name=str(YEAR)).get_by_role("listitem").first
            listed.wait_for(timeout=MINUTES * 60_000)
            figures[view] = {"memories": int(listed.get_attribute("aria-setsize") or 0), **scrolled(page)}
    for name in figures.keys() - {"plain"}:
        for of in ("p50", "p95", "p99"):
            figures[name][f"{of}_ratio"] = round(figures[name][f"{of}_ms"] / figures["plain"][f"{of}_ms"], 2)
    return figures


def options(origin: str) -> dict[str, Any]:
    """Return what a context of the bench is made with."""
    return {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "UTC", "base_url": origin}


def _compared(seen: Sequence[float], bare: Sequence[float]) -> dict[str, Any]:
    added = statistics.median(seen) - statistics.median(bare)
    return {"app": percentiles(seen, 50, 95), "api": percentiles(bare, 50, 95), "added_p50_ms": round(added, 1)}


def typing_and_saving(browser: Browser, origin: str, person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """Type letters until something is found, save memories until they are seen; bare calls take turns with both."""
    api = origin.replace("://", "://api.")
    with browser.new_context(**options(origin)) as context:
        tokens: list[str] = []
        context.on("request", lambda request: tokens.append(request.headers.get("authorization", "")))
        page = enter(context.new_page(), person)
        page.locator("article").first.wait_for()
        authorization = next(token for token in reversed(tokens) if token)

        def call(path: str, body: dict[str, Any]) -> float:
            found: float = page.evaluate(
                CALL, {"address": f"{api}{path}", "authorization": authorization, "body": body}
            )
            return found

        page.evaluate(PAINTED)
        query = {"limit": 20, "tags": [], "timeZone": "UTC"}
        call("/v1/recall", {"query": "warm up", **query})
        field = page.get_by_role("searchbox")
        found, bare = [], []
        letters = [*string.ascii_lowercase, *string.digits, *string.ascii_uppercase]
        for letter in letters[:TRIALS]:
            waiting = page.evaluate_handle(f"({{hit: ({FIRST_HIT})()}})")
            field.press(letter)
            found.append(page.evaluate("({hit}) => hit", waiting))
            field.press("Escape")
            page.get_by_role("feed", name="Memories").wait_for()
            bare.append(call("/v1/recall", {"query": f"{letter}{letter}", **query}))
        box = page.get_by_label("Something to remember")
        shown, stored = [], []
        for number in range(TRIALS):
            text = f"Saved by the bench {os.getpid()}-{number}."
            box.fill(text)
            waiting = page.evaluate_handle(f"({{hit: ({SHOWN})({json.dumps(text)})}})")
            with page.expect_response(lambda answer: answer.url.endswith("/v1/memories") and answer.ok):
                box.press("Enter")
                shown.append(page.evaluate("({hit}) => hit", waiting))
            stored.append(call("/v1/memories", {"text": f"Stored by the bench {os.getpid()}-{number}."}))
    return _compared(found, bare), _compared(shown, stored)


def main() -> None:
    """Measure and write."""
    stack = Stack.open(os.environ.get("RECALL_STACK", "recall"))
    origin = stack.origin(HOST)
    some = planted(stack, SOME, print)
    long = some if "--quick" in sys.argv else planted(stack, LONG, print)
    with browser_on(origin, web_build.build(stack.cache, print)) as browser:
        found = lists(browser, origin, long, some)
        typing, saving = typing_and_saving(browser, origin, some)
    keep("lists", found)
    keep("search_as_you_type", {"memories": some.count, "trials": TRIALS, **typing})
    keep("save_until_shown", {"memories": some.count, "trials": TRIALS, **saving})
    print(json.dumps({"lists": found, "search_as_you_type": typing, "save_until_shown": saving}, indent=2))


if __name__ == "__main__":
    main()
