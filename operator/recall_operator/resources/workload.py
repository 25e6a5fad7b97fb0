"""The API in Kubernetes: applies the objects of `workload_manifests` when they differ, and reads how the pods are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kubernetes.utils.quantity import parse_quantity

from recall_api.contract import Environment
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.api_spec import RouteKind
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import Standing, standing
from recall_operator.resources.access import ROLE_ARN
from recall_operator.resources.app_client import CLIENT_ID
from recall_operator.resources.certificate import CERTIFICATE_ARN
from recall_operator.resources.dns_records import NAME_TAKEN
from recall_operator.resources.guardrail import GUARDRAIL_VERSION, GUARDRAIL_VERSION_IN_USE, guardrail_id
from recall_operator.resources.plan import (
    KNOWN_AFTER_APPLY,
    Action,
    Assessment,
    Change,
    Difference,
    KubernetesApply,
    KubernetesDelete,
    PartState,
    appearing,
    progressing,
)
from recall_operator.resources.table_names import roles, table_name
from recall_operator.resources.workload_manifests import (
    ATTACHED_CERTIFICATE,
    CERTIFICATE_ANNOTATION,
    CONFIGURATION_ANNOTATION,
    configuration,
    digest,
    manifests,
    object_name,
    replicas,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recall_operator.resources.part import Clients, Subject

LOAD_BALANCER: Final = "workload.loadBalancer"
"""Output: DNS name of the load balancer that the Ingress got."""

_WAYS_IN: Final = frozenset({"Ingress", "HTTPRoute"})
"""Kinds that ask a load balancer for the host name's requests."""

_DELETION_ORDER: Final = (
    "Ingress",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    "Deployment",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Service",
    "ConfigMap",
    "ServiceAccount",
)

ObservedObjects = dict[str, dict[str, Any] | None]
"""The live object of each kind."""


