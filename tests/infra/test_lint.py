"""cfn-lint over every template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cfnlint.api import ManualArgs, lint_by_config

if TYPE_CHECKING:
    from tests.infra.conftest import Templates


def test_cfn_lint_finds_nothing(synthesised: dict[str, Templates]) -> None:
    files = [str(item.path(part)) for item in synthesised.values() for part in item.parts()]
    assert len(files) > 25
    ignored = [
        "W3005",  # CDK writes DependsOn beside a reference: twice the same, no harm
        "W3010",  # zones are named, because that is a knob
    ]
    regions = ["eu-west-1", "eu-central-1", "us-east-1"]
    found = lint_by_config(ManualArgs(templates=files, regions=regions, ignore_checks=ignored))
    assert not [f"{Path(item.filename or '').name}: {item.rule.id} {item.message}" for item in found]
