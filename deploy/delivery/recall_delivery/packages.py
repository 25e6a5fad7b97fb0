"""What packages are locked: whether their licences are allowed, and whether they are known to be vulnerable.

Python's licences are pip-licenses' business; those of the web app's packages stand in its lock file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[3]
WEB_LICENCES: Final = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"})
"""What the web app may be built from and send to browsers, as npm's lock file writes it (SPDX)."""
_GRAVE: Final = frozenset({"moderate", "high", "critical"})
VULNERABLE, UNKNOWN = 1, 2
"""Exit statuses: something is known to be vulnerable; the indexes did not tell."""


@dataclass(frozen=True)
class Findings:
    """What an index told of the packages of one language."""

    vulnerable: tuple[str, ...] = ()
    unknown: str | None = None
    """Why it told nothing, or not of all."""


def strange_licences(lock: Mapping[str, Any]) -> list[str]:
    """Return the packages that the web app needs at run time and whose licence is none of `WEB_LICENCES`."""
    return [
        f"{name.removeprefix('node_modules/')}: {package.get('license', 'names no licence')}"
        for name, package in lock["packages"].items()
        if name and not package.get("dev") and package.get("license") not in WEB_LICENCES
    ]


def python_findings(document: str) -> Findings:
    """Read what `pip-audit --format=json` printed."""
    try:
        packages = json.loads(document)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        return Findings(unknown="pip-audit told nothing")
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    vulnerable = tuple(
        f"{package['name']} {package['version']}: {found['id']}, mended in {' or '.join(found['fix_versions'])}"
        for package in packages
        for found in package.get("vulns", ())
    )
    return Findings(
        vulnerable,
        f"{len(skipped)} of {len(packages)} packages were not looked up: {skipped[0]}" if skipped else None,
    )


def node_findings(document: str) -> Findings:
    """Read what `npm audit --json` printed."""
    try:
        found = json.loads(document)
        vulnerable = found["vulnerabilities"]
    except json.JSONDecodeError:
        return Findings(unknown="npm audit told nothing")
    except KeyError:
        return Findings(unknown=str(found.get("message", "npm audit told nothing")))
    return Findings(
        tuple(f"{name}: {package['severity']}" for name, package in vulnerable.items() if package["severity"] in _GRAVE)
    )


def report(findings: Mapping[str, Findings]) -> tuple[str, int]:
    """Return what to say of all languages, and the exit status."""
    lines: list[str] = []
    for what, found in findings.items():
        lines += [f"{what}: {line}" for line in found.vulnerable]
        if found.unknown:
            lines.append(f"{what}: NOT AUDITED, its index could not be asked from here: {found.unknown}")
        elif not found.vulnerable:
            lines.append(f"{what}: no known vulnerabilities")
    if any(found.vulnerable for found in findings.values()):
        return "\n".join(lines), VULNERABLE
    return "\n".join(lines), UNKNOWN if any(found.unknown for found in findings.values()) else 0


def _printed(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours


def _audit() -> int:
    pip_audit = str(Path(sys.executable).with_name("pip-audit"))
    words = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")
    python = _printed(ROOT, pip_audit, *words, "--requirement", "requirements/dev.txt")
    node = _printed(ROOT / "frontend", "npm", "audit", "--omit=dev", "--json")
    text, status = report({"Python": python_findings(python), "The web app": node_findings(node)})
    sys.stdout.write(f"{text}\n")
    return status


def _licences() -> int:
    strange = strange_licences(json.loads((ROOT / "frontend/package-lock.json").read_text()))
    sys.stderr.writelines(
        f"frontend: {line}; allow it in {Path(__file__).name} or choose another\n" for line in strange
    )
    return 1 if strange else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run one of the checks; return the process' exit status."""
    parser = argparse.ArgumentParser(prog="python -m recall_delivery.packages", description=__doc__)
    parser.add_argument("check", choices=("audit", "licences"))
    return _audit() if parser.parse_args(words).check == "audit" else _licences()


if __name__ == "__main__":
    sys.exit(main())
