"""A Kubernetes in memory that keeps the rules which the operator relies on, and an operator between it and AWS."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND, RecallBackupSpec
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.platform import Platform
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.part import Clients
from recall_operator.resources.workload_manifests import CERTIFICATE_ANNOTATION
from tests.unit.operator.fake_aws import ACCOUNT, POOL, ZONE, FakeAws, copied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def platform(**changes: Any) -> Platform:
    document: dict[str, Any] = {
        "cluster": {"name": "test"},
        "aws": {"accountId": ACCOUNT, "region": "eu-west-1", "endpointUrls": {"AWS_ENDPOINT_URL": "http://aws:4566"}},
        "dns": {"hostedZoneId": ZONE, "zoneName": "example.org"},
        "identity": {
            "userPoolId": POOL,
            "tokenIssuer": f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}",
            "jwksUrl": "https://keys.example.org/jwks.json",
            "signInUrl": "https://auth.example.org",
        },
        "web": {"distribution": {"dnsName": "d1.cloudfront.net", "hostedZoneId": "Z2FDTNDATAQYW2"}},
        "ingress": {"className": "alb", "loadBalancerZoneId": "Z32O12XQLNTSW2"},
        "workload": {"image": "registry.example.org/recall-api:1.2.3"},
    }
    return Platform.model_validate(document | changes)


class Crashed(BaseException):
    """The operator's process ended here."""


