"""A bad manifest is refused when it is applied, with a message that names the field and the remedy."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.running_stack import RunningStack

MANIFESTS = Path(__file__).parent / "manifests"
HEADER = "# refused: "


def expectation(manifest: Path) -> tuple[str, str]:
    """Return the field and the words that the first line of a manifest promises."""
    first = manifest.read_text().splitlines()[0]
    assert first.startswith(HEADER), f"{manifest.name} must begin with {HEADER!r}"
    field, _, words = first.removeprefix(HEADER).partition(": ")
    return field, words


def check_refused(recall: RunningStack, manifest: Path) -> None:
    field, words = expectation(manifest)
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        recall.kubectl.apply(manifest)
    assert field in refusal.value.stderr
    assert words in refusal.value.stderr


@pytest.mark.parametrize("manifest", sorted((MANIFESTS / "refused").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_manifest_is_refused_at_apply_time(recall: RunningStack, manifest: Path) -> None:
    check_refused(recall, manifest)


def test_there_are_many_bad_manifests() -> None:
    assert len(list((MANIFESTS / "refused").glob("*.yaml"))) >= 60


@pytest.mark.parametrize("folder", sorted((MANIFESTS / "refused_change").iterdir()), ids=lambda path: path.name)
def test_a_change_that_would_lose_data_is_refused(recall: RunningStack, folder: Path) -> None:
    recall.kubectl.apply(folder / "before.yaml")
    try:
        check_refused(recall, folder / "after.yaml")
    finally:
        recall.kubectl.run("delete", f"--filename={folder / 'before.yaml'}", "--timeout=120s", timeout=150)
