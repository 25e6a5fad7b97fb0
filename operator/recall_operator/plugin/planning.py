"""`kubectl recall plan`: what would change, field by field, before anything does."""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from recall_operator.annotations import DRY_RUN, RECONCILE_REQUESTED
from recall_operator.errors import Failure
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.instance import RecallInstance
from recall_operator.plugin.cluster import Cluster, CommandError, ReadOnlyAws, ReadOnlyKubernetes
from recall_operator.reconcile.all_parts import AllParts
from recall_operator.reconcile.expiry import expires_at, expiry_change, is_expired
from recall_operator.reconcile.plan_status import is_destructive, problems
from recall_operator.resources.part import Clients, Subject
from recall_operator.resources.plan import KNOWN_AFTER_APPLY, Change, Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from recall_operator.aws.client import AwsCaller
    from recall_operator.platform import Platform

NO_CHANGES: Final = 0
FAILED: Final = 1
CHANGES: Final = 2


@dataclass(frozen=True)
class Plan:
    """What would change of one instance."""

    key: str
    manifest: tuple[Difference, ...]
    """Fields of the manifest that differ from the stored ones."""
    changes: tuple[Change, ...]
    troubles: tuple[str, ...]
    """Parts that can't be planned, or that only the user can mend."""
    expires_at: str | None = None
    """When the instance is deleted by its spec.expiresAfter; None: it has no end."""

    @property
    def exit_code(self) -> int:
        """0 no changes, 2 changes, 1 when a part can't be planned."""
        if self.troubles:
            return FAILED
        return CHANGES if self.changes or self.manifest else NO_CHANGES

    def text(self) -> str:
        """Return the plan for people; what would be lost is marked."""
        lines: list[str] = []
        if self.manifest:
            lines.append(f"~ RecallInstance {self.key}")
            lines += [f"    {item.field}: {_shown(item.before)} -> {_shown(item.after)}" for item in self.manifest]
        for change in self.changes:
            head, *fields = str(change).splitlines()
            mark = "  !! DESTRUCTIVE" if is_destructive(change) else ""
            lines += [f"[{change.part}] {head}{mark}", *fields]
        lines += [f"! {trouble}" for trouble in self.troubles]
        if self.expires_at:
            lines.append(f"Expires at {self.expires_at}: the operator deletes it then (spec.expiresAfter).")
        lost = sum(map(is_destructive, self.changes))
        total = len(self.changes) + bool(self.manifest)
        lines.append(f"\nPlan for {self.key}: {total} to change, {lost} destructive." if total else "No changes.")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return the plan for programs."""

        def fields(differences: tuple[Difference, ...]) -> list[dict[str, Any]]:
            return [{"field": item.field, "before": item.before, "after": item.after} for item in differences]

        return {
            "instance": self.key,
            "manifest": fields(self.manifest),
            "changes": [
                {
                    "part": change.part,
                    "action": change.action.value,
                    "kind": change.kind,
                    "name": change.name,
                    "destructive": is_destructive(change),
                    "waitsFor": change.waits_for,
                    "fields": fields(change.differences),
                }
                for change in self.changes
            ],
            "problems": list(self.troubles),
            "expiresAt": self.expires_at,
        }


def _shown(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, sort_keys=True)


def manifest_differences(stored: Any, wanted: Any, path: str = "spec") -> Iterator[Difference]:
    """Yield the fields in which two specs differ; lists are compared as wholes."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for name in sorted(stored.keys() | wanted.keys()):
            yield from manifest_differences(stored.get(name), wanted.get(name), f"{path}.{name}")
    elif stored != wanted:
        yield Difference(path, stored, wanted)


