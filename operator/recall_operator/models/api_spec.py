"""What a user may ask for of the API's pods: their image, size and number, their way in, their walls."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from recall_operator.models.base import Quantity, ResourceModel, validations

Cidr = Annotated[str, Field(min_length=4, max_length=43, pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
"""A range of addresses, such as 10.0.0.0/16 or fd00::/8; the shortest is ::/0."""


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


class ResourceRequests(ResourceModel):
    """What one pod is promised."""

    cpu: Quantity = Field(default="100m", description="Processor time promised to a pod, such as 100m or 1.")
    memory: Quantity = Field(default="256Mi", description="Memory promised to a pod, such as 256Mi.")


class ResourceLimits(ResourceModel):
    """What one pod may not exceed."""

    cpu: Quantity | None = Field(
        default=None,
        description="Processor time a pod may use at most; absent means no limit, which is best for latency.",
    )
    memory: Quantity = Field(
        default="512Mi", description="Memory a pod may use at most; beyond it the pod is restarted."
    )


class Resources(ResourceModel):
    """Resources of one API pod."""

    requests: ResourceRequests = Field(default_factory=ResourceRequests, description="What one pod is promised.")
    limits: ResourceLimits = Field(default_factory=ResourceLimits, description="What one pod may not exceed.")


class Api(ResourceModel):
    """The API's pods."""

    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$",
        description="Image of the API; absent means the image that belongs to the operator's release.",
    )
    replicas: int = Field(
        default=2,
        ge=1,
        le=50,
        description="Pods of the API while awake. To stop them all, set spec.hibernation.mode to Asleep instead of 0.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Let Kubernetes choose the number of pods; absent means spec.api.replicas.",
        json_schema_extra=validations(
            (
                "self.minReplicas <= self.maxReplicas",
                "spec.api.autoscaling.minReplicas must not be above spec.api.autoscaling.maxReplicas; "
                "raise the maximum or lower the minimum",
            )
        ),
    )
    route: RouteKind = Field(
        default=RouteKind.INGRESS,
        description="How requests reach the pods. HTTPRoute needs a Gateway that the platform document names.",
    )
    network_policy: NetworkPolicy | None = Field(
        default=None, description="Let only some pods and addresses reach the pods; absent means not managed."
    )
    resources: Resources = Field(
        default_factory=Resources,
        description="Resources of one pod.",
        json_schema_extra=validations(
            (
                "quantity(string(self.limits.memory)).compareTo(quantity(string(self.requests.memory))) >= 0",
                "spec.api.resources.limits.memory must not be below spec.api.resources.requests.memory; "
                "raise the limit or lower the request",
            ),
            (
                "!has(self.limits.cpu) || "
                "quantity(string(self.limits.cpu)).compareTo(quantity(string(self.requests.cpu))) >= 0",
                "spec.api.resources.limits.cpu must not be below spec.api.resources.requests.cpu; "
                "raise the limit or lower the request",
            ),
        ),
    )
