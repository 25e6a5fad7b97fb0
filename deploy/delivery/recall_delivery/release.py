"""Whether all that names the version says the same, and the release's notes: `make release-check VERSION=1.2.3`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[3]
_SECTION: Final = r"^## {version}( - \d{{4}}-\d{{2}}-\d{{2}})?\n(?P<notes>.*?)(?=^## |\Z)"
"""As Keep a Changelog writes it, with or without brackets around the version."""


class ReleaseError(ValueError):
    """Something does not agree with the version; the message says what, and what to change."""


def notes(changelog: str, version: str) -> str:
    """Return the changelog's section of a version.

    Raises:
        ReleaseError: it has none, or an empty one.
    """
    heading = rf"\[?{re.escape(version)}\]?"
    found = re.search(_SECTION.format(version=heading), changelog, re.MULTILINE | re.DOTALL)
    text = found["notes"].strip() if found else ""
    if not text:
        raise ReleaseError(
            f'CHANGELOG.md has no section "## {version} - <date>" with something in it: rename "## Unreleased"'
        )
    return text + "\n"


def check(root: Path, version: str) -> str:
    """Return the notes of a release whose parts all bear its version.

    Raises:
        ReleaseError: one does not.
        OSError: the tree is not whole.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f'VERSION is "{version}"; write three numbers, such as 1.2.3')
    package = re.search(r'__version__ = "(.+)"', (root / "api/recall_api/__init__.py").read_text())
    chart = yaml.safe_load((root / "deploy/chart/Chart.yaml").read_text())
    said = {
        "__version__ in api/recall_api/__init__.py": package[1] if package else None,
        "version in deploy/chart/Chart.yaml": chart["version"],
        "appVersion in deploy/chart/Chart.yaml": chart["appVersion"],
    }
    wrong = [f"{where} is {found}" for where, found in said.items() if found != version]
    if wrong:
        raise ReleaseError(f"{'; '.join(wrong)}: set it to {version}")
    return notes((root / "CHANGELOG.md").read_text(), version)


def main(words: Sequence[str] | None = None) -> int:
    """Check and write the notes; return the process' exit status."""
    parser = argparse.ArgumentParser(prog="python -m recall_delivery.release", description=__doc__)
    parser.add_argument("version", help="such as 1.2.3")
    parser.add_argument("--notes", type=Path, required=True, help="file to write the notes to")
    options = parser.parse_args(words)
    try:
        text = check(ROOT, options.version)
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    options.notes.parent.mkdir(parents=True, exist_ok=True)
    options.notes.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
