"""What a user may ask for in `spec` of a RecallInstance: put together from a module for each of its parts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from recall_operator.models.api_spec import Api
from recall_operator.models.base import ResourceModel, immutable_when_set, validations
from recall_operator.models.certificate_spec import LONGEST_HOSTNAME, Certificate
from recall_operator.models.durations import PATTERN as DURATION_PATTERN
from recall_operator.models.durations import parse
from recall_operator.models.encryption_spec import ENCRYPTION_RULE, KEYS_RULE, RESTORE_RULE, Encryption
from recall_operator.models.hibernation_spec import Hibernation
from recall_operator.models.models_spec import Models
from recall_operator.models.sign_in_spec import SignIn
from recall_operator.models.tables_spec import Tables

HOSTNAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


SHORTEST_LIFE = "10s"
LONGEST_LIFE = "8760h"


def _check_life(text: str) -> str:
    if not parse(SHORTEST_LIFE) <= parse(text) <= parse(LONGEST_LIFE):
        raise ValueError(f"{text!r} is not from {SHORTEST_LIFE} to {LONGEST_LIFE}")
    return text


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
        default=DeletionPolicy.RETAIN, description="The tables, with all memories and users (and keys) in them."
    )
    sign_in: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The app client in the user pool.")
    access: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The API's IAM role and its association.")
    certificate: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE, description="The instance's own certificate, with spec.certificate.mode ACM."
    )
    dns: DeletionPolicy = Field(default=DeletionPolicy.DELETE, description="The DNS records.")
    guardrail: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="The guardrail made from spec.models.guardrail.policy; one that you name by id always stays.",
    )


class RecallInstanceSpec(ResourceModel):
    """One whole Recall: API, data, sign-in, models and names."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            (
                f"self.certificate.mode != 'ACM' || self.hostname.size() <= {LONGEST_HOSTNAME}",
                f"spec.hostname must be at most {LONGEST_HOSTNAME} characters with spec.certificate.mode ACM: AWS "
                "makes no certificate for a name longer than 64, and the API's is api.<hostname>; choose a shorter "
                "name, or set spec.certificate.mode to Platform",
            ),
            (
                "self.certificate.mode != 'ACM' || self.api.route == 'Ingress'",
                "spec.certificate.mode ACM needs spec.api.route Ingress: with HTTPRoute the Gateway's listener holds "
                "the certificate; set spec.certificate.mode to Platform, or spec.api.route to Ingress",
            ),
            RESTORE_RULE,
            KEYS_RULE,
        )
    )

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
            *(
                immutable_when_set(
                    f"{role}.name",
                    f"spec.tables.{role}.name can't be changed: data would stay behind in the old table; "
                    "create another instance and move the data by export and import",
                )
                for role in ("memories", "users")
            ),
            immutable_when_set(
                "keys.name",
                "spec.tables.keys.name can't be changed, added or removed: keys would stay behind in the old table, "
                "and nothing could be read; create another instance and move the data by export and import",
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
            (
                "!has(self.keys.name) || ((!has(self.memories.name) || self.keys.name != self.memories.name) && "
                "(!has(self.users.name) || self.keys.name != self.users.name))",
                "spec.tables.keys.name must differ from the names of the other tables: keys are never backed up",
            ),
        ),
    )
    encryption: Encryption = Field(
        default_factory=Encryption,
        description="Encryption beyond DynamoDB's own.",
        json_schema_extra=validations(ENCRYPTION_RULE),
    )
    sign_in: SignIn = Field(default_factory=SignIn, description="The instance's client in the shared user pool.")
    models: Models = Field(default_factory=Models, description="Language models that the instance may use.")
    dns: Dns = Field(default_factory=Dns, description="The instance's names.")
    certificate: Certificate = Field(default_factory=Certificate, description="The certificate of api.<hostname>.")
    deletion_policy: DeletionPolicies = Field(
        default_factory=DeletionPolicies, description="What becomes of each part when the instance is deleted."
    )
    expires_after: Annotated[str, AfterValidator(_check_life)] | None = Field(
        default=None,
        max_length=64,
        description=(
            "Life of the instance from its creation, in hours, minutes and seconds, such as 72h; then the operator "
            "deletes it, each part by its spec.deletionPolicy. Absent: it has no end. For previews."
        ),
        json_schema_extra=validations(
            (
                f"self != '' && self.matches('{DURATION_PATTERN}')",
                "spec.expiresAfter must be a duration in hours, minutes and seconds (no days), such as 72h, 90m or "
                "1h30m",
            ),
            (
                f"!self.matches('{DURATION_PATTERN}') || self == '' || (duration(self) >= duration('{SHORTEST_LIFE}')"
                f" && duration(self) <= duration('{LONGEST_LIFE}'))",
                f"spec.expiresAfter must be from {SHORTEST_LIFE} to {LONGEST_LIFE} (a year); leave it out for an "
                "instance without an end",
            ),
        ),
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


PolicyField = Literal["tables", "sign_in", "access", "certificate", "dns", "guardrail"]
"""Names of the fields of `DeletionPolicies`: parts whose deletion the user decides."""