def read_manifests(path: Path, namespace: str) -> list[dict[str, Any]]:
    """Return the instances in a YAML or JSON file (`-`: standard input), with their namespaces filled in.

    Raises:
        CommandError: the file can't be read, holds no instance, or one without a name.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        documents = [part for item in yaml.safe_load_all(text) if item for part in _listed(item)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"--filename {path} can't be read: {error}") from error
    found = [
        item
        for item in documents
        if isinstance(item, dict) and item.get("kind") == KIND and item.get("apiVersion") == API_VERSION
    ]
    if not found:
        raise CommandError(f"--filename {path} holds no {KIND} of {API_VERSION}.")
    named = [{**item, "metadata": {"namespace": namespace, **(item.get("metadata") or {})}} for item in found]
    if any(not item["metadata"].get("name") for item in named):
        raise CommandError(f"--filename {path} holds a {KIND} without metadata.name; give it one.")
    return named


def _listed(document: Any) -> list[Any]:
    """Return the objects of a List, as `kubectl get -o yaml` writes one; anything else is itself."""
    if isinstance(document, dict) and document.get("kind") in ("List", f"{KIND}List"):
        return list(document.get("items") or [])
    return [document]


async def plan_manifest(manifest: Mapping[str, Any], cluster: Cluster, platform: Platform, aws: AwsCaller) -> Plan:
    """Return what applying `manifest` would change: the API server fills in defaults and checks every rule first."""
    metadata = manifest["metadata"]
    live = cluster.get(ObjectKey(KIND, metadata["namespace"], metadata["name"]))
    checked = cluster.dry_run(manifest, live)
    if live is None:
        # The uid of a dry run is nobody's.
        checked["metadata"]["uid"] = KNOWN_AFTER_APPLY
    elif "status" in live:
        checked["status"] = live["status"]
    stored = live["spec"] if live else {}
    return await _assessed(checked, tuple(manifest_differences(stored, checked["spec"])), cluster, platform, aws)


async def plan_stored(live: Mapping[str, Any], cluster: Cluster, platform: Platform, aws: AwsCaller) -> Plan:
    """Return what the operator would do next for an instance as it is stored."""
    return await _assessed(live, (), cluster, platform, aws)


async def _assessed(
    document: Mapping[str, Any],
    manifest: tuple[Difference, ...],
    cluster: Cluster,
    platform: Platform,
    aws: AwsCaller,
) -> Plan:
    try:
        instance = RecallInstance.model_validate(document)
    except ValidationError as error:
        raise CommandError(f"the spec can't be read: {error}") from error
    parts = AllParts(Clients(ReadOnlyAws(aws), ReadOnlyKubernetes(cluster)))
    subject = Subject.of(instance, platform)
    plans: Mapping[str, Any]
    expired = is_expired(instance, subject.now)
    if instance.deleting or expired:
        takedowns = await parts.assess_deletion(subject)
        changes = [expiry_change(instance)] if expired else []
        changes += [item for found in takedowns.parts.values() if isinstance(found, tuple) for item in found]
        troubles = problems(takedowns.failures())
    else:
        plans = await parts.assess(subject)
        changes = [item for plan in plans.values() if not isinstance(plan, Failure) for item in plan.changes]
        troubles = problems(plans)
    end = expires_at(instance)
    return Plan(instance.key, manifest, tuple(changes), tuple(troubles), end.isoformat() if end else None)


def remote_plan(cluster: Cluster, namespace: str, name: str, timeout_seconds: float) -> dict[str, Any]:
    """Let the operator plan, with its own rights, by the dry-run annotation; return `status.plan`.

    The annotation is taken away again, unless it was there before.

    Raises:
        CommandError: the operator did not answer in time.
    """
    live = cluster.instance(namespace, name)
    before = live["metadata"].get("annotations", {}).get(DRY_RUN)
    token = secrets.token_hex(8)
    key = ObjectKey(KIND, namespace, name)
    cluster.patch(key, {"metadata": {"annotations": {DRY_RUN: "true", RECONCILE_REQUESTED: token}}})
    try:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            status = cluster.instance(namespace, name).get("status", {})
            if status.get("lastHandledReconcileAt") == token and "plan" in status:
                plan: dict[str, Any] = status["plan"]
                return plan
            time.sleep(0.5)
    finally:
        cluster.patch(key, {"metadata": {"annotations": {DRY_RUN: before}}})
    raise CommandError(f"the operator did not plan within {timeout_seconds:.0f} s; see `kubectl recall status {name}`.")


def remote_text(key: str, plan: Mapping[str, Any]) -> str:
    """Return a plan from the status for people."""
    lines: list[str] = []
    for change in plan.get("changes", []):
        mark = "  !! DESTRUCTIVE" if change.get("destructive") else ""
        waits = f" (after {change['waitsFor']})" if change.get("waitsFor") else ""
        lines.append(f"[{change['part']}] {change['action']} {change['kind']} {change['name']}{waits}{mark}")
        lines += [f"    {line}" for line in change.get("fields", [])]
    left_out = plan["total"] - len(plan.get("changes", []))
    lines += [f"… and {left_out} more"] if left_out else []
    lines += [f"! {trouble}" for trouble in plan.get("problems", [])]
    summary = f"\nPlan for {key}: {plan['total']} to change, {plan['destructive']} destructive."
    return "\n".join([*lines, summary if plan["total"] else "No changes."])
