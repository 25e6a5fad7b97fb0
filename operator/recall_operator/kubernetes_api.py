"""The one door to Kubernetes: get, list, server-side apply and delete, on threads of their own, with timeouts."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
import urllib3
from kubernetes import client, config

from recall_operator.errors import ApiServerError
from recall_operator.metrics import KUBERNETES_REQUESTS
from recall_operator.models.base import API_VERSION, KIND, PLURAL

_log = structlog.get_logger(__name__)

FIELD_MANAGER: Final = "recall-operator"
_THREADS: Final = 16
_TIMEOUT_SECONDS: Final = (3.0, 10.0)
_APPLY: Final = "application/apply-patch+yaml"

KINDS: Final[dict[str, tuple[str, str]]] = {
    KIND: (API_VERSION, PLURAL),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "Deployment": ("apps/v1", "deployments"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Event": ("events.k8s.io/v1", "events"),
}
"""apiVersion and plural of every kind that the operator touches."""

_QUIET: Final = frozenset({"Lease", "Event"})
"""Written often, or beside a log line of its own."""


@dataclass(frozen=True)
class ObjectKey:
    """Where one object is."""

    kind: str
    namespace: str
    name: str

    def path(self, *, subresource: str = "") -> str:
        """Return the object's path on the API server."""
        return f"{collection_path(self.kind, self.namespace)}/{self.name}" + (f"/{subresource}" if subresource else "")


def collection_path(kind: str, namespace: str | None) -> str:
    """Return the path of all objects of a `kind`, in one namespace or in all."""
    api_version, plural = KINDS[kind]
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


class KubernetesCaller(Protocol):
    """What the operator needs of Kubernetes."""

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none."""
        ...

    async def list_all(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        ...

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Apply a manifest and return the object as it is then."""
        ...

    async def delete(self, key: ObjectKey, uid: str) -> None:
        """Delete one object if it is still the one with this uid."""
        ...


class KubernetesApi:
    """The API server behind asyncio."""

    def __init__(self, *, threads: int = _THREADS) -> None:
        """Connect as the pod's service account, or as the kubeconfig says when there is none.

        Args:
            threads: how many requests may be under way at a time.

        Raises:
            kubernetes.config.ConfigException: there is neither.
        """
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            config.load_kube_config(client_configuration=settings)
        settings.connection_pool_maxsize = threads
        self._client = client.ApiClient(settings)
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="kubernetes")

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        try:
            return await self._request("GET", key.path(), key.kind)
        except ApiServerError as error:
            if error.status == 404:
                return None
            raise

    async def list_all(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        """Return all objects of a `kind`, read in pages.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        items: list[dict[str, Any]] = []
        query = [("limit", "500")]
        while True:
            page = await self._request("GET", collection_path(kind, namespace), kind, query=query)
            items += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return items
            query = [("limit", "500"), ("continue", following)]

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Apply `manifest` server-side, taking its fields over from other managers; return the object as it is then.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        metadata = manifest["metadata"]
        key = ObjectKey(manifest["kind"], metadata["namespace"], metadata["name"])
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        path = key.path(subresource=subresource)
        return await self._request("PATCH", path, key.kind, query=query, body=manifest)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make an object that must not exist yet; return it as it is then.

        Raises:
            ApiServerError: the API server refused (409: it exists), or did not answer.
        """
        path = collection_path(manifest["kind"], manifest["metadata"]["namespace"])
        return await self._request("POST", path, manifest["kind"], body=manifest)

    async def delete(self, key: ObjectKey, uid: str) -> None:
        """Delete one object and, before it goes, what it owns. One that is gone already is no error.

        Raises:
            ApiServerError: the API server refused (as it does when another object has the name now), or did not answer.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid},
        }
        try:
            await self._request("DELETE", key.path(), key.kind, body=body)
        except ApiServerError as error:
            if error.status != 404:
                raise

    async def _request(
        self,
        verb: str,
        path: str,
        kind: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        status = 0
        try:
            status, text = await loop.run_in_executor(self._executor, self._send, verb, path, query, body)
        except urllib3.exceptions.HTTPError as error:
            raise ApiServerError(0, "NoAnswer", f"{verb} {path}: {error}") from error
        finally:
            KUBERNETES_REQUESTS.labels(verb, kind, str(status)).inc()
            if verb != "GET" and kind not in _QUIET:
                _log.info("kubernetes write", verb=verb, path=path, status=status)
        answer: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {}
        if status >= 400:
            raise ApiServerError(status, answer.get("reason", ""), answer.get("message") or f"{verb} {path}: {status}")
        return answer

    def _send(
        self, verb: str, path: str, query: list[tuple[str, str]] | None, body: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": _APPLY if verb == "PATCH" else "application/json"}
        request = self._client.param_serialize(
            verb, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = self._client.call_api(*request, _request_timeout=_TIMEOUT_SECONDS)
        return response.status, response.read()

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._executor.shutdown()
        self._client.close()
