"""What a user may ask for in `spec` of a RecallInstance."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recall_operator.hibernation import check_cron, check_zone
from recall_operator.models.api_spec import Autoscaling, NetworkPolicy, RouteKind
from recall_operator.models.base import Quantity, ResourceModel, immutable_when_set, validations
from recall_operator.models.data_spec import (
    BILLING_RULE,
    RESTORE_SCHEMA,
    TAG_RULES,
    Billing,
    RestoreFrom,
    TableKeyArn,
    TagValue,
)

HOSTNAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_LOOPBACK_URL = "^http://(localhost|127[.]0[.]0[.]1|[a-z0-9.-]+[.]localhost)(:[0-9]+)?(/.*)?$"
_TITAN_TEXT_V2 = "amazon.titan-embed-text-v2"

SignInUrl = Annotated[
    str,
    Field(
        min_length=8,
        max_length=1024,
        json_schema_extra=validations(
            (
                f"self.startsWith('https://') || self.matches('{_LOOPBACK_URL}')",
                "spec.signIn: each address must start with https:// (http:// only for localhost); "
                "write the whole address, such as https://beta.example.org/callback",
            ),
            (
                "!self.contains('#') && !self.contains(' ') && !self.contains('*')",
                "spec.signIn: an address must have no '#', no space and no '*'; list each address by itself",
            ),
        ),
    ),
]

IdentityProvider = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$")]

ModelId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]*$")]
"""A Bedrock model id without the prefix of an inference profile, such as `amazon.nova-lite-v1:0`."""


class DeletionPolicy(StrEnum):
    """What becomes of a part when its instance is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Adoption(StrEnum):
    """What to do with an existing resource of the right name that this instance does not own."""

    REFUSE = "Refuse"
    ADOPT = "Adopt"


class DnsMode(StrEnum):
    """Who writes the instance's DNS records."""

    ROUTE53 = "Route53"
    EXTERNAL_DNS = "ExternalDNS"
    NONE = "None"


class HibernationMode(StrEnum):
    """Whether the instance's pods run; not `on` and `off`, which YAML 1.1 reads as booleans."""

    AWAKE = "Awake"
    ASLEEP = "Asleep"
    SCHEDULED = "Scheduled"


class Residency(StrEnum):
    """How far a prompt may travel from the instance's region."""

    REGION = "region"
    GEO = "geo"
    GLOBAL = "global"


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


class Table(ResourceModel):
    """One DynamoDB table."""

    name: str | None = Field(
        default=None,
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description=(
            "Name of the table; absent means recall.<cluster>.<namespace>.<name>.<table>. It can't be changed later."
        ),
    )
    restore_from: RestoreFrom | None = Field(
        default=None,
        description="Fill the table from a backup when it is made; absent means empty. It can't be changed later.",
        json_schema_extra=RESTORE_SCHEMA,
    )


class Tables(ResourceModel):
    """The instance's data."""

    memories: Table = Field(default_factory=Table, description="Memories, their vectors, and conversations.")
    users: Table = Field(default_factory=Table, description="Profiles, usage and personal access tokens.")
    point_in_time_recovery: bool = Field(
        default=True, description="Keep 35 days of continuous backups, restorable to any second."
    )
    deletion_protection: bool | None = Field(
        default=None,
        description=(
            "Let DynamoDB refuse to delete the tables; absent means not managed. With deletionPolicy.tables Delete the "
            "operator lifts it before it deletes them."
        ),
    )
    billing: Billing | None = Field(
        default=None,
        description="How both tables are paid; absent means made on demand and not managed afterwards.",
        json_schema_extra=validations(BILLING_RULE),
    )
    kms_key_arn: TableKeyArn | None = Field(
        default=None,
        description="KMS key that encrypts both tables; absent means not managed (a new table gets AWS's own key).",
    )
    tags: dict[str, TagValue] = Field(
        default_factory=dict,
        max_length=40,
        description="Further tags of both tables; a tag that is taken out here stays on the tables.",
        json_schema_extra=validations(*TAG_RULES),
    )


