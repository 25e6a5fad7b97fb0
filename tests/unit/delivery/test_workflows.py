"""The GitHub workflows: pinned, bounded, and made of targets that people have too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.gitops import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
FILES = [*WORKFLOWS, *sorted((ROOT / ".github/actions").glob("*/action.yaml"))]
OF_EACH = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def targets() -> set[str]:
    """Return the targets of the Makefile and of what it includes."""
    text = (ROOT / "Makefile").read_text()
    included = re.findall(r"^include (.+)$", text, re.MULTILINE)
    texts = [text, *((ROOT / name).read_text() for name in included)]
    return {name for text in texts for name in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)}


def workflow(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document.get("jobs", {}).values():
        yield from job.get("steps", [])
    yield from document.get("runs", {}).get("steps", [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_actions_of_others_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for name, rest in used:
        if not name.startswith("./"):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", name), name
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", rest), name


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    found = {name for path in FILES for name in re.findall(r"uses: ([^./]\S+)", path.read_text())}
    assert len(found) == len({name.partition("@")[0] for name in found})


@OF_EACH
def test_nothing_is_granted_by_default_and_every_job_says_what_it_may_and_how_long(path: Path) -> None:
    document = workflow(path)
    assert document["permissions"] == {}
    assert "group" in document["concurrency"]
    for name, job in document["jobs"].items():
        assert "permissions" in job, name
        assert "uses" in job or job["timeout-minutes"] <= 120, name


@OF_EACH
def test_only_jobs_that_publish_get_tokens_and_they_take_nothing_from_caches(path: Path) -> None:
    for job in workflow(path)["jobs"].values():
        if "id-token" in job["permissions"]:
            assert path.stem in ("main", "release")
            assert job["environment"] == "production"
            assert "cache:" not in yaml.safe_dump(job)


@OF_EACH
def test_jobs_call_targets_that_people_have(path: Path) -> None:
    document = workflow(path)
    called = {name for step in steps(document) for name in re.findall(r"\bmake ([a-z][a-z0-9-]*)", step.get("run", ""))}
    for job in document["jobs"].values():
        called |= set(job.get("strategy", {}).get("matrix", {}).get("target", []))
    assert called
    assert called <= targets()


def test_the_one_required_check_waits_for_all_others() -> None:
    jobs = workflow(ROOT / ".github/workflows/checks.yaml")["jobs"]
    assert set(jobs["all"]["needs"]) == jobs.keys() - {"all"}
    assert jobs["all"]["if"] == "always()"


def test_nothing_is_published_that_was_not_checked() -> None:
    jobs = workflow(ROOT / ".github/workflows/main.yaml")["jobs"]
    assert jobs["checks"]["uses"] == "./.github/workflows/checks.yaml"
    assert {name: job.get("needs") for name, job in jobs.items() if name != "checks"} == {
        "images": "checks",
        "web": "checks",
        "operator": "images",
    }
