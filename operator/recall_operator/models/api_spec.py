"""What a user may ask for of the API's pods beyond their image and size: their number, their way in, their walls."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from recall_operator.models.base import ResourceModel

Cidr = Annotated[str, Field(min_length=9, max_length=43, pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
"""A range of addresses, such as 10.0.0.0/16."""


class RouteKind(StrEnum):
    """The Kubernetes object that lets requests in."""

    INGRESS = "Ingress"
    HTTP_ROUTE = "HTTPRoute"


class Autoscaling(ResourceModel):
    """How many pods Kubernetes may choose."""

    min_replicas: int = Field(default=2, ge=1, le=50, description="Pods that always run while awake.")
    max_replicas: int = Field(ge=1, le=200, description="Pods that run at most.")
    target_cpu: int = Field(
        default=70,
        ge=10,
        le=95,
        alias="targetCPU",
        description="Processor time to aim at, in percent of what a pod requests.",
    )


class NetworkPolicy(ResourceModel):
    """Who may reach the pods; where the pods may go is not restricted."""

    allowed_cidrs: list[Cidr] = Field(
        min_length=1,
        max_length=32,
        description="Addresses that may reach the API's port, such as the subnets of the load balancer.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    metrics_namespaces: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=16,
        description="Namespaces whose pods may read the metrics' port.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