class SignIn(ResourceModel):
    """The instance's client in the shared Cognito user pool."""

    callback_urls: list[SignInUrl] = Field(
        default_factory=list,
        max_length=20,
        description="Further addresses that sign-in may return to, beside https://<hostname>/callback.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    logout_urls: list[SignInUrl] = Field(
        default_factory=list,
        max_length=20,
        description="Further addresses that sign-out may return to, beside https://<hostname>/.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    access_token_minutes: int = Field(
        default=60, ge=5, le=1440, description="Minutes for which an access token is valid (5 to 1440)."
    )
    id_token_minutes: int = Field(
        default=60, ge=5, le=1440, description="Minutes for which an id token is valid (5 to 1440)."
    )
    refresh_token_days: int = Field(
        default=30, ge=1, le=3650, description="Days after which a user must sign in again (1 to 3650)."
    )
    identity_providers: list[IdentityProvider] = Field(
        default_factory=lambda: ["COGNITO"],
        min_length=1,
        max_length=20,
        description="Where users may sign in: COGNITO and names of providers of the platform's user pool.",
        json_schema_extra={"x-kubernetes-list-type": "set", "default": ["COGNITO"]},
    )
    token_revocation: bool = Field(
        default=True, description="Let signing out end refresh tokens and the access tokens made with them."
    )
    prevent_user_existence_errors: bool = Field(
        default=True, description="Answer a wrong password and an unknown user alike."
    )


class Embedding(ResourceModel):
    """The model that turns memories into vectors."""

    model: ModelId = Field(default=f"{_TITAN_TEXT_V2}:0", description="Bedrock id of the embedding model.")
    dimensions: int = Field(
        default=256, ge=1, le=4096, description="Length of a vector; Titan V2 offers 256, 512, 1024."
    )


class Guardrail(ResourceModel):
    """A Bedrock guardrail that exists already."""

    id: str = Field(
        min_length=1, max_length=64, pattern=r"^[a-z0-9]+$", description="Id of the guardrail, such as gr1abc2def3g."
    )
    version: str = Field(
        min_length=1,
        max_length=8,
        pattern=r"^([1-9][0-9]{0,7}|DRAFT)$",
        description="Version of the guardrail: a number, or DRAFT while you try it.",
    )


class Models(ResourceModel):
    """Language models that the instance may use."""

    chat: list[ModelId] = Field(
        default_factory=lambda: ["amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"],
        min_length=1,
        max_length=20,
        description="Bedrock ids of the models that users may choose for chat; the first is the default.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            **validations(
                (
                    "!self.exists(m, m.matches('^(us|us-gov|eu|apac|jp|au|ca|global)[.].+[.].+'))",
                    "spec.models.chat: write model ids without the prefix of an inference profile "
                    "(amazon.nova-lite-v1:0, not eu.amazon.nova-lite-v1:0) and choose how far prompts travel with "
                    "spec.models.residency",
                )
            ),
        },
    )
    embedding: Embedding = Field(
        default_factory=Embedding,
        description="The model that turns memories into vectors.",
        json_schema_extra=validations(
            (
                f"!self.model.startsWith('{_TITAN_TEXT_V2}') || self.dimensions in [256, 512, 1024]",
                "spec.models.embedding.dimensions must be 256, 512 or 1024 with Titan Text Embeddings V2",
            )
        ),
    )
    residency: Residency = Field(
        default=Residency.GEO,
        description=(
            "How far prompts may travel by inference profiles: the instance's region, its geography, or anywhere."
        ),
    )
    guardrail: Guardrail | None = Field(
        default=None, description="A guardrail that checks every prompt and answer; absent means none."
    )


class Dns(ResourceModel):
    """The instance's names."""

    mode: DnsMode = Field(
        default=DnsMode.ROUTE53,
        description=(
            "Route53: the operator writes <hostname> and api.<hostname>. ExternalDNS: it annotates the Ingress or "
            "HTTPRoute, and external-dns writes api.<hostname>. None: somebody else writes them."
        ),
    )


class DeletionPolicies(ResourceModel):
    """What becomes of each part when the instance is deleted. The pods and their settings always go."""

    tables: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN, description="The two tables, with all memories and users in them."
    )
    sign_in: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The app client in the user pool.")
    access: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The API's IAM role and its association.")
    dns: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The DNS records.")


_CRON_FIELDS = (
    "[0-5]?[0-9]",
    "([01]?[0-9]|2[0-3])",
    "(0?[1-9]|[12][0-9]|3[01])",
    "(0?[1-9]|1[0-2]|[A-Za-z]{3})",
    "([0-7]|[A-Za-z]{3})",
)


def _cron_pattern() -> str:
    """Return what a cron expression looks like; which day exists and which range is upside down, `check_cron` says."""

    def field(value: str) -> str:
        item = f"([*]|{value}(-{value})?)(/[1-9][0-9]?)?"
        return f"{item}(,{item})*"

    return "^" + " ".join(map(field, _CRON_FIELDS)) + "$"


