"""The knobs of one environment: a YAML file in infra/environments/, checked before anything is made of it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from recall_infra.regions import LOAD_BALANCER_ZONES

ENVIRONMENTS: Final = Path(__file__).parents[1] / "environments"


class KnobError(Exception):
    """The file can't be used; the message names each field, its value and the remedy."""


def _network(value: str) -> str:
    ipaddress.ip_network(value)
    return value


HostName = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=253)
]
AddressRange = Annotated[str, AfterValidator(_network)]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/.+$")]
SecretArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+$")]
LogDays = Literal[7, 14, 30, 60, 90, 180, 365, 731, 1827]
"""Some of what CloudWatch Logs takes. Source: CloudWatch Logs API reference, PutRetentionPolicy."""


NodePool = Literal["system", "general-purpose"]


class Knobs(BaseModel):
    """Base of all parts: camelCase in the file, unknown fields refused, never changed after loading."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class DnsKnobs(Knobs):
    """The domain."""

    zone_name: HostName = Field(
        description="Zone in which instances get their names; made, unless hostedZoneId is there."
    )
    hosted_zone_id: str | None = Field(
        default=None,
        pattern=r"^Z[A-Z0-9]+$",
        description="An existing public zone of that name, to be used and not made.",
    )
    hostnames: list[HostName] = Field(
        default_factory=list,
        description="Hosts of instances below the zone: *.<host> is put on the region's certificate, for api.<host>.",
    )


class NetworkKnobs(Knobs):
    """The VPC."""

    address_range: AddressRange = Field(default="10.20.0.0/16", description="IPv4 range of the VPC, /16 to /20.")
    nat_gateways: int = Field(
        default=1, ge=1, le=6, description="1: cheapest; as many as zones: none is missed when one fails."
    )
    interface_endpoints: list[Literal["bedrock-runtime", "ecr.api", "ecr.dkr", "eks", "eks-auth", "logs", "sts"]] = (
        Field(
            default_factory=list,
            description="AWS services reached without the NAT gateway; each costs by zone and hour.",
        )
    )
    flow_logs: Literal["all", "rejected", "off"] = Field(
        default="rejected", description="What of the traffic is logged."
    )


class AccessEntryKnobs(Knobs):
    """Somebody who may use the Kubernetes API."""

    principal: RoleArn
    policy: Literal["ClusterAdmin", "Admin", "Edit", "View"] = Field(description="EKS access policy.")
    namespaces: list[str] = Field(default_factory=list, description="Only in these namespaces; none means the cluster.")

    @model_validator(mode="after")
    def _scope(self) -> Self:
        if self.policy == "ClusterAdmin" and self.namespaces:
            raise ValueError("ClusterAdmin is for the whole cluster: leave namespaces out, or choose Admin")
        return self


class ClusterKnobs(Knobs):
    """The EKS cluster (Auto Mode)."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$", description="Also the owner in names and tags of instances."
    )
    version: str = Field(default="1.36", pattern=r"^1\.\d\d$", description="Kubernetes version.")
    node_pools: list[NodePool] = Field(
        default_factory=lambda: list(get_args(NodePool)),
        min_length=1,
        description="Built-in node pools of Auto Mode.",
    )
    endpoint_addresses: list[AddressRange] = Field(
        default_factory=list,
        description="Ranges that reach the Kubernetes API over the internet; none means only from the VPC.",
    )
    access: list[AccessEntryKnobs] = Field(min_length=1, description="Who may use the Kubernetes API; nobody else may.")
    external_dns: bool = Field(
        default=False, description="The add-on external-dns, for instances with spec.dns.mode ExternalDNS."
    )
    deletion_protection: bool = Field(default=False, description="EKS refuses to delete the cluster while it is on.")

    @model_validator(mode="after")
    def _restricted(self) -> Self:
        if any(ipaddress.ip_network(item).prefixlen == 0 for item in self.endpoint_addresses):
            raise ValueError("endpointAddresses: 0.0.0.0/0 opens the Kubernetes API to everybody; name your own ranges")
        return self


