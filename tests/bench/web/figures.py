"""Where the figures of the web app are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path("build/bench/web.json")


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write figures under their name, beside those of other measurements."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(known | {name: figures}, indent=2, sort_keys=True) + "\n")
