"""Environments of Python packages that are made once and kept for the next measurement."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "recall" / "bench"
UV: Final = Path(sys.executable).parent / "uv"


def python(name: str, *packages: str) -> Path:
    """Return the Python of an environment, which is made anew when it is missing or others are asked for.

    Args:
        name: its folder's.
        packages: what `pip install` takes; a file after `-r` counts by its content.

    Raises:
        subprocess.CalledProcessError: it could not be made; uv has said why.
    """
    folder = FOLDER / name
    marker = folder / "installed.txt"
    wanted = "\n".join(Path(word).read_text() if Path(word).is_file() else word for word in packages)
    if not marker.exists() or marker.read_text() != wanted:
        print(f"installing {' '.join(packages)} …", flush=True)
        subprocess.run([UV, "venv", "--quiet", "--clear", f"--python={sys.executable}", folder], check=True)
        subprocess.run([UV, "pip", "install", "--quiet", f"--python={folder}/bin/python", *packages], check=True)
        marker.write_text(wanted)
    return folder / "bin/python"