class Workload:
    """Keeps the API's objects."""

    name = "workload"
    condition = "WorkloadReady"
    deleted_after = ()

    async def observe(self, subject: Subject, clients: Clients) -> ObservedObjects:
        """Read all objects."""
        # Without a Gateway there may be no such kind, nor a right to read it.
        gateway = subject.platform.ingress.gateway
        kinds = [kind for kind in _DELETION_ORDER if kind != "HTTPRoute" or gateway]
        keys = [ObjectKey(kind, subject.owner.namespace, object_name(subject)) for kind in kinds]
        found = await asyncio.gather(*(clients.kubernetes.get(key) for key in keys))
        return dict.fromkeys(_DELETION_ORDER) | dict(zip(kinds, found, strict=True))

    def outputs(self, subject: Subject, observed: ObservedObjects) -> Mapping[str, str]:
        """Tell the load balancer's name once there is one, its certificate, and the guardrail version of all pods."""
        attached = {ATTACHED_CERTIFICATE: _attached_certificate(observed)}
        return attached | self._load_balancer(subject, observed) | _guardrail_in_use(observed)

    @staticmethod
    def _load_balancer(subject: Subject, observed: ObservedObjects) -> dict[str, str]:
        gateway, ingress = subject.platform.ingress.gateway, observed["Ingress"] or {}
        if subject.instance.spec.api.route is RouteKind.HTTP_ROUTE:
            return {LOAD_BALANCER: gateway.dns_name} if gateway and observed["HTTPRoute"] else {}
        points = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        hostname = points[0].get("hostname") if points else None
        return {LOAD_BALANCER: hostname} if hostname else {}

    def plan(self, subject: Subject, observed: ObservedObjects, outputs: Mapping[str, str]) -> Assessment:
        """Apply what is missing or differs; then say how the pods are."""
        resources = _resources(subject, observed)
        uid = subject.owner.uid
        if subject.instance.spec.api.route is RouteKind.HTTP_ROUTE and subject.platform.ingress.gateway is None:
            message = (
                "spec.api.route is HTTPRoute, but the platform document names no Gateway. "
                "Set ingress.gateway there, or spec.api.route to Ingress."
            )
            return Assessment(PartState.BROKEN, "NoGateway", message, resources=resources, terminal=True)
        rights = standing(None, subject.owner, subject.instance.spec.adoption)
        for kind, live in observed.items():
            if live and not _owned(live, uid) and (rights is Standing.REFUSED or _controlled(live)):
                message = (
                    f"{kind} {object_name(subject)} exists and belongs to somebody else. Delete it, give the instance "
                    "another name, or set spec.adoption to Adopt to take over one that nobody controls."
                )
                return Assessment(PartState.BROKEN, "NotOwned", message, resources=resources, terminal=True)
        # The service account's association must be there before pods are: it is read when a pod is admitted.
        needs = [(CLIENT_ID, "signIn"), (ROLE_ARN, "access")]
        guardrail = None
        if subject.instance.spec.models.guardrail:
            # No prompt goes out unguarded: pods wait for the version that holds what the spec asks for.
            needs.append((GUARDRAIL_VERSION, "guardrail"))
            version = outputs.get(GUARDRAIL_VERSION, KNOWN_AFTER_APPLY)
            guardrail = (guardrail_id(subject, outputs) or KNOWN_AFTER_APPLY, version)
        missing = [part for key, part in needs if key not in outputs]
        waits_for = ", ".join(missing) or None
        tables = {role: table_name(subject, role) for role in roles(subject)}
        environment = configuration(subject, outputs.get(CLIENT_ID, KNOWN_AFTER_APPLY), tables, guardrail)
        running = (observed["Deployment"] or {}).get("spec", {}).get("replicas")
        certificate = outputs.get(CERTIFICATE_ARN, _attached_certificate(observed))
        wanted = manifests(subject, environment, running, certificate or None)
        taken = NAME_TAKEN in outputs
        if taken:
            # Instances share a load balancer: beside the name's owner this one would be sent the owner's requests.
            wanted = tuple(manifest for manifest in wanted if manifest["kind"] not in _WAYS_IN)
            # One that asks for the instance's former name harms nobody.
            former = [kind for kind in _WAYS_IN if _serves_another(subject, observed[kind] or {})]
            observed = observed | dict.fromkeys(former)
        changes = tuple(
            change
            for manifest in wanted
            if (change := self._change(manifest, observed[manifest["kind"]], uid, waits_for))
        )
        kinds = {manifest["kind"] for manifest in wanted}
        changes += tuple(
            self._removal(subject, kind, live)
            for kind, live in observed.items()
            if live and kind not in kinds and _owned(live, uid) and not _going(live)
        )
        if changes and missing:
            message = f"Waits for {waits_for}."
            return Assessment(PartState.PROGRESSING, "Waiting", message, changes, resources, waits_for_others=True)
        if changes:
            message = "Kubernetes objects are being applied."
            return Assessment(PartState.PROGRESSING, "Updating", message, changes, resources)
        found = _rollout(observed["Deployment"] or {}, replicas(subject, running), resources)
        if not taken:
            return found
        whose = f"Nothing leads to them: {subject.instance.api_hostname} belongs to {outputs[NAME_TAKEN]}."
        return replace(found, message=f"{found.message} {whose}")

    def _change(
        self, manifest: dict[str, Any], live: dict[str, Any] | None, uid: str, waits_for: str | None
    ) -> Change | None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        step = KubernetesApply(manifest)
        if live is None:
            content = {key: value for key, value in manifest.items() if key in ("spec", "data")}
            return Change(self.name, Action.CREATE, kind, name, (step,), appearing(content), waits_for=waits_for)
        changed = tuple(deviations(manifest, live))
        if not changed:
            return None
        action = Action.UPDATE if _owned(live, uid) else Action.ADOPT
        return Change(self.name, action, kind, name, (step,), changed, waits_for=waits_for)

    def delete(self, subject: Subject, observed: ObservedObjects) -> tuple[Change, ...] | None:
        """Delete the instance's own objects; gone means that its pods are gone too."""
        going = False
        changes: list[Change] = []
        for kind in _DELETION_ORDER:
            live = observed[kind]
            if live is None or not _owned(live, subject.owner.uid):
                continue
            metadata = live["metadata"]
            if "deletionTimestamp" in metadata:
                going = True
                continue
            changes.append(self._removal(subject, kind, live))
        return None if going and not changes else tuple(changes)

    def _removal(self, subject: Subject, kind: str, live: dict[str, Any]) -> Change:
        key = ObjectKey(kind, subject.owner.namespace, object_name(subject))
        return Change(self.name, Action.DELETE, kind, key.name, (KubernetesDelete(key, live["metadata"]["uid"]),))


def _guardrail_in_use(observed: ObservedObjects) -> dict[str, str]:
    """Return the guardrail's version of the ConfigMap, if all pods were started with just that ConfigMap."""
    deployment, settings = observed["Deployment"], (observed["ConfigMap"] or {}).get("data", {})
    version = settings.get(Environment.GUARDRAIL_VERSION.value)
    if not version or deployment is None:
        return {}
    spec = deployment["spec"]
    template = spec.get("template", {}).get("metadata", {}).get("annotations", {})
    same = template.get(CONFIGURATION_ANNOTATION) == digest(settings)
    rolled = _rollout(deployment, spec.get("replicas", 1), ()).state is PartState.READY
    return {GUARDRAIL_VERSION_IN_USE: version} if same and rolled else {}


