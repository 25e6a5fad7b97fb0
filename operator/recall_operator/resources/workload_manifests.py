"""The API's Kubernetes objects, as pure functions of the instance: what they are, not how they get there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_api.contract import Environment
from recall_operator.kubernetes_api import KINDS
from recall_operator.models.base import GROUP

if TYPE_CHECKING:
    from recall_operator.resources.part import Subject

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "recall-operator"
INSTANCE_LABEL: Final = f"{GROUP}/instance"
HASH_ANNOTATION: Final = f"{GROUP}/applied-hash"
"""Digest of the manifest as it was applied: tells that a field is no longer wanted, which a comparison can't."""
CONFIGURATION_ANNOTATION: Final = f"{GROUP}/configuration-hash"
"""Digest of the ConfigMap on the pods: a change of configuration rolls them."""

_CONTAINER: Final = "api"
_HTTP: Final = "http"
_METRICS: Final = "metrics"
_AFTER_DRAIN_SECONDS: Final = 5
"""Time to end after the drain. The API itself still serves while load balancers stop sending: part of the drain."""


def object_name(subject: Subject) -> str:
    """Return the name of the API's Kubernetes objects, the service account's among them."""
    return f"{subject.owner.name}-api"


def labels(subject: Subject) -> dict[str, str]:
    """Return the labels of all objects."""
    return {
        "app.kubernetes.io/name": "recall-api",
        "app.kubernetes.io/part-of": "recall",
        MANAGED_BY_LABEL: MANAGER,
        INSTANCE_LABEL: subject.owner.name,
    }


def _selector(subject: Subject) -> dict[str, str]:
    """Return the labels that choose the pods; a Deployment's can never be changed."""
    return {"app.kubernetes.io/name": "recall-api", INSTANCE_LABEL: subject.owner.name}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _object(
    subject: Subject, kind: str, content: dict[str, Any], annotations: dict[str, str] | None = None
) -> dict[str, Any]:
    manifest = {
        "apiVersion": KINDS[kind][0],
        "kind": kind,
        "metadata": {
            "name": object_name(subject),
            "namespace": subject.owner.namespace,
            "labels": labels(subject),
            "annotations": dict(annotations or {}),
            "ownerReferences": [subject.instance.reference()],
        },
        **content,
    }
    manifest["metadata"]["annotations"][HASH_ANNOTATION] = _digest(manifest)
    return manifest


def configuration(subject: Subject, client_id: str, tables: dict[str, str]) -> dict[str, str]:
    """Return the API's environment.

    Args:
        subject: the instance.
        client_id: id of its app client.
        tables: name of the table of each role.
    """
    spec, platform = subject.instance.spec, subject.platform
    guardrail = spec.models.guardrail
    return {
        Environment.INSTANCE.value: subject.instance.key,
        Environment.HOSTNAME.value: spec.hostname,
        Environment.WEB_ORIGINS.value: platform.web.origin(spec.hostname),
        Environment.MEMORIES_TABLE.value: tables["memories"],
        Environment.USERS_TABLE.value: tables["users"],
        Environment.TOKEN_ISSUER.value: platform.identity.token_issuer,
        Environment.JWKS_URL.value: platform.identity.jwks_url,
        Environment.SIGN_IN_URL.value: platform.identity.sign_in_url,
        Environment.USER_POOL_ID.value: platform.identity.user_pool_id,
        Environment.CLIENT_ID.value: client_id,
        Environment.CHAT_MODELS.value: ",".join(spec.models.chat),
        Environment.EMBEDDING_MODEL.value: spec.models.embedding.model,
        Environment.EMBEDDING_DIMENSIONS.value: str(spec.models.embedding.dimensions),
        Environment.RESIDENCY.value: spec.models.residency.value,
        Environment.GUARDRAIL_ID.value: guardrail.id if guardrail else "",
        Environment.GUARDRAIL_VERSION.value: guardrail.version if guardrail else "",
        "AWS_REGION": platform.aws.region,
        **platform.aws.endpoint_urls,
    }


def replicas(subject: Subject) -> int:
    """Return how many pods there should be now."""
    return 0 if subject.asleep else subject.instance.spec.api.replicas


def image(subject: Subject) -> str:
    """Return the image of the API."""
    return subject.instance.spec.api.image or subject.platform.workload.image


def manifests(subject: Subject, environment: dict[str, str]) -> tuple[dict[str, Any], ...]:
    """Return all objects, in the order in which they are applied."""
    return (
        _object(subject, "ServiceAccount", {"automountServiceAccountToken": False}),
        _object(subject, "ConfigMap", {"data": environment}),
        _object(subject, "Service", {"spec": _service(subject)}),
        _object(subject, "Deployment", {"spec": _deployment(subject, environment)}),
        _object(subject, "PodDisruptionBudget", {"spec": _disruption_budget(subject)}),
        _object(subject, "Ingress", {"spec": _ingress(subject)}, subject.platform.ingress.annotations),
    )


def _service(subject: Subject) -> dict[str, Any]:
    return {
        "selector": _selector(subject),
        "ports": [{"name": _HTTP, "port": 80, "targetPort": _HTTP, "protocol": "TCP"}],
    }


def _disruption_budget(subject: Subject) -> dict[str, Any]:
    # A maximum, not a minimum: with one replica a minimum would block every drain of its node.
    return {"maxUnavailable": 1, "selector": {"matchLabels": _selector(subject)}}


def _ingress(subject: Subject) -> dict[str, Any]:
    backend = {"service": {"name": object_name(subject), "port": {"name": _HTTP}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "ingressClassName": subject.platform.ingress.class_name,
        "rules": [{"host": subject.instance.api_hostname, "http": {"paths": [path]}}],
    }


def _deployment(subject: Subject, environment: dict[str, str]) -> dict[str, Any]:
    return {
        "replicas": replicas(subject),
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": _selector(subject)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {
                "labels": labels(subject),
                "annotations": {CONFIGURATION_ANNOTATION: _digest(environment)},
            },
            "spec": {
                "serviceAccountName": object_name(subject),
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": contract.DRAIN_SECONDS + _AFTER_DRAIN_SECONDS,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": contract.USER_ID,
                    "runAsGroup": contract.USER_ID,
                    "fsGroup": contract.USER_ID,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": topology,
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": _selector(subject)},
                    }
                    for topology in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
                ],
                "containers": [_container(subject)],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            },
        },
    }


def _container(subject: Subject) -> dict[str, Any]:
    def probe(path: str, period: int, failures: int) -> dict[str, Any]:
        get = {"path": path, "port": _HTTP}
        return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 3}

    resources = subject.instance.spec.api.resources.model_dump(exclude_none=True)
    return {
        "name": _CONTAINER,
        "image": image(subject),
        "imagePullPolicy": "IfNotPresent",
        "envFrom": [{"configMapRef": {"name": object_name(subject)}}],
        "ports": [
            {"name": _HTTP, "containerPort": contract.API_PORT, "protocol": "TCP"},
            {"name": _METRICS, "containerPort": contract.METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": resources,
        "startupProbe": probe(contract.LIVENESS_PATH, 1, 60),
        "livenessProbe": probe(contract.LIVENESS_PATH, 10, 3),
        "readinessProbe": probe(contract.READINESS_PATH, 5, 2),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own empty folder
    }