class RegistryKnobs(Knobs):
    """The image registry."""

    repositories: list[Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[._/-][a-z0-9]+)*$")]] = Field(
        default_factory=lambda: ["recall-api", "recall-operator", "charts/recall-operator"], min_length=1
    )
    keep_images: int = Field(
        default=50, ge=5, le=1000, description="Images of each repository that stay; older ones go."
    )


class SocialProviderKnobs(Knobs):
    """Sign-in with somebody else's account (OAuth, OpenID Connect)."""

    kind: Literal["Google", "LoginWithAmazon", "Facebook", "SignInWithApple", "OIDC"]
    name: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{3,32}$", description="As spec.signIn.identityProviders of an instance names it."
    )
    client_id: str = Field(min_length=1)
    secret_arn: SecretArn | None = Field(
        default=None, description="Secrets Manager secret that holds the client's secret."
    )
    issuer: str | None = Field(default=None, pattern=r"^https://", description="Issuer address; only of kind OIDC.")
    apple_team: str | None = None
    apple_key: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "OIDC") != (self.issuer is not None):
            raise ValueError("issuer belongs to kind OIDC, and to it alone")
        if (self.kind == "SignInWithApple") != (self.apple_team is not None and self.apple_key is not None):
            raise ValueError("appleTeam and appleKey belong to kind SignInWithApple, and to it alone")
        if self.secret_arn is None:
            raise ValueError("secretArn is missing: store the client's secret in Secrets Manager and name it here")
        if self.kind != "OIDC" and self.name != self.kind:
            raise ValueError(f"Cognito fixes the name of this provider: write {self.kind}")
        return self


class SamlProviderKnobs(Knobs):
    """Sign-in with a company's directory."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{3,32}$")
    metadata_url: str = Field(pattern=r"^https://")
    email_attribute: str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"


class IdentityKnobs(Knobs):
    """The user pool."""

    domain_prefix: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
        description="Sign-in at https://<prefix>.auth.<region>.amazoncognito.com; none means https://auth.<zoneName>.",
    )
    self_sign_up: bool = Field(default=False, description="Whether people may make their own accounts.")
    allowed_domains: list[HostName] = Field(
        default_factory=list, description="Domains of e-mail addresses that may sign up; none means all."
    )
    mfa: Literal["off", "optional", "required"] = Field(
        default="optional", description="Second factor: an authenticator app."
    )
    password_length: int = Field(default=12, ge=8, le=99)
    social: list[SocialProviderKnobs] = Field(default_factory=list)
    saml: list[SamlProviderKnobs] = Field(default_factory=list)
    users_tables: dict[str, str] = Field(
        default_factory=dict,
        description="Users tables with names of their own (spec.tables.users.name), by the client's name before its @.",
    )

    @model_validator(mode="after")
    def _prefix(self) -> Self:
        # Source: Cognito Developer Guide, "Using the Amazon Cognito domain".
        if self.domain_prefix and any(word in self.domain_prefix for word in ("aws", "amazon", "cognito")):
            raise ValueError(
                "domainPrefix: Cognito refuses prefixes with aws, amazon or cognito in them; choose another"
            )
        return self


class FirewallKnobs(Knobs):
    """AWS WAF, before the web app and before the API."""

    enabled: bool = True
    requests_per_five_minutes: int = Field(default=2000, ge=10, le=2_000_000_000, description="Limit of one address.")


class WebKnobs(Knobs):
    """The web app's delivery."""

    countries: list[Country] = Field(default_factory=list, description="Countries that are served; none means all.")
    addresses: list[AddressRange] = Field(default_factory=list, description="Ranges that are served; none means all.")
    firewall: FirewallKnobs = Field(default_factory=FirewallKnobs)
    price_class: Literal["100", "200", "all"] = Field(default="100", description="How many edge locations serve.")

    @model_validator(mode="after")
    def _addresses_need_firewall(self) -> Self:
        if self.addresses and not self.firewall.enabled:
            raise ValueError("addresses are kept out by the firewall: set firewall.enabled to true, or leave them out")
        return self


