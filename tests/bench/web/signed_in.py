"""What Lighthouse says of the screens of somebody who is signed in, on a phone and on a desktop.

    python -m tests.bench.web.signed_in     the running stack, $RECALL_STACK

Tokens live in a page's memory only, so each look begins as a new visit does: the sign-in pages still know the session
and send the browser straight back. Lighthouse measures from the page that it comes back to.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from recall_local import web_build
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS
from recall_local.stack import Stack
from tests.bench.web.figures import keep
from tests.bench.web.lighthouse import CATEGORIES, HOST, RUNS, look
from tests.bench.web.people import enter, planted
from tests.e2e.web.serving import built_web_app, headers_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

MEMORIES: Final = 10_000
DEVICES: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "phone": (RUNS, ()),
    "desktop": (1, ("--preset=desktop",)),
}
"""How often each is looked at, and Lighthouse's flags for it: a desktop is so quick that chance says little."""
JUDGED: Final = tuple(category for category in CATEGORIES if category != "seo")
"""Search engines never see these screens."""


def conversation(page: Page) -> str:
    """Ask something and return the path of the conversation."""
    page.get_by_role("link", name="Chat", exact=True).click()
    box = page.get_by_label("Your question")
    box.fill("What did I say about the garden?")
    box.press("Enter")
    page.get_by_role("button", name="Answer again").wait_for(timeout=60_000)
    return urlsplit(page.url).path


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def measure(origin: str, built: Path, stack: Stack) -> dict[str, Any]:
    """Look at each screen several times on each device and return the scores."""
    person = planted(stack, MEMORIES, print)
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as temporary,
        built_web_app(built, headers_of(origin)) as served,
        sync_playwright() as playwright,
    ):
        context = playwright.chromium.launch_persistent_context(
            f"{temporary}/profile",
            executable_path=CHROMIUM,
            args=[
                *CHROMIUM_ARGUMENTS,
                f"--remote-debugging-port={port}",
                f"--host-resolver-rules=MAP {urlsplit(origin).netloc} 127.0.0.1:{served}",
            ],
            base_url=origin,
            locale="en-GB",
        )
        page = enter(context.new_page(), person)
        page.locator("article").first.wait_for()
        screens = {"remember": "/", "recall": "/?q=garden", "chat": conversation(page)}
        page.close()
        figures = {
            screen: {
                device: summary(
                    [
                        look(f"{origin}{path}", Path(temporary), *flags, f"--port={port}", "--disable-storage-reset")
                        for _ in range(runs)
                    ]
                )
                for device, (runs, flags) in DEVICES.items()
            }
            for screen, path in screens.items()
        }
        context.close()
    return figures


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of performance, and the worst of the rest, which does not vary by chance."""
    return {
        category: statistics.median(run[category] for run in runs)
        if category == "performance"
        else min(run[category] for run in runs)
        for category in JUDGED
    }


def main() -> None:
    """Measure and write."""
    stack = Stack.open(os.environ.get("RECALL_STACK", "recall"))
    figures = measure(stack.origin(HOST), web_build.build(stack.cache, print), stack)
    keep("lighthouse_signed_in", {**figures, "runs": RUNS})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
