"""A release is one version everywhere, and says what is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from recall_delivery.release import ReleaseError, check, main, notes
from tests.gitops import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = """# Changelog

## Unreleased

- Something new.

## 1.2.0 - 2026-11-01

### Added

- Something.

## [1.1.0] - 2026-10-01

- Something older.

## 1.0.0
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that is ready for 1.2.0."""
    for name, text in {
        "api/recall_api/__init__.py": '__version__ = "1.2.0"\n',
        "deploy/chart/Chart.yaml": 'version: 1.2.0\nappVersion: "1.2.0"\n',
        "CHANGELOG.md": CHANGELOG,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_notes_are_the_versions_own_section(tree: Path) -> None:
    assert check(tree, "1.2.0") == "### Added\n\n- Something.\n"
    assert notes(CHANGELOG, "1.1.0") == "- Something older.\n"


@pytest.mark.parametrize("version", ["1.0.0", "1.2", "1.2.0.0", "0.9.0", "1.2.0-rc1", "v1.2.0"])
def test_a_version_without_notes_or_of_another_form_is_refused(tree: Path, version: str) -> None:
    with pytest.raises(ReleaseError):
        check(tree, version)


@pytest.mark.parametrize(
    ("name", "before", "says"),
    [
        ("api/recall_api/__init__.py", '"1.2.0"', "__version__ in api/recall_api/__init__.py is 1.1.9"),
        ("deploy/chart/Chart.yaml", "version: 1.2.0", "version in deploy/chart/Chart.yaml is 1.1.9"),
        ("deploy/chart/Chart.yaml", 'appVersion: "1.2.0"', "appVersion in deploy/chart/Chart.yaml is 1.1.9"),
    ],
)
def test_what_does_not_agree_is_named(tree: Path, name: str, before: str, says: str) -> None:
    path = tree / name
    path.write_text(path.read_text().replace(before, before.replace("1.2.0", "1.1.9"), 1))
    with pytest.raises(ReleaseError, match=re.escape(says)):
        check(tree, "1.2.0")


def test_the_command_names_the_remedy_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["99.0.0", "--notes", str(tmp_path / "notes.md")]) == 2
    assert "set it to 99.0.0" in capsys.readouterr().err
    assert not (tmp_path / "notes.md").exists()


def test_this_tree_bears_one_version() -> None:
    version = yaml.safe_load((ROOT / "deploy/chart/Chart.yaml").read_text())["version"]
    with pytest.raises(ReleaseError, match="CHANGELOG"):
        check(ROOT, version)  # Only the changelog's section is missing: it has not been released.
