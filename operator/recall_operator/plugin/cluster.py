"""The plugin's door to Kubernetes: the user's own kubeconfig and rights, one request at a time."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import urllib3
import yaml
from kubernetes import config
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigLoader, KubeConfigMerger
from pydantic import ValidationError

from recall_operator.aws.client import AwsCaller, is_write
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.client import ObjectKey, collection_path
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.platform import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_TIMEOUT_SECONDS: Final = (5.0, 30.0)
_MERGE_PATCH: Final = "application/merge-patch+json"
_PLATFORM_KEY: Final = "platform.yaml"
OPERATOR_LABELS: Final = "app.kubernetes.io/name=recall-operator"


class CommandError(Exception):
    """A command can't be carried out; the message names what, and the remedy."""


class Cluster:
    """One Kubernetes cluster, as the user of kubectl sees it."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """Read the kubeconfig as kubectl does.

        Raises:
            CommandError: there is none, or it has no such context.
        """
        place = str(kubeconfig) if kubeconfig else None
        try:
            self._client = config.new_client_from_config(config_file=place, context=context)
            # Not `list_kube_config_contexts`: it wants a current context even when another one is named.
            merged = KubeConfigMerger(place or KUBE_CONFIG_DEFAULT_LOCATION).config
            chosen = KubeConfigLoader(config_dict=merged, active_context=context).current_context["context"]
        except (config.ConfigException, OSError, yaml.YAMLError, TypeError, AttributeError) as error:
            # The last two are all that the library says of a file that is YAML, but no kubeconfig.
            raise CommandError(f"no cluster to talk to: {error}. Set KUBECONFIG, --kubeconfig or --context.") from error
        self.namespace: str = chosen.get("namespace") or "default"

    def request(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> bytes:
        """Make one request and return the answer's body.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        headers = {"Accept": "application/json, */*", "Content-Type": content_type}
        parameters = self._client.param_serialize(
            verb,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*parameters, _request_timeout=_TIMEOUT_SECONDS)
            status, text = response.status, response.read()
        except urllib3.exceptions.HTTPError as error:
            raise ApiServerError(0, "NoAnswer", f"{verb} {path}: {error}") from error
        if status >= 400:
            answer = json.loads(text) if text.startswith(b"{") else {}
            raise ApiServerError(status, answer.get("reason", ""), answer.get("message") or f"{verb} {path}: {status}")
        return bytes(text)

    def _json(self, verb: str, path: str, **rest: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.request(verb, path, **rest))
        return answer

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        try:
            return self._json("GET", key.path())
        except ApiServerError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return all objects under `path`, read in pages.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        found: list[dict[str, Any]] = []
        following = ""
        while True:
            page = self._json("GET", path, query={**(query or {}), "limit": "500", "continue": following})
            found += page["items"]
            following = page["metadata"].get("continue", "")
            if not following:
                return found

    def instances(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the instances of one namespace, or of all."""
        return self.items(collection_path(KIND, namespace))

    def instance(self, namespace: str, name: str) -> dict[str, Any]:
        """Return one instance.

        Raises:
            CommandError: there is none of that name.
        """
        found = self.get(ObjectKey(KIND, namespace, name))
        if found is None:
            raise CommandError(f"RecallInstance {name} is not in namespace {namespace}; name another with --namespace.")
        return found

    def backups(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the RecallBackups of one namespace, or of all; none where their kind is not installed."""
        try:
            return self.items(collection_path(BACKUP_KIND, namespace))
        except ApiServerError as error:
            if error.status == 404:
                return []
            raise

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object and return it as it is stored.

        Raises:
            ApiServerError: the API server refused it, or did not answer.
        """
        query = {"fieldValidation": "Strict", "fieldManager": "kubectl-recall"}
        path = collection_path(manifest["kind"], manifest["metadata"]["namespace"])
        return self._json("POST", path, query=query, body=manifest)

    def patch(self, key: ObjectKey, change: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `change` into an object and return it as it is then."""
        query = {"fieldManager": "kubectl-recall"}
        return self._json("PATCH", key.path(), query=query, body=change, content_type=_MERGE_PATCH)

    def dry_run(self, manifest: Mapping[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
        """Let the API server check `manifest` in place of `live`, with defaults and rules, and store nothing."""
        metadata = manifest["metadata"]
        query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "kubectl-recall"}
        if live is None:
            path = collection_path(KIND, metadata["namespace"])
            return self._json("POST", path, query=query, body=manifest)
        kept = {
            name: live["metadata"][name]
            for name in ("uid", "resourceVersion", "finalizers")
            if name in live["metadata"]
        }
        body = {**manifest, "metadata": {**metadata, **kept}}
        path = ObjectKey(KIND, metadata["namespace"], metadata["name"]).path()
        return self._json("PUT", path, query=query, body=body)

    def platform(self, operator_namespace: str) -> Platform:
        """Return the platform document that the operator was given.

        Raises:
            CommandError: it can't be found or read.
        """
        path = f"/api/v1/namespaces/{operator_namespace}/configmaps"
        for item in self.items(path, {"labelSelector": OPERATOR_LABELS}):
            text = item.get("data", {}).get(_PLATFORM_KEY)
            if text:
                try:
                    return Platform.model_validate(yaml.safe_load(text))
                except ValidationError as error:
                    raise CommandError(f"the operator's platform document can't be read: {error}") from error
        raise CommandError(
            f"no platform document in namespace {operator_namespace}; name the operator's with --operator-namespace."
        )


class ReadOnlyKubernetes:
    """What planning needs of Kubernetes. It can't write: a plan that changes something is impossible, not forbidden."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none."""
        return await asyncio.to_thread(self._cluster.get, key)

    async def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield all objects of a kind; the plugin has no use for `labels`."""
        del labels
        for item in await asyncio.to_thread(self._cluster.items, collection_path(kind, namespace)):
            yield item

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Refuse."""
        raise CommandError(f"a plan does not apply {manifest['kind']} {subresource}")

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        """Refuse."""
        raise CommandError(f"a plan does not delete {key} ({uid}, {version})")


class ReadOnlyAws:
    """AWS without its writes."""

    def __init__(self, aws: AwsCaller) -> None:
        self._aws = aws

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one reading operation.

        Raises:
            CommandError: it would write.
        """
        if is_write(operation):
            raise CommandError(f"a plan does not call {service} {operation}")
        return await self._aws.call(service, operation, **parameters)

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """Call a paged operation to its end and return all items under `key`."""
        return await self._aws.pages(service, operation, key, **parameters)
