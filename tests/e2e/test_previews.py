"""Previews of pull requests live by manifests alone: nothing but what Git holds is applied and deleted."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recall_local.demo.leftovers import resources_of
from tests.e2e.running_stack import eventually
from tests.gitops import GITOPS, argo_preview, flux_preview

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.running_stack import RunningStack

NAMESPACE = "recall-previews"
DAY, NIGHT = ("0 0 29 2 *", "1 0 29 2 *"), ("0 0 1 1 *", "59 23 31 12 *")
"""Windows that are closed and open whenever the test runs (but for a minute in four years)."""


class Repository:
    """A working copy with the previews of some pull requests, and what a GitOps controller does with it."""

    def __init__(self, recall: RunningStack, folder: Path) -> None:
        self.recall, self.folder = recall, folder
        self.base = folder / "instances/preview"
        shutil.copytree(GITOPS / "instances/preview", self.base)

    def commit(self, *, window: tuple[str, str], life: str = "72h") -> None:
        """Change the manifest that all previews are made of."""
        document = yaml.safe_load((GITOPS / "instances/preview/instance.yaml").read_text())
        document["spec"]["hibernation"]["windows"] = [{"sleepAt": window[0], "wakeAt": window[1]}]
        document["spec"]["expiresAfter"] = life
        (self.base / "instance.yaml").write_text(yaml.safe_dump(document))

    def render(self, number: int) -> Path:
        """Write what Argo CD makes kustomize do for a pull request."""
        source = argo_preview(number)["spec"]["source"]
        assert source["path"] == "instances/preview"
        folder = self.folder / f"pr-{number}"
        folder.mkdir(exist_ok=True)
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": ["../instances/preview"],
            **source["kustomize"],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return folder

    def sync(self, number: int) -> None:
        self.recall.kubectl.run("apply", "--server-side", "--kustomize", str(self.render(number)))

    def close(self, number: int) -> None:
        folder = str(self.folder / f"pr-{number}")
        self.recall.kubectl.run("delete", "--kustomize", folder, "--ignore-not-found", "--timeout=120s", timeout=150)

    def instance(self, number: int) -> dict[str, Any]:
        return dict(self.recall.kubectl.get("recallinstance", f"pr-{number}", namespace=NAMESPACE))


@pytest.fixture
def repository(recall: RunningStack, tmp_path: Path) -> Iterator[Repository]:
    recall.kubectl.run("apply", "--kustomize", str(GITOPS / "namespaces"))
    found = Repository(recall, tmp_path)
    yield found
    for number in (7, 8):
        found.render(number)
        found.close(number)


def test_a_preview_lives_by_its_manifest_from_opening_to_closing_or_expiry(
    recall: RunningStack, repository: Repository
) -> None:
    # Two pull requests are opened.
    repository.commit(window=DAY)
    for number in (7, 8):
        repository.sync(number)
    for number in (7, 8):
        recall.kubectl.wait(f"recallinstance/pr-{number}", until="condition=Ready", namespace=NAMESPACE)
        with recall.api(f"pr-{number}.recall.localhost") as api:
            assert api.http.get("/health/ready").status_code == 200
        assert resources_of(recall.aws_endpoint, f"pr-{number}")
    status = repository.instance(7)["status"]
    assert status["hibernation"]["asleep"] is False
    assert status["expiresAt"] > repository.instance(7)["metadata"]["creationTimestamp"]

    # A push; and night falls: no pods, everything else stays.
    repository.commit(window=NIGHT)
    for number in (7, 8):
        repository.sync(number)
        label = f"--selector=recall.kug.la/instance=pr-{number}"
        recall.kubectl.wait("pod", label, until="delete", namespace=NAMESPACE)
        assert resources_of(recall.aws_endpoint, f"pr-{number}")

    # The first is closed, the second forgotten: its life is over.
    repository.commit(window=NIGHT, life="10s")
    repository.sync(8)
    repository.close(7)
    eventually(
        lambda: not recall.kubectl.exists("recallinstance", "pr-8", namespace=NAMESPACE),
        what="the operator deletes an expired preview",
    )
    for number in (7, 8):
        assert resources_of(recall.aws_endpoint, f"pr-{number}") == []
        assert not recall.kubectl.exists("deployment", f"pr-{number}-api", namespace=NAMESPACE)
    events = recall.kubectl.get("events.events.k8s.io", namespace=NAMESPACE)["items"]
    assert ("pr-8", "Expired") in {(item["regarding"]["name"], item["reason"]) for item in events}


def test_argo_cd_and_flux_make_the_same_of_a_pull_request(recall: RunningStack, repository: Repository) -> None:
    repository.commit(window=DAY)
    folder = repository.render(7)
    made = recall.kubectl.run("kustomize", str(folder))
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    spec = flux_preview(7)["spec"]
    assert spec["path"] == "./instances/preview"
    kustomization |= {name: spec[name] for name in ("nameSuffix", "patches")}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert recall.kubectl.run("kustomize", str(folder)) == made


@pytest.mark.parametrize("folder", ["base", "beta", "production", "preview"])
def test_every_instance_of_the_examples_is_accepted(recall: RunningStack, folder: str) -> None:
    recall.kubectl.run("apply", "--kustomize", str(GITOPS / "namespaces"))
    text = recall.kubectl.run("kustomize", str(GITOPS / "instances" / folder))
    namespace = [] if "namespace:" in text else ["--namespace=default"]
    answer = recall.kubectl.run(
        "apply", "--server-side", "--dry-run=server", "--output=json", "--filename=-", *namespace, manifest=text
    )
    assert json.loads(answer)["kind"] == "RecallInstance"
