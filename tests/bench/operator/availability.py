"""Stands in for the cluster: says that Deployments are available and that Ingresses have a load balancer.

`python -m tests.bench.operator.availability KUBECONFIG` does so until it is stopped. Nothing runs pods here.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import urllib3
from kubernetes import client, config, watch


def deployment_status(item: Any) -> dict[str, Any] | None:
    """Return the status of a Deployment whose pods all run; None when it says so already."""
    wanted = item.spec.replicas
    if item.status.observed_generation == item.metadata.generation and (item.status.available_replicas or 0) == wanted:
        return None
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""},
    ]
    return {"status": {"observedGeneration": item.metadata.generation, **counts, "conditions": conditions}}


def ingress_status(item: Any) -> dict[str, Any] | None:
    """Return the status of an Ingress with a load balancer; None when it has one."""
    if item.status.load_balancer and item.status.load_balancer.ingress:
        return None
    return {"status": {"loadBalancer": {"ingress": [{"hostname": "lb-1.eu-west-1.elb.amazonaws.com"}]}}}


def follow(listing: Any, patch: Any, status: Any) -> None:
    """Set the status of each object of a kind whenever it needs one."""
    while True:
        try:
            for event in watch.Watch().stream(listing, timeout_seconds=600):
                item = event["object"]
                if event["type"] in ("ADDED", "MODIFIED") and (body := status(item)):
                    patch(item.metadata.name, item.metadata.namespace, body)
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            sys.stderr.write(f"{error}\n")


def main() -> None:
    """Follow both kinds until stopped."""
    config.load_kube_config(sys.argv[1])
    apps, network = client.AppsV1Api(), client.NetworkingV1Api()
    threading.Thread(
        target=follow,
        args=(network.list_ingress_for_all_namespaces, network.patch_namespaced_ingress_status, ingress_status),
        daemon=True,
    ).start()
    follow(apps.list_deployment_for_all_namespaces, apps.patch_namespaced_deployment_status, deployment_status)


if __name__ == "__main__":
    main()
