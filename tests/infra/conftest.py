"""All three environments, synthesised once by the command that people use."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENVIRONMENTS = ("beta", "minimal", "production")
FOLDER = Path(__file__).parents[2] / "infra"
EMULATED = Path(__file__).with_name("emulated.yaml")


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    name: str
    type: str
    body: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.body.get("Properties", {})


@dataclass(frozen=True)
class Templates:
    """The templates of one environment."""

    environment: str
    folder: Path

    def path(self, part: str) -> Path:
        return self.folder / f"recall-{self.environment}-{part}.template.json"

    def template(self, part: str) -> dict[str, Any]:
        return json.loads(self.path(part).read_text())

    def parts(self) -> list[str]:
        start, end = f"recall-{self.environment}-", ".template.json"
        return sorted(file.name.removeprefix(start).removesuffix(end) for file in self.folder.glob(f"{start}*{end}"))

    def resources(self, part: str, kind: str | None = None) -> list[Resource]:
        found = self.template(part).get("Resources", {}).items()
        return [Resource(name, body["Type"], body) for name, body in found if kind in (None, body["Type"])]

    def one(self, part: str, kind: str) -> Resource:
        (found,) = self.resources(part, kind)
        return found

    def all(self, kind: str | None = None) -> Iterator[tuple[str, Resource]]:
        for part in self.parts():
            for resource in self.resources(part, kind):
                yield part, resource

    def settings(self, part: str) -> dict[str, Any]:
        """What the cloud assembly says of a stack: region, termination protection, tags, dependencies."""
        manifest = json.loads((self.folder / "manifest.json").read_text())
        return manifest["artifacts"][f"recall-{self.environment}-{part}"]


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each environment, and for the one that is deployed to the emulated AWS."""
    out = tmp_path_factory.mktemp("cdk")
    command = [sys.executable, "-m", "recall_infra", "synth", *ENVIRONMENTS, str(EMULATED), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "ERROR" not in ended.stderr
    assert "AwsSolutions" not in ended.stderr, "every finding of cdk-nag is acknowledged, warnings too"
    return out


@pytest.fixture(scope="session")
def synthesised(assemblies: Path) -> dict[str, Templates]:
    return {name: Templates(name, assemblies / name) for name in ENVIRONMENTS}


@pytest.fixture(params=ENVIRONMENTS)
def templates(request: pytest.FixtureRequest, synthesised: dict[str, Templates]) -> Templates:
    return synthesised[request.param]
