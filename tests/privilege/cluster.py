"""A real API server with the chart's own rules, the operator bound to them, and whatever a life there needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.bench.operator.control_plane import ControlPlane, free_port, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recall_operator.platform import Platform

NAMESPACE: Final = "recall-system"
ACCOUNT: Final = "recall-operator"
USER: Final = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
WAIT_SECONDS: Final = 90.0
INSTANCES: Final = "/apis/recall.kug.la/v1beta1/namespaces/default/recallinstances"
LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/recall-operator"
BACKUPS: Final = "/apis/recall.kug.la/v1beta1/namespaces/default/recallbackups"

_GATEWAY_ROUTES: Final = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, as a rule grants it and as a request needs it."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


def rendered(facts: Platform, folder: Path) -> list[dict[str, Any]]:
    """Return the chart's service account, roles and bindings, as Helm renders them."""
    found = programs()
    assert found is not None
    values = folder / "values.json"
    values.write_text(json.dumps({"platform": facts.model_dump(mode="json", by_alias=True, exclude_none=True)}))
    command = [str(found / "helm"), "template", "recall-operator", "deploy/chart", f"--namespace={NAMESPACE}"]
    text = subprocess.run([*command, f"--values={values}"], check=True, capture_output=True, text=True).stdout
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    return [item for item in yaml.safe_load_all(text) if item and item["kind"] in kinds]


def rights_of(role: dict[str, Any]) -> list[Right]:
    """Return each verb that a role grants."""
    return [
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: dict[str, Any], right: Right) -> dict[str, Any]:
    """Return a role without one verb on one resource."""
    rules: list[dict[str, Any]] = []
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                verbs = [verb for verb in rule["verbs"] if Right(group, resource, verb) != right]
                if verbs:
                    rules.append({**rule, "apiGroups": [group], "resources": [resource], "verbs": verbs})
    return {**role, "rules": rules}


@dataclass(frozen=True)
class Asked:
    """One request of the operator, from the API server's audit log."""

    right: Right
    namespace: str
    name: str
    status: int


@dataclass
class Cluster:
    """The API server, what stands in for nodes and load balancers, and the operator's process."""

    folder: Path
    facts: Platform
    control: ControlPlane = field(init=False)
    roles: list[dict[str, Any]] = field(init=False)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _operator: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything but the operator."""
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [USER]}, {"level": "None"}],
        }
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(policy))
        self.control = ControlPlane(
            self.folder,
            arguments=(
                f"--audit-policy-file={self.folder / 'audit.yaml'}",
                f"--audit-log-path={self.control_audit}",
                # The operator's owner references must pass where an owner's deletion may be blocked by them.
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            ),
        )
        self.control.start()
        (self.folder / "routes.yaml").write_text(yaml.safe_dump(_GATEWAY_ROUTES))
        self.control.apply_definition(self.folder / "routes.yaml")
        self.put("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        documents = rendered(self.facts, self.folder)
        for document in documents:
            self.put(collection(document), document)
        self.roles = [item for item in documents if item["kind"] in ("Role", "ClusterRole")]
        found = programs()
        assert found is not None
        admin = self.control.kubeconfig
        self._spawn(
            str(found / "kube-controller-manager"),
            f"--kubeconfig={admin}",
            "--controllers=garbage-collector-controller",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        )
        self._spawn(sys.executable, "-m", "tests.bench.operator.availability", str(admin))
        (self.folder / "platform.yaml").write_text(
            yaml.safe_dump(self.facts.model_dump(mode="json", by_alias=True, exclude_none=True))
        )

    @property
    def control_audit(self) -> Path:
        """Path of the audit log."""
        return self.folder / "audit.log"

    @property
    def logged(self) -> int:
        """Size of the audit log, in bytes."""
        return self.control_audit.stat().st_size

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make an object as administrator."""
        status, answer = self.control.request("POST", path, body)
        assert status in (200, 201), answer
        return dict(answer)

    def patch(self, path: str, body: dict[str, Any]) -> None:
        """Change an object as administrator (a merge patch)."""
        status, answer = self.control.request("PATCH", path, body)
        assert status == 200, answer

    def get(self, path: str) -> dict[str, Any] | None:
        """Return an object; None when there is none."""
        status, answer = self.control.request("GET", path)
        return dict(answer) if status == 200 else None

    def enforce(self, role: dict[str, Any]) -> None:
        """Replace the rules of a role."""
        path = f"{collection(role)}/{role['metadata']['name']}"
        status, answer = self.control.request("PUT", path, role)
        assert status == 200, answer

    def abandon(self, name: str) -> None:
        """Take an instance and its backup away, whatever the operator may still have to do with them."""
        for path in (f"{INSTANCES}/{name}", f"{BACKUPS}/{name}"):
            self.control.request("PATCH", path, {"metadata": {"finalizers": None}})
            self.control.request("DELETE", path)

    def hold_lease(self) -> None:
        """Let another replica lead."""
        self.control.request("DELETE", LEASE)
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "recall-operator"},
            "spec": {"holderIdentity": "operator-0", "leaseDurationSeconds": 15},
        }
        self.put(LEASE.rpartition("/")[0], lease)

    def start_operator(self) -> None:
        """Start the operator as the service account."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self.put(path, asked)["status"]["token"]
        settings = json.loads(self.control.kubeconfig.read_text())
        settings["users"][0]["user"] = {"token": token}
        kubeconfig = self.folder / "operator.kubeconfig"
        kubeconfig.write_text(json.dumps(settings))
        environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": "operator-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [sys.executable, "-m", "recall_operator.main", f"--platform={self.folder / 'platform.yaml'}"]
        command += [f"--lease-namespace={NAMESPACE}", f"--port={free_port()}"]
        self._operator = self._spawn(*command, environment=environment)

    def stop_operator(self) -> None:
        """Stop the operator in order."""
        if self._operator:
            self._operator.terminate()
            self._operator.wait(30)
            self._operator = None

    def _spawn(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        name = next(word for word in reversed(command) if not word.startswith("-")).rpartition("/")[2]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def asked(self, since: int = 0) -> Iterator[Asked]:
        """Return what the operator asked the API server for, from a size of the audit log (`logged`) on."""
        with self.control_audit.open("rb") as log:
            log.seek(since)
            lines = log.read().splitlines()
        for line in lines:
            event = json.loads(line) if line.endswith(b"}") else {}  # The last one may be on its way.
            reference = event.get("objectRef")
            if not reference or event["user"]["username"] != USER:
                continue
            resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
            right = Right(reference.get("apiGroup", ""), resource, event["verb"])
            status = event.get("responseStatus", {}).get("code", 0)
            place = reference.get("namespace", ""), reference.get("name", "")
            yield Asked(right, *place, status)
            if event["verb"] == "patch" and status == 201:
                # A server-side apply that makes an object asks for this too.
                yield Asked(Right(right.group, right.resource, "create"), *place, status)

    def may(self, asked: Asked) -> bool:
        """Whether the API server would allow the operator a request under the rules of now."""
        resource, _, subresource = asked.right.resource.partition("/")
        attributes = {
            "group": asked.right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": asked.right.verb,
            "namespace": asked.namespace,
            "name": asked.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": USER, "resourceAttributes": attributes},
        }
        return bool(self.put("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"])

    def wait(self, done: Callable[[], Any], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-3000:] for path in self.folder.glob("recall_operator.main.log"))
                raise AssertionError(f"{what} never came\n{logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop everything."""
        for process in self._processes:
            process.kill()
            process.wait()
        self.control.stop()


