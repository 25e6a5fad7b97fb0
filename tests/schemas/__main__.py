"""Writes `foreign.json` anew: `python -m tests.schemas FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.schemas import FOLDER, refreshed
from tests.unit.delivery.manifests import every_manifest

found = refreshed(Path(sys.argv[1]), every_manifest())
(FOLDER / "foreign.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
