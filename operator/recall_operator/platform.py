"""The `Platform` document: what was made once per account, told to the operator.

The CDK app (or the local stack) publishes it, the operator mounts it as a file: one model on both sides. It is the
only place from which the operator learns where AWS is; there is no second way for a cluster on one machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HostName = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class PlatformModel(BaseModel):
    """Base of all parts: camelCase in the document, unknown fields refused, never changed after loading."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class ClusterFacts(PlatformModel):
    """The Kubernetes cluster that the operator runs in."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
        description=(
            "Name of the EKS cluster: owner in tags and ownership records, and where Pod Identity associations go. "
            "Source of the pattern: EKS API Reference, CreateCluster."
        ),
    )


_BEDROCK_REGION = ("bedrock_region", "bedrockRegion")


class AwsFacts(PlatformModel):
    """The AWS account and where its services answer."""

    account_id: str = Field(pattern=r"^\d{12}$")
    region: str
    bedrock_region: str = Field(
        default_factory=lambda data: data["region"],
        pattern=r"^[a-z0-9-]+$",
        description="Where models and guardrails are asked; everything else is in `region`, which is the default.",
    )
    endpoint_urls: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Addresses to use instead of AWS's own: boto3's variables AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE>, "
            "given to the API's pods as they are."
        ),
    )

    @property
    def elsewhere(self) -> Mapping[str, str]:
        """The regions of services that are not asked in `region`, by boto3's names of the services."""
        return {} if self.bedrock_region == self.region else {"bedrock": self.bedrock_region}

    @model_serializer(mode="wrap")
    def _without_the_default(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # An operator of an earlier release refuses fields that it does not know.
        document: dict[str, Any] = write(self)
        if not self.elsewhere:
            document = {key: value for key, value in document.items() if key not in _BEDROCK_REGION}
        return document


class DnsFacts(PlatformModel):
    """The hosted zone in which instances get their names."""

    hosted_zone_id: str
    zone_name: HostName
    """Name of the zone, without the last dot."""


class IdentityFacts(PlatformModel):
    """The Cognito user pool that all instances share."""

    user_pool_id: str
    token_issuer: str
    """Exact `iss` of its tokens."""
    jwks_url: str
    sign_in_url: str
    """Base address of the hosted sign-in pages."""


CLOUDFRONT_ZONE: Final = "Z2FDTNDATAQYW2"
"""Route 53 zone of every CloudFront distribution. Source: Route 53 API reference, AliasTarget."""


class AliasTarget(PlatformModel):
    """Something that a Route 53 alias record can point to."""

    dns_name: HostName
    hosted_zone_id: str


class WebFacts(PlatformModel):
    """The web app's distribution, and how browsers reach instances."""

    distribution: AliasTarget
    scheme: str = Field(default="https", pattern=r"^https?$")
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port in the addresses that people open; none means the scheme's own."""

    def origin(self, hostname: str) -> str:
        """Return the origin (RFC 6454) of `hostname` as browsers write it."""
        return f"{self.scheme}://{hostname}" + (f":{self.port}" if self.port else "")


class GatewayFacts(PlatformModel):
    """A Gateway of the Gateway API that instances may attach their routes to."""

    name: str
    namespace: str
    dns_name: HostName
    """Name of its load balancer, which the API's DNS name points to."""


class IngressFacts(PlatformModel):
    """How requests from outside reach the API's pods."""

    class_name: str = "alb"
    annotations: dict[str, str] = Field(default_factory=dict)
    load_balancer_zone_id: str
    """Route 53 zone id of the region's load balancers, needed for alias records.

    Source: AWS General Reference, Elastic Load Balancing endpoints.
    """
    dual_stack: bool = False
    """Whether the load balancers have IPv6 addresses too (ipAddressType dualstack): then names get AAAA records."""
    gateway: GatewayFacts | None = None
    """For instances with spec.api.route HTTPRoute; none means that there is no Gateway, nor its custom resources."""


class AccessFacts(PlatformModel):
    """Bounds on the IAM roles that the operator makes for instances."""

    permissions_boundary_arn: str | None = None
    """Managed policy that every such role gets as its permissions boundary; none means no boundary.

    With one, the operator's own right to make roles can't be used to gain rights beyond it.
    """

    restores: bool = False
    """Whether the operator may fill new tables from backups (spec.tables.*.restoreFrom).

    AWS lets only those restore who may also read and write items, so without it the operator can't see memories.
    """


class WorkloadFacts(PlatformModel):
    """Defaults of the API's pods."""

    image: str
    """Image of the API when an instance names none."""
    traces_endpoint: str | None = Field(default=None, pattern=r"^https?://[^ ]+$")
    """OpenTelemetry collector (OTLP over HTTP) that the API's pods send traces to; none means no traces."""


class Platform(PlatformModel):
    """Everything per account that the operator needs."""

    cluster: ClusterFacts
    aws: AwsFacts
    dns: DnsFacts
    identity: IdentityFacts
    web: WebFacts
    ingress: IngressFacts
    workload: WorkloadFacts
    access: AccessFacts = Field(default_factory=AccessFacts)

    @classmethod
    def load(cls, path: Path) -> Platform:
        """Read the document at `path` (YAML or JSON).

        Raises:
            OSError: the file cannot be read.
            pydantic.ValidationError: it is not a Platform document; the error names each field.
        """
        return cls.model_validate(yaml.safe_load(path.read_text()))