def collection(document: dict[str, Any]) -> str:
    """Return the path to which a document of the chart is posted."""
    api, kind = document["apiVersion"], document["kind"]
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    namespace = document["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{kind.lower()}s" if namespace else f"{root}/{kind.lower()}s"


def ready(found: dict[str, Any] | None) -> bool:
    """Whether an object of Recall's is Ready for the spec of now."""
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(
        item["type"] == "Ready"
        and item["status"] == "True"
        and item["observedGeneration"] == (found or {})["metadata"]["generation"]
        for item in conditions
    )


def life(cluster: Cluster, name: str, *, enough: Callable[[], bool] = lambda: False) -> None:
    """Live all that touches Kubernetes: each kind made, changed, deleted; a backup; an expiry. Or until enough."""
    instance, backup = f"{INSTANCES}/{name}", f"{BACKUPS}/{name}"
    choices = {"autoscaling": {"maxReplicas": 3}, "networkPolicy": {"allowedCidrs": ["10.0.0.0/8"]}}

    def until(done: Callable[[], Any], what: str) -> None:
        cluster.wait(lambda: enough() or done(), what)

    def made(path: str, kind: str, spec: dict[str, Any]) -> None:
        api = "recall.kug.la/v1beta1"
        cluster.put(path, {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec})

    made(INSTANCES, "RecallInstance", {"hostname": f"{name}.example.org", "api": choices})
    until(lambda: ready(cluster.get(instance)), "a Ready instance")
    made(BACKUPS, "RecallBackup", {"instanceName": name, "deletionPolicy": "Delete"})
    until(lambda: ready(cluster.get(backup)), "a Ready backup")
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/{name}-api"
    cluster.patch(instance, {"spec": {"api": {"autoscaling": None, "networkPolicy": None, "route": "HTTPRoute"}}})
    until(lambda: ready(cluster.get(instance)) and cluster.get(routes), "the route")
    cluster.patch(instance, {"spec": {"api": {"route": "Ingress"}}})
    until(lambda: ready(cluster.get(instance)) and not cluster.get(routes), "the end of the route")
    cluster.control.request("DELETE", backup)
    until(lambda: cluster.get(backup) is None, "the end of the backup")
    cluster.patch(instance, {"spec": {"expiresAfter": "10s"}})
    until(lambda: cluster.get(instance) is None, "the end of the instance")
