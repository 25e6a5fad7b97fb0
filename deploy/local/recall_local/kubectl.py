"""kubectl, as people use it, on the stack's cluster."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One cluster's kubectl: the program and the kubeconfig it uses."""

    program: Path
    kubeconfig: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line, such as a person would type it."""
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]

    def run(self, *arguments: str, manifest: Mapping[str, Any] | str | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it printed.

        Args:
            arguments: as on the command line.
            manifest: given on standard input; a mapping is written as JSON.
            timeout: seconds.

        Raises:
            subprocess.CalledProcessError: kubectl failed; its words are in `stderr`.
            subprocess.TimeoutExpired: it took too long.
        """
        text = manifest if isinstance(manifest, str) or manifest is None else json.dumps(manifest)
        done = subprocess.run(
            self.command(*arguments), input=text, capture_output=True, text=True, timeout=timeout, check=True
        )
        return done.stdout

    def get(self, kind: str, name: str = "", *, namespace: str = "default", selector: str = "") -> Any:
        """Return one object, or the list of them, as the API server has it."""
        arguments = ["get", kind, "--namespace", namespace, "--output=json"]
        arguments += [name] if name else []
        arguments += [f"--selector={selector}"] if selector else []
        return json.loads(self.run(*arguments))

    def exists(self, kind: str, name: str, *, namespace: str = "default") -> bool:
        """Say whether the object is there."""
        return bool(
            self.run("get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output=name").strip()
        )

    def apply(self, manifest: Mapping[str, Any] | Path) -> str:
        """`kubectl apply` a manifest or a file of them."""
        if isinstance(manifest, dict):
            return self.run("apply", "--filename=-", manifest=manifest)
        return self.run("apply", f"--filename={manifest}")

    def wait(self, *what: str, until: str, namespace: str = "default", seconds: int = 180) -> None:
        """`kubectl wait` until `what` fulfils `until`, such as `condition=Ready` or `delete`."""
        limits = (f"--for={until}", "--namespace", namespace, f"--timeout={seconds}s")
        self.run("wait", *what, *limits, timeout=seconds + 30)
