"""What Lighthouse says of the first screen, beside a bare page of React that the same Vite built.

    python -m tests.bench.web.lighthouse     the running stack, $RECALL_STACK

Both are served from loopback, compressed, under the headers of the stack; runs alternate, performance is the median.
The app's page does what it does for every visitor: it reads the instance's configuration and shows the welcome.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from recall_local import web_build
from recall_local.demo.sign_in import CHROMIUM, CHROMIUM_ARGUMENTS
from recall_local.stack import Stack
from recall_local.web_build import FRONTEND
from tests.bench.web.figures import keep
from tests.e2e.web.serving import built_web_app, headers_of

HOST: Final = "beta.recall.localhost"
RUNS: Final = 3
CATEGORIES: Final = ("performance", "accessibility", "best-practices", "seo")

BARE_PAGE: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Bare</title>
    <meta name="description" content="A page of React that says one sentence." />
    <link rel="icon" href="data:," />
  </head>
  <body><div id="root"></div><script type="module" src="/main.js"></script></body>
</html>
"""
BARE_SCRIPT: Final = """import { createElement } from "react";
import { createRoot } from "react-dom/client";
createRoot(document.getElementById("root")).render(createElement("main", null, createElement("h1", null, "Hello")));
"""


def bare_page(built: Path) -> None:
    """Build a page that is React and nothing else, with the app's own packages."""
    sources = FRONTEND / "node_modules/.cache/bare"
    sources.mkdir(parents=True, exist_ok=True)
    (sources / "index.html").write_text(BARE_PAGE)
    (sources / "main.js").write_text(BARE_SCRIPT)
    (sources / "vite.config.js").write_text("export default {};\n")
    web_build.npx(FRONTEND, "vite", "build", str(sources), "--emptyOutDir", "--outDir", str(built))


def look(address: str, folder: Path, *flags: str) -> dict[str, float]:
    """Run Lighthouse once, with flags of its command line, and return the score of each category, 0 to 100.

    What falls short is printed: each audit that is not passed, and what performance was made of.
    """
    report = folder / "report.json"
    subprocess.run(
        [
            str(Path(sys.executable).parent / "npx"), "--no-install", "lighthouse", address, "--quiet",
            f"--only-categories={','.join(CATEGORIES)}", "--output=json", f"--output-path={report}", *flags,
        ],
        cwd=FRONTEND,
        env=os.environ | {"CHROME_PATH": CHROMIUM, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=True,
        timeout=180,
    )  # fmt: skip
    told = json.loads(report.read_text())
    for audit in told["audits"].values():
        if audit.get("score") is not None and audit["score"] < 1 and audit["scoreDisplayMode"] == "binary":
            print(f"  {address}: {audit['title']}", file=sys.stderr)
    return {name: round(100 * told["categories"][name]["score"]) for name in CATEGORIES}


def chromium(*arguments: str) -> str:
    """Return the flag by which Lighthouse starts a Chromium of its own."""
    return f"--chrome-flags={' '.join((*CHROMIUM_ARGUMENTS, '--headless=new', *arguments))}"


def main() -> None:
    """Measure and write."""
    stack = Stack.open(os.environ.get("RECALL_STACK", "recall"))
    origin = stack.origin(HOST)
    app = web_build.build(stack.cache, print)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bare_page(folder / "bare")
        headers = headers_of(origin)
        with built_web_app(app, headers) as app_port, built_web_app(folder / "bare", headers) as bare_port:
            rule = f'--host-resolver-rules="MAP {urlsplit(origin).netloc} 127.0.0.1:{app_port}"'
            runs = [
                (look(f"{origin}/", folder, chromium(rule)), look(f"http://127.0.0.1:{bare_port}/", folder, chromium()))
                for _ in range(RUNS)
            ]
    figures = {
        name: {
            category: statistics.median(run[index][category] for run in runs) if category == "performance"
            else min(run[index][category] for run in runs)
            for category in CATEGORIES
        }
        for index, name in enumerate(("app", "bare"))
    }  # fmt: skip
    keep("lighthouse", {**figures, "runs": RUNS})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
