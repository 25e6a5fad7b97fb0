"""The one door to Kubernetes: get, list, server-side apply and delete, on threads of their own, with timeouts."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
import urllib3
from kubernetes import client, config
from kubernetes.watch.watch import iter_resp_lines

from recall_operator.errors import ApiServerError
from recall_operator.models.backup import BACKUP_KIND, BACKUP_PLURAL
from recall_operator.models.base import API_VERSION, KIND, PLURAL
from recall_operator.requests.late_writes import CONNECT_SECONDS, READ_SECONDS
from recall_operator.requests.write_gate import WriteGate
from recall_operator.telemetry.metrics import KUBERNETES_REQUESTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

_log = structlog.get_logger(__name__)

FIELD_MANAGER: Final = "recall-operator"
_THREADS: Final = 16
PAGE: Final = "250"
"""Objects on one page of a list: ten megabytes of parsed objects at a time, four requests for a thousand."""
_APPLY: Final = "application/apply-patch+yaml"

KINDS: Final[dict[str, tuple[str, str]]] = {
    KIND: (API_VERSION, PLURAL),
    BACKUP_KIND: (API_VERSION, BACKUP_PLURAL),
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

    def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield all objects of a kind that bear `labels` (a selector)."""
        ...

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Apply a manifest and return the object as it is then."""
        ...

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        """Delete one object if it is still the one with this uid and, if that is given, in this version."""
        ...


class KubernetesApi:
    """The API server behind asyncio."""

    def __init__(self, *, threads: int = _THREADS, gate: WriteGate | None = None) -> None:
        """Connect as the pod's service account, or as the kubeconfig says when there is none.

        Args:
            threads: how many requests may be under way at a time.
            gate: what every write passes on the thread that sends it; open when there is none.

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
        self._gate = gate or WriteGate()
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

    async def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield all objects of a `kind` that bear `labels`, read in pages: no more than one page is in memory.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        wanted = [("limit", PAGE), *([("labelSelector", labels)] if labels else [])]
        query = wanted
        while True:
            page = await self._request("GET", collection_path(kind, namespace), kind, query=query)
            following = page["metadata"].get("continue")
            for item in page.pop("items"):
                # The API server says these once for the whole list.
                yield {"apiVersion": KINDS[kind][0], "kind": kind, **item}
            if not following:
                return
            query = [*wanted, ("continue", following)]

    async def watched(self, key: ObjectKey, version: str, seconds: int) -> AsyncGenerator[dict[str, Any], None]:
        """Yield one object as it is after each change that follows `version`, for `seconds` at most.

        The stream also ends when the object is deleted, or when `version` is too old to be followed. It holds one of
        the threads while it waits.

        Raises:
            ApiServerError: the API server refused, or said nothing for as long as any request may take.
        """
        path = collection_path(key.kind, key.namespace)
        query = [
            ("watch", "true"),
            ("fieldSelector", f"metadata.name={key.name}"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(seconds)),
        ]
        events = self._events(path, query)
        try:
            while event := await self._answered(path, next, events, None):
                if event["type"] not in ("ADDED", "MODIFIED"):
                    return
                yield event["object"]
        finally:
            # On its thread, behind a read that may be under way there.
            self._executor.submit(events.close)

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

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        """Delete one object and, before it goes, what it owns. One that is gone already is no error.

        What an instance owns is left to its finalizer: parts go in their order, as after `kubectl delete`.

        Raises:
            ApiServerError: the API server refused (409: another object has the name now, or a newer version), or did
                not answer.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background" if key.kind == KIND else "Foreground",
            "preconditions": {"uid": uid} | ({"resourceVersion": version} if version else {}),
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
        status = 0
        try:
            status, text = await self._answered(path, self._send, verb, path, query, body)
        finally:
            KUBERNETES_REQUESTS.labels(verb, kind, str(status)).inc()
            if verb != "GET" and kind not in _QUIET:
                _log.info("kubernetes write", verb=verb, path=path, status=status)
        answer: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {}
        if status >= 400:
            raise ApiServerError(status, answer.get("reason", ""), answer.get("message") or f"{verb} {path}: {status}")
        return answer

    async def _answered(self, path: str, ask: Callable[..., Any], *arguments: Any) -> Any:
        """Ask on a thread and return the answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, ask, *arguments)
        except urllib3.exceptions.HTTPError as error:
            raise ApiServerError(0, "NoAnswer", f"{path}: {error}") from error

    def _send(
        self, verb: str, path: str, query: list[tuple[str, str]] | None, body: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": _APPLY if verb == "PATCH" else "application/json"}
        with self._gate.write() if verb != "GET" else nullcontext():
            response = self._open(verb, path, query, headers, body)
            return response.status, response.read()

    def _events(self, path: str, query: list[tuple[str, str]]) -> Generator[dict[str, Any], None, None]:
        response = self._open("GET", path, query, {"Accept": "application/json"}, None)
        try:
            if response.status != 200:
                raise ApiServerError(response.status, response.reason or "", f"watch {path}: {response.status}")
            for line in iter_resp_lines(response.response):
                yield json.loads(line)
        finally:
            response.response.close()

    def _open(
        self,
        verb: str,
        path: str,
        query: list[tuple[str, str]] | None,
        headers: dict[str, str],
        body: dict[str, Any] | None,
    ) -> Any:
        """Send a request and return the answer before its body is read."""
        request = self._client.param_serialize(
            verb, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        return self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._executor.shutdown()
        self._client.close()
