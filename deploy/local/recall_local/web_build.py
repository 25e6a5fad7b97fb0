"""The web app, built by Vite from `frontend/`; an unchanged tree builds nothing.

`python -m recall_local.web_build` installs the packages that it is built with.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recall_local.stack import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRONTEND: Final = Path(__file__).resolve().parents[3] / "frontend"

_NOT_SOURCES: Final = frozenset({"node_modules", "dist", "coverage"})
_KEPT_BUILDS: Final = 2


class WebBuildError(Exception):
    """The web app could not be built; the message holds the builder's last words."""


def build(cache: Path, report: Callable[[str], None], frontend: Path = FRONTEND) -> Path:
    """Return the folder with the built web app.

    Args:
        cache: folder for what can be made again.
        report: told what is being done.
        frontend: the sources.

    Raises:
        WebBuildError: npm or Vite failed.
    """
    folder = cache / "web"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / _fingerprint(frontend)
    with locked(folder / "lock"):
        if not built.is_dir():
            install(frontend, report)
            report("building the web app")
            unfinished = folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            npx(frontend, "vite", "build", "--emptyOutDir", "--outDir", str(unfinished))
            unfinished.rename(built)
            _forget_old_builds(folder)
    return built


def install(frontend: Path, report: Callable[[str], None]) -> None:
    """Install the packages of the lock file, unless they are there."""
    lock = (frontend / "package-lock.json").read_bytes()
    installed = frontend / "node_modules/.recall-lock"
    if not installed.exists() or installed.read_text() != _digest(lock):
        report("installing the web app's packages")
        _run(frontend, "npm", "ci", "--silent", "--no-audit", "--no-fund")
        installed.write_text(_digest(lock))


def npx(frontend: Path, *command: str) -> None:
    """Run a program of the installed packages."""
    _run(frontend, "npx", "--no-install", *command)


def _run(frontend: Path, *command: str) -> None:
    # Node.js comes as a Python package, so it lies beside this interpreter.
    binaries = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    words = [str(binaries / command[0]), *command[1:]]
    done = subprocess.run(words, cwd=frontend, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise WebBuildError(f"`{' '.join(command)}` in {frontend} exited with {done.returncode}:\n{last}")


def _fingerprint(frontend: Path) -> str:
    hashed = hashlib.sha256()
    for file in _sources(frontend):
        hashed.update(f"{file.relative_to(frontend)}\0{_digest(file.read_bytes())}\0".encode())
    return hashed.hexdigest()[:16]


def _sources(frontend: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(frontend):
        names[:] = sorted(set(names) - _NOT_SOURCES)
        yield from (Path(folder) / file for file in sorted(files) if ".test." not in file)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _forget_old_builds(folder: Path) -> None:
    builds = sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime)
    for old in builds[:-_KEPT_BUILDS]:
        shutil.rmtree(old)


if __name__ == "__main__":
    install(FRONTEND, print)