class ModelsKnobs(Knobs):
    """Where models are asked, and how far prompts may travel from there, whatever an instance says."""

    residency: Literal["region", "geo", "global"] = Field(
        default="geo", description="Widest spec.models.residency allowed, reckoned from Bedrock's region."
    )
    bedrock_region: Region | None = Field(
        default=None, description="Where Bedrock is asked for models and guardrails; none means `region`."
    )


class BudgetKnobs(Knobs):
    """When somebody is told about money."""

    monthly_usd: int = Field(ge=1, description="US dollars a month.")
    emails: list[Email] = Field(min_length=1, max_length=10)
    anomaly_usd: int = Field(default=20, ge=1, description="An anomaly of at least this many US dollars is told.")
    anomalies: bool = Field(
        default=True,
        description="Cost Anomaly Detection; AWS allows one monitor of services an account: off in the others.",
    )


class DeliveryKnobs(Knobs):
    """Who may deploy from GitHub Actions."""

    repository: str = Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", description="owner/name.")
    branch: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._/-]+$")
    environment: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$", description="GitHub environment.")
    operator: bool = Field(
        default=False, description="Whether these jobs also deploy the operator: then they administer the cluster."
    )
    make_provider: bool = Field(
        default=True, description="AWS allows GitHub's provider once an account: false in the others."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.branch is None) == (self.environment is None):
            raise ValueError("name exactly one of branch and environment")
        return self

    @property
    def subject(self) -> str:
        """Claim `sub` of the one kind of job that may deploy. Source: GitHub docs, OpenID Connect reference."""
        where = f"ref:refs/heads/{self.branch}" if self.branch else f"environment:{self.environment}"
        return f"repo:{self.repository}:{where}"


class UseKnobs(Knobs):
    """A month's expected use: for the bill alone."""

    instances: int = Field(default=1, ge=0)
    users: int = Field(default=20, ge=0, description="Users that sign in at least once a month.")
    requests_million: float = Field(default=0.2, ge=0, description="Requests to web app and API.")
    answers: int = Field(default=2000, ge=0, description="Chat answers.")
    input_tokens: int = Field(default=3000, ge=0, description="Tokens of a prompt, memories included.")
    output_tokens: int = Field(default=400, ge=0)
    model: str = Field(default="amazon.nova-lite-v1:0", description="Chat model.")
    data_gib: float = Field(default=0.5, ge=0, description="Memories and vectors.")
    transfer_gib: float = Field(default=5, ge=0, description="Sent to the internet.")
    nat_gib: float = Field(default=10, ge=0, description="Through the NAT gateways: answers of models, images.")
    logs_gib: float = Field(default=4, ge=0, description="Logs of the control plane and the network.")
    images_gib: float = Field(default=2, ge=0)


