"""Where the edge sends requests."""

from __future__ import annotations

from typing import Any

import pytest

from recall_local import routes
from recall_local.routes import Backend


def ingress(host: str, *paths: tuple[str, str, str], class_name: str = "recall-local") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": host},
        "spec": {
            "ingressClassName": class_name,
            "rules": [
                {
                    "host": host,
                    "http": {
                        "paths": [
                            {
                                "path": path,
                                "pathType": kind,
                                "backend": {"service": {"name": name, "port": {"name": "http"}}},
                            }
                            for path, kind, name in paths
                        ]
                    },
                }
            ],
        },
    }


INGRESSES = [
    ingress("api.a.test", ("/", "Prefix", "root"), ("/v1", "Prefix", "one"), ("/v1", "Exact", "exact")),
    ingress("api.b.test", ("/", "Prefix", "other"), class_name="alb"),
]


@pytest.mark.parametrize(
    ("host", "path", "service"),
    [
        ("api.a.test", "/", "root"),
        ("API.A.TEST", "/docs", "root"),
        ("api.a.test", "/v1", "exact"),
        ("api.a.test", "/v1/memories", "one"),
        ("api.a.test", "/v10", "root"),
        ("api.b.test", "/", None),
        ("nobody.test", "/", None),
    ],
)
def test_host_and_longest_path_choose_the_service(host: str, path: str, service: str | None) -> None:
    route = routes.choose(routes.routes(INGRESSES, "recall-local"), host, path)
    assert (route.backend.service if route else None) == service


SERVICES = {
    ("default", "api"): {"spec": {"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]}},
}


def endpoint_slice(service: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
        "endpoints": list(endpoints),
    }


SLICES = [
    endpoint_slice(
        "api",
        {"addresses": ["10.0.0.2"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": False}},
    ),
    endpoint_slice("api", {"addresses": ["10.0.0.1"], "conditions": {}}),
    endpoint_slice("other", {"addresses": ["10.0.0.9"], "conditions": {"ready": True}}),
]


@pytest.mark.parametrize("port", ["http", 80])
def test_only_ready_endpoints_of_that_service_and_port_are_used(port: str | int) -> None:
    found = routes.endpoints(Backend("default", "api", port), SERVICES, SLICES)
    assert found == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]


@pytest.mark.parametrize("backend", [Backend("default", "api", 81), Backend("elsewhere", "api", 80)])
def test_unknown_ports_and_services_have_no_endpoints(backend: Backend) -> None:
    assert routes.endpoints(backend, SERVICES, SLICES) == []


def test_a_published_name_is_found() -> None:
    assert routes.published({"status": {"loadBalancer": {"ingress": [{"hostname": "lb"}]}}}) == "lb"
    assert routes.published({"status": {"loadBalancer": {}}}) is None
    assert routes.published({}) is None