class FakeKubernetes:
    """Objects in memory; Deployments become available and Ingresses get a load balancer at once."""

    def __init__(self, first_id: int = 1) -> None:
        self.objects: dict[ObjectKey, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self.load_balancer = "lb.elb.amazonaws.com"
        self._ids = itertools.count(first_id)

    def put_instance(self, spec: dict[str, Any], name: str = "beta") -> ObjectKey:
        """Do what `kubectl apply` of an instance does; the API server fills in defaults."""
        key = ObjectKey(KIND, "default", name)
        full = RecallInstanceSpec.model_validate(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
        found = self.objects.get(key)
        if found is None:
            metadata = {"namespace": "default", "name": name, "uid": f"uid-{next(self._ids)}", "generation": 1}
            metadata["creationTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.objects[key] = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": full}
        elif found["spec"] != full:
            found["spec"] = full
            found["metadata"]["generation"] += 1
        return key

    def put_backup(self, name: str = "before", **spec: Any) -> ObjectKey:
        """Do what `kubectl apply` of a RecallBackup does."""
        key = ObjectKey(BACKUP_KIND, "default", name)
        full = RecallBackupSpec.model_validate({"instanceName": "beta"} | spec).model_dump(mode="json", by_alias=True)
        found = self.objects.get(key)
        if found is None:
            place = {"namespace": "default", "name": name, "uid": f"uid-{next(self._ids)}", "generation": 1}
            metadata = place | {"resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
            self.objects[key] = {"apiVersion": API_VERSION, "kind": BACKUP_KIND, "metadata": metadata, "spec": full}
        elif found["spec"] != full:
            found["spec"] = full
            found["metadata"]["generation"] += 1
        return key

    def delete_instance(self, key: ObjectKey) -> None:
        metadata = self.objects[key]["metadata"]
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        if not metadata.get("finalizers"):
            del self.objects[key]

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return copied(self.objects.get(key))

    async def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        for key, item in list(self.objects.items()):
            found = {f"{name}={value}" for name, value in item["metadata"].get("labels", {}).items()}
            if key.kind == kind and namespace in (None, key.namespace) and (not labels or labels in found):
                yield copied(item)

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        metadata = manifest["metadata"]
        key = ObjectKey(manifest["kind"], metadata["namespace"], metadata["name"])
        what = f"apply {key.kind} {subresource}".strip()
        self.before(what)
        self.writes.append(what)
        live = self.objects.get(key)
        if key.kind in (KIND, BACKUP_KIND):
            if live is None:
                # As the API server: a status needs its object, and the uid keeps the finalizer from making one.
                raise ApiServerError(404 if subresource else 409, "NotFound", f"{key.name} is gone")
            self._apply_instance(key, live, manifest, subresource)
        else:
            self._apply_child(key, live, copied(manifest))
        self.after(what)
        return copied(self.objects.get(key, {}))

    def _apply_instance(self, key: ObjectKey, live: dict[str, Any], manifest: dict[str, Any], subresource: str) -> None:
        if key.kind == BACKUP_KIND:
            version = live["metadata"]["resourceVersion"]
            if manifest["metadata"].get("resourceVersion", version) != version:
                raise ApiServerError(409, "Conflict", f"{key.name} has changed")
            live["metadata"]["resourceVersion"] = str(int(version) + 1)
        if subresource == "status":
            live["status"] = copied(manifest["status"])
            return
        if manifest["metadata"]["uid"] != live["metadata"]["uid"]:
            raise ApiServerError(409, "Conflict", f"{key.name} has another uid")
        live["metadata"]["finalizers"] = list(manifest["metadata"]["finalizers"])
        if "deletionTimestamp" in live["metadata"] and not live["metadata"]["finalizers"]:
            del self.objects[key]

    def _apply_child(self, key: ObjectKey, live: dict[str, Any] | None, manifest: dict[str, Any]) -> None:
        uid = live["metadata"]["uid"] if live else f"uid-{next(self._ids)}"
        generation = (live["metadata"]["generation"] if live else 0) + 1
        manifest["metadata"] |= {"uid": uid, "generation": generation}
        if key.kind == "Deployment":
            count = manifest["spec"]["replicas"]
            counts = {"replicas": count, "updatedReplicas": count, "availableReplicas": count}
            manifest["status"] = {"observedGeneration": generation, **counts}
        if key.kind == "Ingress":
            manifest["status"] = {"loadBalancer": {"ingress": [{"hostname": self.load_balancer}]}}
        self.objects[key] = manifest

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        await asyncio.sleep(0)
        self.before(f"delete {key.kind}")
        self.writes.append(f"delete {key.kind}")
        found = self.objects.get(key)
        if found and version and found["metadata"].get("resourceVersion") != version:
            raise ApiServerError(409, "Conflict", f"{key.name} has changed")
        if found and found["metadata"]["uid"] == uid:
            if key.kind == KIND:
                self.delete_instance(key)
            else:
                del self.objects[key]
        self.after(f"delete {key.kind}")

    def collect_garbage(self) -> None:
        """Remove objects whose owner is gone, as Kubernetes does some time later."""
        uids = {item["metadata"]["uid"] for item in self.objects.values()}
        for key, item in list(self.objects.items()):
            owners = item["metadata"].get("ownerReferences", [])
            if owners and not uids & {owner["uid"] for owner in owners}:
                del self.objects[key]

    def shown_certificates(self) -> set[str]:
        """Return the ARNs of the certificates that Ingresses ask their load balancers to show."""
        ingresses = [item for key, item in self.objects.items() if key.kind == "Ingress"]
        return {item["metadata"]["annotations"].get(CERTIFICATE_ANNOTATION, "") for item in ingresses} - {""}

    def condition(self, key: ObjectKey, kind: str = "Ready") -> dict[str, Any]:
        return next(item for item in self.objects[key]["status"]["conditions"] if item["type"] == kind)


class World:
    """An operator with its two doors in memory."""

    def __init__(self, **platform_changes: Any) -> None:
        self.aws = FakeAws()
        self.kubernetes = FakeKubernetes()
        self.platform = platform(**platform_changes)
        self.aws.shown = self.kubernetes.shown_certificates

    @property
    def clients(self) -> Clients:
        return Clients(self.aws, self.kubernetes)

    async def once(self, key: ObjectKey) -> Outcome:
        """Make one pass, by an operator that remembers nothing."""
        return await Reconciler(self.platform, self.clients).reconcile(f"{key.namespace}/{key.name}")

    async def settle(self, key: ObjectKey, passes: int = 25) -> Outcome:
        """Make passes until nothing is left to do."""
        for _ in range(passes):
            outcome = await self.once(key)
            if outcome in (Outcome.SETTLED, Outcome.GONE):
                return outcome
        raise AssertionError(f"not settled after {passes} passes: {self.kubernetes.objects.get(key, {}).get('status')}")

    def forget_writes(self) -> None:
        self.aws.calls.clear()
        self.kubernetes.writes.clear()

    @property
    def writes(self) -> list[str]:
        return [*self.aws.writes, *self.kubernetes.writes]
