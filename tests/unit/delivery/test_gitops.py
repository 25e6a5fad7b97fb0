"""The GitOps examples keep what must be kept, let go what may go, and roll out in order."""

from __future__ import annotations

from typing import Any

import lupa
import pytest
import yaml

from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.platform import Platform
from tests.gitops import GITOPS, argo_preview, documents, flux_preview, the

ARGO = GITOPS / "argocd"
APPLICATIONS = sorted((ARGO / "apps").glob("*.yaml"))
WAVE = "argocd.argoproj.io/sync-wave"


def overlay(name: str) -> dict[str, Any]:
    """Return the patches of an instance's folder, merged as far as their specs go."""
    kustomization = yaml.safe_load((GITOPS / "instances" / name / "kustomization.yaml").read_text())
    merged: dict[str, Any] = {"spec": the(GITOPS / "instances/base/instance.yaml", "RecallInstance")["spec"]}
    for patch in kustomization["patches"]:
        text = patch["patch"] if "patch" in patch else (GITOPS / "instances" / name / patch["path"]).read_text()
        for field, value in yaml.safe_load(text)["spec"].items():
            before = merged["spec"].get(field)
            merged["spec"][field] = {**before, **value} if isinstance(before, dict) else value
    return merged


def health_of_application(status: dict[str, Any] | None) -> str:
    text = yaml.safe_load((ARGO / "argocd-cm.yaml").read_text())["data"]
    runtime = lupa.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals().obj = runtime.table_from({} if status is None else {"status": status}, recursive=True)
    return str(runtime.execute(text["resource.customizations.health.argoproj.io_Application"])["status"])


@pytest.mark.parametrize("word", ["Healthy", "Progressing", "Degraded", "Suspended", "Missing"])
def test_an_application_is_as_healthy_as_what_it_deploys(word: str) -> None:
    assert health_of_application({"health": {"status": word}}) == word


def test_an_application_that_was_not_looked_at_is_waited_for() -> None:
    assert health_of_application(None) == health_of_application({}) == health_of_application({"health": {}})
    assert health_of_application(None) == "Progressing"


def test_waves_bring_projects_operator_beta_production_in_this_order() -> None:
    found = [item for path in APPLICATIONS for item in documents(path)]
    waves = {item["metadata"]["name"]: int(item["metadata"]["annotations"][WAVE]) for item in found}
    kinds = {item["metadata"]["name"]: item["kind"] for item in found}
    assert kinds["recall-previews"] in ("AppProject", "ApplicationSet")
    assert waves["recall-operator"] == 1
    assert waves["recall-operator"] < waves["recall-beta"] < waves["recall-production"]
    assert int(the(ARGO / "apps/projects.yaml", "AppProject")["metadata"]["annotations"][WAVE]) == 0


def test_flux_brings_them_in_the_same_order() -> None:
    kustomizations = {
        item["metadata"]["name"]: item["spec"]
        for path in (GITOPS / "flux").glob("*.yaml")
        for item in documents(path)
        if item["kind"] == "Kustomization"
    }
    after = {name: [item["name"] for item in spec.get("dependsOn", [])] for name, spec in kustomizations.items()}
    assert after["recall-production"] == ["recall-beta"]
    assert after["recall-beta"] == ["recall-namespaces"]
    assert kustomizations["recall-namespaces"]["healthChecks"][0]["name"] == "recall-operator"
    for spec in kustomizations.values():
        assert (GITOPS / spec["path"]).is_dir()


@pytest.mark.parametrize("name", ["beta", "production"])
def test_what_lasts_is_never_pruned_and_keeps_its_tables(name: str) -> None:
    base = the(GITOPS / "instances/base/instance.yaml", "RecallInstance")
    assert base["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
    spec = RecallInstanceSpec.model_validate(overlay(name)["spec"])
    assert spec.deletion_policy.tables == "Retain"
    assert spec.adoption == "Adopt"
    assert spec.expires_after is None
    application = the(ARGO / f"apps/{name}.yaml", "Application")["spec"]
    assert application["syncPolicy"]["automated"]["prune"] is False
    assert "finalizers" not in the(ARGO / f"apps/{name}.yaml", "Application")["metadata"]


def test_a_preview_sleeps_ends_and_leaves_nothing() -> None:
    preview = the(GITOPS / "instances/preview/instance.yaml", "RecallInstance")
    spec = RecallInstanceSpec.model_validate(preview["spec"])
    assert spec.expires_after
    assert spec.hibernation.mode == "Scheduled"
    assert set(spec.deletion_policy.model_dump().values()) == {"Delete"}
    application = argo_preview(7)
    assert application["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    # Or an instance that has expired would come back at once, and again and again.
    assert application["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": False}
    assert flux_preview(7)["spec"]["prune"] is True
    assert flux_preview(7)["spec"]["interval"] == "720h"


def test_pull_requests_may_make_nothing_but_instances_in_one_namespace() -> None:
    project = the(ARGO / "apps/projects.yaml", "AppProject")["spec"]
    assert project["namespaceResourceWhitelist"] == [{"group": "recall.kug.la", "kind": "RecallInstance"}]
    assert [item["namespace"] for item in project["destinations"]] == ["recall-previews"]
    assert argo_preview(7)["spec"]["project"] == "recall-previews"
    role = the(GITOPS / "flux/previews.yaml", "Role")
    assert role["metadata"]["namespace"] == "recall-previews"
    assert flux_preview(7)["spec"]["serviceAccountName"] == role["metadata"]["name"]
    groups = {group for rule in role["rules"] for group in rule["apiGroups"]}
    assert groups == {"source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "recall.kug.la"}


def test_a_promotion_is_a_copy_of_one_file_that_holds_nothing_but_the_version() -> None:
    for name in ("beta", "production"):
        version = yaml.safe_load((GITOPS / "instances" / name / "version.yaml").read_text())
        assert version["metadata"] == {"name": "recall"}
        assert list(version["spec"]) == ["api"]
        assert list(version["spec"]["api"]) == ["image"]
        kustomization = yaml.safe_load((GITOPS / "instances" / name / "kustomization.yaml").read_text())
        assert {"path": "version.yaml"} in kustomization["patches"]
        assert all("image:" not in patch.get("patch", "") for patch in kustomization["patches"])


def test_the_operators_values_hold_a_platform_document() -> None:
    values = yaml.safe_load((GITOPS / "operator/values.yaml").read_text())
    assert Platform.model_validate(values["platform"]).cluster.name == "recall"