def _serves_another(subject: Subject, live: dict[str, Any]) -> bool:
    """Whether a way in asks for another host name than the instance's."""
    spec = live.get("spec", {})
    hosts = [*spec.get("hostnames", ()), *(item.get("host") for item in spec.get("rules", ()))]
    return subject.instance.api_hostname not in hosts


def _attached_certificate(observed: ObservedObjects) -> str:
    """Return which certificate the live Ingress asks its load balancer to show; empty when it names none."""
    metadata = (observed["Ingress"] or {}).get("metadata", {})
    return str((metadata.get("annotations") or {}).get(CERTIFICATE_ANNOTATION, ""))


def _owned(live: dict[str, Any], uid: str) -> bool:
    return any(reference["uid"] == uid for reference in live["metadata"].get("ownerReferences", []))


def _controlled(live: dict[str, Any]) -> bool:
    return any(reference.get("controller") for reference in live["metadata"].get("ownerReferences", []))


def deviations(wanted: Any, live: Any, path: str = "") -> Iterator[Difference]:
    """Yield where `live` does not say what `wanted` says; fields that `wanted` leaves out are others' business.

    Lists of named things (containers, ports, volumes) are compared by name, other lists by place. Amounts are
    compared as amounts, because the API server writes them its own way (`1000m` comes back as `1`).
    """
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            where = f"{path}.{key}".lstrip(".")
            if key in live:
                yield from deviations(value, live[key], where)
            elif value not in (None, {}, []):
                yield Difference(where, None, value)
        return
    if isinstance(wanted, list) and isinstance(live, list):
        yield from _list_deviations(wanted, live, path)
        return
    if wanted != live and not _same_amount(wanted, live):
        yield Difference(path, live, wanted)


def _list_deviations(wanted: list[Any], live: list[Any], path: str) -> Iterator[Difference]:
    named = all(isinstance(item, dict) and "name" in item for item in (*wanted, *live))
    if path.endswith("ownerReferences"):
        uids = {reference["uid"] for reference in live}
        if any(reference["uid"] not in uids for reference in wanted):
            yield Difference(path, live, wanted)
    elif named:
        by_name = {item["name"]: item for item in live}
        for item in wanted:
            where = f"{path}[{item['name']}]"
            if item["name"] in by_name:
                yield from deviations(item, by_name[item["name"]], where)
            else:
                yield Difference(where, None, item)
    elif len(wanted) != len(live):
        yield Difference(path, live, wanted)
    else:
        for index, (item, other) in enumerate(zip(wanted, live, strict=True)):
            yield from deviations(item, other, f"{path}[{index}]")


def _same_amount(wanted: Any, live: Any) -> bool:
    try:
        return bool(parse_quantity(wanted) == parse_quantity(live))
    except (ValueError, TypeError):
        return False


def _rollout(deployment: dict[str, Any], wanted: int, resources: tuple[ResourceStatus, ...]) -> Assessment:
    """Say how the Deployment's pods are, by the rules of `kubectl rollout status`."""
    status = deployment.get("status", {})
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    stuck = conditions.get("Progressing", {})
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") == "True":
        message = f"Pods can't be created: {failure.get('message', '')}"
        return Assessment(PartState.BROKEN, "ReplicaFailure", message, resources=resources)
    if status.get("observedGeneration", 0) < deployment.get("metadata", {}).get("generation", 0):
        return progressing("RollingOut", "Kubernetes has not looked at the Deployment yet.", resources)
    total, updated, available = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    if updated >= wanted and available >= wanted and total == wanted:
        if wanted == 0:
            message = "Hibernating: no pods run; data, sign-in and names are kept."
            return Assessment(PartState.READY, "Asleep", message, resources=resources)
        return Assessment(PartState.READY, "Available", f"{available} of {wanted} pods are ready.", resources=resources)
    if stuck.get("status") == "False":
        message = (
            f"{available} of {wanted} pods are ready and none made progress: {stuck.get('message', '')} "
            f"See the events of the pods with `kubectl describe pods -l app.kubernetes.io/name=recall-api`."
        )
        return Assessment(PartState.BROKEN, "RolloutStuck", message, resources=resources)
    message = f"{available} of {wanted} pods are ready, {updated} are of the newest configuration."
    return progressing("RollingOut", message, resources)


def _resources(subject: Subject, observed: ObservedObjects) -> tuple[ResourceStatus, ...]:
    return tuple(
        ResourceStatus(kind=kind, name=object_name(subject), state="Terminating" if _going(live) else "Present")
        for kind, live in sorted(observed.items())
        if live and _owned(live, subject.owner.uid)
    )


def _going(live: dict[str, Any]) -> bool:
    return "deletionTimestamp" in live["metadata"]
