"""The API's Kubernetes objects, as pure functions of the instance: what they are, not how they get there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_api.contract import Environment
from recall_operator.kubernetes.client import KINDS
from recall_operator.models.api_spec import RouteKind
from recall_operator.models.base import GROUP
from recall_operator.models.spec import DnsMode
from recall_operator.ownership import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER

if TYPE_CHECKING:
    from recall_operator.models.api_spec import Autoscaling, NetworkPolicy
    from recall_operator.platform import GatewayFacts
    from recall_operator.resources.part import Subject

HASH_ANNOTATION: Final = f"{GROUP}/applied-hash"
"""Digest of the manifest as it was applied: tells that a field is no longer wanted, which a comparison can't."""
CONFIGURATION_ANNOTATION: Final = f"{GROUP}/configuration-hash"
"""Digest of the ConfigMap on the pods: a change of configuration rolls them."""

EXTERNAL_DNS_ANNOTATION: Final = "external-dns.alpha.kubernetes.io/hostname"
"""Source: external-dns, docs/annotations."""

CERTIFICATE_ANNOTATION: Final = "alb.ingress.kubernetes.io/certificate-arn"
"""Source: AWS Load Balancer Controller, Ingress annotations; EKS User Guide, Create an IngressClass to configure an
Application Load Balancer, lists what Auto Mode does not support, and this is not among it."""
ATTACHED_CERTIFICATE: Final = "workload.attachedCertificate"
"""Output: what the live Ingress asks its load balancer to show; empty when that is the platform's certificate."""

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


def digest(value: Any) -> str:
    """Return what tells this part of a manifest from others."""
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
    manifest["metadata"]["annotations"][HASH_ANNOTATION] = digest(manifest)
    return manifest


def configuration(
    subject: Subject, client_id: str, tables: dict[str, str], guardrail: tuple[str, str] | None = None
) -> dict[str, str]:
    """Return the API's environment.

    Args:
        subject: the instance.
        client_id: id of its app client.
        tables: name of the table of each role.
        guardrail: id and version; None for none.
    """
    spec, platform = subject.instance.spec, subject.platform
    guardrail_id, guardrail_version = guardrail or ("", "")
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
        Environment.GUARDRAIL_ID.value: guardrail_id,
        Environment.GUARDRAIL_VERSION.value: guardrail_version,
        "AWS_REGION": platform.aws.region,
        **platform.aws.endpoint_urls,
        **_chosen(subject),
        **_user_keys(subject, tables),
    }


def _user_keys(subject: Subject, tables: dict[str, str]) -> dict[str, str]:
    keys = subject.instance.spec.encryption.per_user_keys
    if keys is None:
        return {}
    return {Environment.KEYS_TABLE.value: tables["keys"], Environment.USER_KEYS_KMS_KEY.value: keys.kms_key_arn}


