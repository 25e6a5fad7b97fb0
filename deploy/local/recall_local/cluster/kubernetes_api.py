"""The few requests that starting a cluster takes, sent straight to its API server."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from recall_local.cluster.base import ClusterError

if TYPE_CHECKING:
    from recall_local.cluster.configuration import Layout


class KubernetesApi:
    """Requests as administrator, each over a connection of its own."""

    def __init__(self, layout: Layout) -> None:
        address = urlsplit(layout.server)
        self._host, self._port = str(address.hostname), address.port
        self._tls = ssl.create_default_context(cafile=layout.certificate("ca"))
        self._tls.load_cert_chain(layout.certificate("admin"), layout.key("admin"))

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request; return the status and the body, parsed when it is JSON.

        Raises:
            OSError: the API server is not there (yet).
        """
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=5)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        return answer.status, json.loads(content) if content.startswith("{") else content

    def ready(self) -> bool:
        """Return whether the API server has started completely."""
        return self.request("GET", "/readyz")[0] == 200

    def create(self, path: str, value: object) -> None:
        """Create an object, unless it is there.

        Raises:
            ClusterError: the API server refuses it.
        """
        status, answer = self.request("POST", path, value)
        if status not in {201, 409}:
            raise ClusterError(f"the API server refuses {value} with {status}: {answer}")

    def forget_node(self, node: str) -> None:
        """Delete what is recorded of `node`, which is switched off, and the pods that somebody would make anew.

        Their recorded states speak of the node before it stopped: "Ready" would be a lie until the kubelet tells news.
        """
        self.request("DELETE", f"/api/v1/nodes/{node}")
        _, pods = self.request("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
        for pod in pods["items"]:
            metadata = pod["metadata"]
            if metadata.get("ownerReferences"):
                path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
                self.request("DELETE", path, {"gracePeriodSeconds": 0})

    def node_ready(self, node: str) -> bool:
        """Return whether `node` takes pods: it says Ready and the scheduler need not avoid it."""
        status, value = self.request("GET", f"/api/v1/nodes/{node}")
        if status != 200:
            return False
        conditions = {condition["type"]: condition["status"] for condition in value["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not value["spec"].get("taints")