Cron = Annotated[str, Field(min_length=9, max_length=128, pattern=_cron_pattern()), AfterValidator(check_cron)]
"""Minute, hour, day of month, month, day of week, as cron(5) has them."""


class HibernationWindow(ResourceModel):
    """One time of sleep that comes again and again."""

    sleep_at: Cron = Field(
        description="When sleep begins: minute, hour, day of month, month, day of week, such as '0 20 * * 1-5'."
    )
    wake_at: Cron = Field(description="When it ends, written the same way, such as '0 7 * * 1-5'.")


class Hibernation(ResourceModel):
    """Pods to zero; data, sign-in and names stay."""

    mode: HibernationMode = Field(
        default=HibernationMode.AWAKE,
        description=(
            "Awake: pods run. Asleep: no pods; data, sign-in and DNS names stay. Scheduled: asleep within the windows."
        ),
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] = Field(
        default="UTC",
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        description="Time zone of the windows' times, by its IANA name such as Europe/Vienna; summer time is kept.",
    )
    windows: list[HibernationWindow] = Field(
        default_factory=list,
        max_length=16,
        description="When to sleep with mode Scheduled; asleep while any of them is open. Other modes ignore them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    @property
    def times(self) -> list[tuple[str, str]]:
        """The windows as pairs of cron expressions."""
        return [(window.sleep_at, window.wake_at) for window in self.windows]


class RecallInstanceSpec(ResourceModel):
    """One whole Recall: API, data, sign-in, models and names."""

    hostname: str = Field(
        min_length=3,
        max_length=235,
        description=(
            "Host name of the web app, within the platform's DNS zone, such as beta.example.org; "
            "the API is api.<hostname>."
        ),
        json_schema_extra=validations(
            (
                f"self.matches('{HOSTNAME_PATTERN}')",
                "spec.hostname must be a DNS name of at least two labels in lower case (a-z, 0-9, '-'), without "
                "scheme, port, '_' or a dot at the end, such as beta.example.org",
            ),
        ),
    )
    api: Api = Field(default_factory=Api, description="The API's pods.")
    tables: Tables = Field(
        default_factory=Tables,
        description="The instance's data.",
        json_schema_extra=validations(
            immutable_when_set(
                "memories.name",
                "spec.tables.memories.name can't be changed: data would stay behind in the old table; "
                "create another instance and move the data by export and import",
            ),
            immutable_when_set(
                "users.name",
                "spec.tables.users.name can't be changed: data would stay behind in the old table; "
                "create another instance and move the data by export and import",
            ),
            *(
                immutable_when_set(
                    f"{role}.restoreFrom",
                    f"spec.tables.{role}.restoreFrom can't be changed, added or removed: a table is filled only when "
                    "it is made; create another instance to restore",
                )
                for role in ("memories", "users")
            ),
            (
                "!has(self.memories.name) || !has(self.users.name) || self.memories.name != self.users.name",
                "spec.tables.users.name must differ from spec.tables.memories.name: they are two tables",
            ),
        ),
    )
    sign_in: SignIn = Field(default_factory=SignIn, description="The instance's client in the shared user pool.")
    models: Models = Field(default_factory=Models, description="Language models that the instance may use.")
    dns: Dns = Field(default_factory=Dns, description="The instance's names.")
    deletion_policy: DeletionPolicies = Field(
        default_factory=DeletionPolicies, description="What becomes of each part when the instance is deleted."
    )
    adoption: Adoption = Field(
        default=Adoption.REFUSE,
        description=(
            "Refuse: a resource of the right name that this instance doesn't own is an error. Adopt: take it over, as "
            "a rebuilt cluster does with its retained tables; never one that another living instance owns."
        ),
    )
    hibernation: Hibernation = Field(
        default_factory=Hibernation,
        description="Pods to zero; data, sign-in and names stay.",
        json_schema_extra=validations(
            (
                "self.mode != 'Scheduled' || (has(self.windows) && self.windows.size() > 0)",
                "spec.hibernation.windows must hold at least one window with mode Scheduled, such as "
                "{sleepAt: '0 20 * * 1-5', wakeAt: '0 7 * * 1-5'}; or set spec.hibernation.mode to Awake or Asleep",
            ),
            (
                "!has(self.windows) || self.windows.all(w, w.sleepAt != w.wakeAt)",
                "spec.hibernation.windows: sleepAt and wakeAt of a window must differ; to stay asleep set "
                "spec.hibernation.mode to Asleep",
            ),
        ),
    )


PolicyField = Literal["tables", "sign_in", "access", "dns"]
"""Names of the fields of `DeletionPolicies`: parts whose deletion the user decides."""