class Environment(Knobs):
    """Everything that is decided per environment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")
    account_id: str = Field(pattern=r"^\d{12}$")
    region: Region = Field(description="Of everything but what models.bedrockRegion moves.")
    zones: list[str] = Field(min_length=2, max_length=6, description="Availability zones.")
    protect: bool = Field(default=True, description="Deletion protection of what outlives the cluster.")
    log_days: LogDays = Field(default=90, description="Days that logs stay.")
    user_keys: bool = Field(default=False, description="A KMS key for instances with spec.encryption.perUserKeys.")
    load_balancer_zone_id: str | None = Field(
        default=None, pattern=r"^Z[A-Z0-9]+$", description="Only for regions that this release does not know."
    )
    restores: bool = Field(
        default=False, description="Whether the operator may fill tables from backups (decision 0040)."
    )
    api_image: str | None = Field(
        default=None, description="Default image of the API; none means the registry's own by the chart's version."
    )
    dns: DnsKnobs
    network: NetworkKnobs = Field(default_factory=NetworkKnobs)
    cluster: ClusterKnobs
    registry: RegistryKnobs = Field(default_factory=RegistryKnobs)
    identity: IdentityKnobs = Field(default_factory=IdentityKnobs)
    web: WebKnobs = Field(default_factory=WebKnobs)
    models: ModelsKnobs = Field(default_factory=ModelsKnobs)
    budget: BudgetKnobs
    delivery: DeliveryKnobs | None = Field(default=None, description="None: nobody deploys from GitHub.")
    use: UseKnobs = Field(default_factory=UseKnobs)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        strange = [zone for zone in self.zones if not zone.startswith(self.region) or len(zone) != len(self.region) + 1]
        if strange or len(set(self.zones)) != len(self.zones):
            raise ValueError(
                f"zones: each must be a different zone of {self.region}, such as {self.region}a; got {self.zones}"
            )
        if self.network.nat_gateways > len(self.zones):
            raise ValueError(
                f"network.natGateways: {self.network.nat_gateways} are more than the {len(self.zones)} zones; lower it"
            )
        outside = [host for host in self.dns.hostnames if not host.endswith(f".{self.dns.zone_name}")]
        if outside:
            raise ValueError(f"dns.hostnames: {', '.join(outside)} not below {self.dns.zone_name}; move or remove")
        if self.load_balancer_zone is None:
            raise ValueError(
                f"region: the zone id of load balancers in {self.region} is not known here; set loadBalancerZoneId "
                "(AWS General Reference, Elastic Load Balancing endpoints)"
            )
        if self.bedrock_region != self.region and "bedrock-runtime" in self.network.interface_endpoints:
            raise ValueError(
                f"network.interfaceEndpoints: bedrock-runtime is an endpoint for Bedrock in {self.region}, and "
                f"models.bedrockRegion is {self.bedrock_region}; leave it out, and Bedrock is reached through the NAT "
                "gateway"
            )
        if not 16 <= ipaddress.ip_network(self.network.address_range).prefixlen <= 20:
            raise ValueError(f"network.addressRange: {self.network.address_range} must be /16 to /20")
        return self

    @property
    def bedrock_region(self) -> str:
        """Region in which Bedrock is asked for models and guardrails."""
        return self.models.bedrock_region or self.region

    @property
    def load_balancer_zone(self) -> str | None:
        """Route 53 zone of the region's application load balancers."""
        return self.load_balancer_zone_id or LOAD_BALANCER_ZONES.get(self.region)

    @classmethod
    def load(cls, path: Path) -> Environment:
        """Read the file at `path`.

        Raises:
            KnobError: it can't be read, or some field can't be used.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text()))
        except OSError as error:
            raise KnobError(
                f"{path} can't be read: {error.strerror}; environments lie in infra/environments"
            ) from error
        except yaml.YAMLError as error:
            raise KnobError(f"{path} is not YAML: {error}") from error
        except ValidationError as error:
            raise KnobError("\n".join(f"{path}: {line}" for line in _problems(error))) from error


def environment_path(name: str) -> Path:
    """Return the file of an environment: a name in infra/environments, or a path."""
    return Path(name) if name.endswith((".yaml", ".yml")) else ENVIRONMENTS / f"{name}.yaml"


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for found in error.errors():
        field = ".".join(str(part) for part in found["loc"]) or "the file"
        value: Any = found["input"]
        shown = f"; got {value!r}" if isinstance(value, str | int | float | bool) else ""
        remedy = {
            "missing": "required; add it",
            "extra_forbidden": "not a knob; remove it or look for its name in docs/reference/infra.md",
        }.get(found["type"], found["msg"].removeprefix("Value error, "))
        lines.append(f"{field}: {remedy}{shown}")
    return lines
