"""The app without a network, and the change from one version of it to the next."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from recall_local import web_build
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS
from recall_local.stack import Stack
from tests.e2e.web.conftest import BUILT
from tests.e2e.web.serving import built_web_app, headers_of
from tests.e2e.web.steps import cards, expect_nothing_waits, keep, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from playwright.sync_api import BrowserContext

    from tests.e2e.running_stack import RunningStack

READY = "async () => { await navigator.serviceWorker.ready; }"


def test_who_was_signed_in_opens_the_app_without_a_network_and_writes(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., Page],
    elsewhere: Callable[[Page], httpx.Client],
    origin: str,
) -> None:
    context = new_context(service_workers="allow")
    page = sign_in(context.new_page())
    page.evaluate(READY)
    manifest = page.evaluate("async () => (await fetch(document.querySelector('link[rel=manifest]').href)).json()")
    assert manifest["display"] == "standalone"
    assert {icon.get("purpose", "any") for icon in manifest["icons"]} == {"any", "maskable"}

    context.set_offline(True)
    keep(page, "Written before the page went.")
    waiting = page.get_by_role("region", name="Not saved yet")
    expect(waiting).to_contain_text("Waits on this device for a connection")
    page.reload()
    expect(page.get_by_text("You are offline")).to_be_visible()
    expect(waiting).to_contain_text("Written before the page went.")
    keep(page, "Written after it came back.")
    expect(waiting).to_contain_text("2 wait on this device for a connection")
    page.get_by_label("Something to remember").fill("Begun and not kept")

    context.set_offline(False)
    page.get_by_role("button", name="Sign in").first.click()
    expect(page.get_by_text("You were signed out")).to_have_count(0)
    expect(page.get_by_role("heading", name="Memories", level=1)).to_be_visible()
    expect_nothing_waits(page)
    expect(cards(page, "Written")).to_have_count(2)
    expect(page.get_by_label("Something to remember")).to_have_value("Begun and not kept")
    assert texts(elsewhere(page)) == ["Written before the page went.", "Written after it came back."]
    kept = page.evaluate(
        """async () => {
          const opened = (await caches.keys()).map(async (name) => (await caches.open(name)).keys());
          return (await Promise.all(opened)).flat().map(({url}) => url);
        }"""
    )
    assert kept
    assert {"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in kept} == {origin}
    assert all(urlsplit(url).path.startswith(("/assets/", "/icons/", "/icon", "/index", "/manifest")) for url in kept)


def test_without_a_network_a_stranger_learns_nothing(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., Page], origin: str
) -> None:
    context = new_context(service_workers="allow")
    page = sign_in(context.new_page(), "/account/access")
    page.evaluate(READY)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url(f"{origin}/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.set_offline(True)
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Something to remember")).to_have_count(0)


@pytest.fixture
def deployed(recall: RunningStack, browser: Browser, origin: str, tmp_path: Path) -> Iterator[tuple[Path, Browser]]:
    """Yield a folder that is served as the web app, and a browser that takes it from there."""
    built = Path(BUILT) if BUILT else web_build.build(Stack.open(recall.stack.name).cache, print)
    folder = tmp_path / "web"
    shutil.copytree(built, folder)
    with built_web_app(folder, headers_of(origin)) as port:
        rules = f"--host-resolver-rules=MAP {urlsplit(origin).netloc} 127.0.0.1:{port}"
        mine = browser.browser_type.launch(executable_path=CHROMIUM, args=[*CHROMIUM_ARGUMENTS, rules])
        yield folder, mine
        mine.close()


def test_a_new_version_waits_until_its_user_reloads(deployed: tuple[Path, Browser], origin: str) -> None:
    folder, browser = deployed
    page = browser.new_page(base_url=origin)
    page.goto("/")
    page.evaluate(READY)
    page.reload()
    (folder / "index.html").write_text((folder / "index.html").read_text().replace("<title>", "<title>New "))
    worker = (folder / "sw.js").read_text()
    (folder / "sw.js").write_text(worker.replace('index.html",revision:"', 'index.html",revision:"new'))
    assert worker != (folder / "sw.js").read_text()
    page.evaluate("async () => { await (await navigator.serviceWorker.ready).update(); }")
    expect(page.get_by_text("A new version of Recall is there")).to_be_visible()
    with page.expect_event("load"):
        page.get_by_role("button", name="Reload").click()
    assert page.evaluate("async () => (await (await fetch('/index.html')).text()).includes('<title>New ')")
