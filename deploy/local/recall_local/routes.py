"""Which host name and path leads where, from the cluster's Ingresses, Services and EndpointSlices: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]


@dataclass(frozen=True)
class Backend:
    """A port of a Service."""

    namespace: str
    service: str
    port: str | int
    """Its name, or its number in the Service."""


@dataclass(frozen=True)
class Route:
    """One path of one host."""

    host: str
    path: str
    exact: bool
    backend: Backend

    def matches(self, path: str) -> bool:
        """Tell whether `path` is covered. Source: Kubernetes documentation, Ingress path types."""
        if self.exact:
            return path == self.path
        prefix = self.path.rstrip("/")
        return path == prefix or path.startswith(prefix + "/")


def routes(ingresses: Iterable[Object], class_name: str) -> list[Route]:
    """Return the routes of all Ingresses of a class, the longest path first, exact before prefix."""
    found = [
        Route(
            host=rule["host"],
            path=path.get("path") or "/",
            exact=path.get("pathType") == "Exact",
            backend=_backend(ingress["metadata"]["namespace"], path["backend"]["service"]),
        )
        for ingress in ingresses
        if ingress["spec"].get("ingressClassName") == class_name and "deletionTimestamp" not in ingress["metadata"]
        for rule in ingress["spec"].get("rules") or ()
        if rule.get("host")
        for path in (rule.get("http") or {}).get("paths") or ()
    ]
    return sorted(found, key=lambda route: (-len(route.path), not route.exact))


def choose(found: Iterable[Route], host: str, path: str) -> Route | None:
    """Return the first route that covers a request; host names are compared without regard to case."""
    return next((route for route in found if route.host == host.lower() and route.matches(path)), None)


def endpoints(
    backend: Backend, services: dict[tuple[str, str], Object], slices: Iterable[Object]
) -> list[tuple[str, int]]:
    """Return address and port of every ready endpoint of `backend`, in a stable order."""
    service = services.get((backend.namespace, backend.service))
    if service is None:
        return []
    ports = service["spec"].get("ports") or ()
    port = next((port for port in ports if backend.port in {port["port"], port.get("name")}), None)
    if port is None:
        return []
    name = port.get("name") or ""
    return sorted(
        (address, target["port"])
        for found in slices
        if found["metadata"]["namespace"] == backend.namespace
        and (found["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == backend.service
        for target in found.get("ports") or ()
        if (target.get("name") or "") == name
        for endpoint in found.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint["addresses"]
    )


def published(ingress: Object) -> str | None:
    """Return the load balancer's name that an Ingress shows."""
    shown = (ingress.get("status") or {}).get("loadBalancer", {}).get("ingress") or [{}]
    name: str | None = shown[0].get("hostname")
    return name


def _backend(namespace: str, service: Object) -> Backend:
    port = service["port"]
    return Backend(namespace, service["name"], port.get("name") or port["number"])