def _chosen(subject: Subject) -> dict[str, str]:
    """Return what is set only where somebody asked for it; else the API's own defaults hold."""
    budgets = subject.instance.spec.models.budgets
    found = {
        Environment.FREE_BUDGET.value: budgets.free,
        Environment.PREMIUM_BUDGET.value: budgets.premium,
        Environment.TRACES_ENDPOINT.value: subject.platform.workload.traces_endpoint,
        Environment.BEDROCK_REGION.value: subject.platform.aws.elsewhere.get("bedrock"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def replicas(subject: Subject, running: int | None = None) -> int:
    """Return how many pods there should be now.

    Args:
        subject: the instance.
        running: how many the live Deployment asks for: with autoscaling the autoscaler's choice, which is kept.
    """
    spec = subject.instance.spec.api
    if subject.asleep:
        return 0
    if spec.autoscaling is None:
        return spec.replicas
    return max(spec.autoscaling.min_replicas, min(running or 0, spec.autoscaling.max_replicas))


def image(subject: Subject) -> str:
    """Return the image of the API."""
    return subject.instance.spec.api.image or subject.platform.workload.image


def manifests(
    subject: Subject, environment: dict[str, str], running: int | None = None, certificate: str | None = None
) -> tuple[dict[str, Any], ...]:
    """Return all objects, in the order in which they are applied.

    Args:
        subject: the instance.
        environment: of the pods.
        running: as for `replicas`.
        certificate: ARN of the certificate that the load balancer is to show; None means the platform's.
    """
    return (
        _object(subject, "ServiceAccount", {"automountServiceAccountToken": False}),
        _object(subject, "ConfigMap", {"data": environment}),
        _object(subject, "Service", {"spec": _service(subject)}),
        _deployment_object(subject, environment, running),
        _object(subject, "PodDisruptionBudget", {"spec": _disruption_budget(subject)}),
        *routes_and_limits(subject, certificate),
    )


def _deployment_object(subject: Subject, environment: dict[str, str], running: int | None) -> dict[str, Any]:
    spec = _deployment(subject, environment)
    if subject.instance.spec.api.autoscaling is None or subject.asleep:
        return _object(subject, "Deployment", {"spec": spec})
    # The number is the autoscaler's. Left out, server-side apply would reset it to one; in the digest, each of the
    # autoscaler's steps would look like a change.
    manifest = _object(subject, "Deployment", {"spec": {k: v for k, v in spec.items() if k != "replicas"}})
    manifest["spec"]["replicas"] = replicas(subject, running)
    return manifest


def routes_and_limits(subject: Subject, certificate: str | None = None) -> list[dict[str, Any]]:
    """Return the objects that a spec chooses: the way in, the autoscaler, the wall around the pods."""
    api = subject.instance.spec.api
    external = subject.instance.spec.dns.mode is DnsMode.EXTERNAL_DNS
    names = {EXTERNAL_DNS_ANNOTATION: subject.instance.api_hostname} if external else {}
    found = []
    if api.route is RouteKind.INGRESS:
        shown = {CERTIFICATE_ANNOTATION: certificate} if certificate else {}
        annotations = {**subject.platform.ingress.annotations, **names, **shown}
        found.append(_object(subject, "Ingress", {"spec": _ingress(subject)}, annotations))
    elif subject.platform.ingress.gateway:
        found.append(
            _object(subject, "HTTPRoute", {"spec": _http_route(subject, subject.platform.ingress.gateway)}, names)
        )
    if api.autoscaling:
        found.append(_object(subject, "HorizontalPodAutoscaler", {"spec": _autoscaler(subject, api.autoscaling)}))
    if api.network_policy:
        found.append(_object(subject, "NetworkPolicy", {"spec": _network_policy(subject, api.network_policy)}))
    return found


def _http_route(subject: Subject, gateway: GatewayFacts) -> dict[str, Any]:
    return {
        "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
        "hostnames": [subject.instance.api_hostname],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": object_name(subject), "port": 80}],
            }
        ],
    }


def _autoscaler(subject: Subject, wanted: Autoscaling) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": wanted.target_cpu}
    return {
        "scaleTargetRef": {"apiVersion": KINDS["Deployment"][0], "kind": "Deployment", "name": object_name(subject)},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }


def _network_policy(subject: Subject, wanted: NetworkPolicy) -> dict[str, Any]:
    doors = [
        {
            "from": [{"ipBlock": {"cidr": cidr}} for cidr in sorted(wanted.allowed_cidrs)],
            "ports": [{"protocol": "TCP", "port": contract.API_PORT}],
        }
    ]
    if wanted.metrics_namespaces:
        names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(wanted.metrics_namespaces)}
        readers = [{"namespaceSelector": {"matchExpressions": [names]}}]
        doors.append({"from": readers, "ports": [{"protocol": "TCP", "port": contract.METRICS_PORT}]})
    return {"podSelector": {"matchLabels": _selector(subject)}, "policyTypes": ["Ingress"], "ingress": doors}


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
                "annotations": {CONFIGURATION_ANNOTATION: digest(environment)},
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
