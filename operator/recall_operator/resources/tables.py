"""The two DynamoDB tables of an instance: memories and users."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_operator.errors import is_not_found
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import RELEASED_TAG, Owner, Standing, derived_name, refusal, standing
from recall_operator.plan import (
    Action,
    Assessment,
    AwsCall,
    Change,
    Difference,
    PartState,
    appearing,
    differences,
    progressing,
)
from recall_operator.resources.table_settings import (
    KEY_SCHEMA,
    billing_text,
    creation,
    creation_fields,
    restored_from,
    settings_updates,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.resources.part import Clients, Subject

ROLES: Final = ("memories", "users")
_NAME_LIMIT: Final = 255
"""Source: DynamoDB, Naming rules."""


@dataclass(frozen=True)
class ObservedTable:
    """One table as DynamoDB describes it."""

    arn: str
    state: str
    keys: tuple[tuple[str, str], ...]
    """Attribute and key type of each part of the primary key."""
    billing: str
    """As `table_settings.billing_text` writes it."""
    deletion_protection: bool
    tags: Mapping[str, str]
    recovery: bool
    time_to_live: str | None
    """Attribute of time to live; None when it is off."""
    kms_key: str | None = None
    """ARN of the key that encrypts it; None means AWS's own."""
    restored: Mapping[str, Any] = field(default_factory=dict)
    """AWS's RestoreSummary: what it was filled from; empty when it was made empty."""

    @property
    def owner(self) -> Owner | None:
        """The instance whose tags it bears."""
        return Owner.from_tags(self.tags)


ObservedTables = dict[str, ObservedTable | None]


def table_name(subject: Subject, role: str) -> str:
    """Return the name of the table of a `role` (`memories` or `users`)."""
    named = getattr(subject.instance.spec.tables, role).name
    owner = subject.owner
    derived = derived_name("recall", owner.cluster, owner.namespace, owner.name, role, limit=_NAME_LIMIT)
    return str(named or derived)


def table_arn(subject: Subject, role: str) -> str:
    """Return the ARN of the table of a `role`, whether it exists or not."""
    aws = subject.platform.aws
    return f"arn:aws:dynamodb:{aws.region}:{aws.account_id}:table/{table_name(subject, role)}"


def wanted_tags(subject: Subject) -> dict[str, str]:
    """Return all tags of the instance's tables; the owner's win over the user's."""
    return {**subject.instance.spec.tables.tags, **subject.owner.tags()}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


async def _observe_table(name: str, clients: Clients) -> ObservedTable | None:
    try:
        table = (await clients.aws.call("dynamodb", "describe_table", TableName=name))["Table"]
        tags, backups, time_to_live = await asyncio.gather(
            clients.aws.pages("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=table["TableArn"]),
            clients.aws.call("dynamodb", "describe_continuous_backups", TableName=name),
            clients.aws.call("dynamodb", "describe_time_to_live", TableName=name),
        )
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    expiry = time_to_live["TimeToLiveDescription"]
    return ObservedTable(
        arn=table["TableArn"],
        state=table["TableStatus"],
        keys=tuple((key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]),
        billing=billing_text(
            table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            table.get("ProvisionedThroughput", {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}),
        ),
        deletion_protection=bool(table.get("DeletionProtectionEnabled", False)),
        tags={tag["Key"]: tag["Value"] for tag in tags},
        recovery=recovery.get("PointInTimeRecoveryStatus") == "ENABLED",
        time_to_live=expiry.get("AttributeName") if expiry["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None,
        kms_key=table.get("SSEDescription", {}).get("KMSMasterKeyArn"),
        restored=table.get("RestoreSummary", {}),
    )


class Tables:
    """Keeps the tables; data is kept by default when the instance goes."""

    name = "tables"
    condition = "TablesReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedTables:
        """Read both tables."""
        found = await asyncio.gather(*(_observe_table(table_name(subject, role), clients) for role in ROLES))
        return dict(zip(ROLES, found, strict=True))

    def outputs(self, subject: Subject, observed: ObservedTables) -> Mapping[str, str]:
        """Names follow from the spec: nobody needs to wait for them."""
        del subject, observed
        return {}

    def plan(self, subject: Subject, observed: ObservedTables, outputs: Mapping[str, str]) -> Assessment:
        """Create what is missing, mend what differs, refuse what is another's."""
        del outputs
        each = [self._plan_table(subject, role, observed[role]) for role in ROLES]
        return _worst(each)

    def _plan_table(self, subject: Subject, role: str, found: ObservedTable | None) -> Assessment:
        name = table_name(subject, role)
        if found is None:
            return Assessment(
                PartState.PROGRESSING, "Creating", f"Table {name} is being created.", (self._creation(subject, role),)
            )
        resource = (ResourceStatus(kind="Table", name=name, arn=found.arn, state=found.state),)
        rights = standing(
            found.owner, subject.owner, subject.instance.spec.adoption, released=RELEASED_TAG in found.tags
        )
        source = getattr(subject.instance.spec.tables, role).restore_from
        if found.owner is None and restored_from(source, found.restored):
            rights = Standing.OURS
        if rights is Standing.REFUSED:
            message = refusal(f"Table {name}", found.owner, f"choose another name in spec.tables.{role}.name")
            return Assessment(PartState.BROKEN, "NotOwned", message, resources=resource, terminal=True)
        if found.keys != tuple((key["AttributeName"], key["KeyType"]) for key in KEY_SCHEMA):
            message = (
                f"Table {name} has the keys {found.keys}, not pk and sk: it is no table of Recall. "
                f"Choose another name in spec.tables.{role}.name."
            )
            return Assessment(PartState.BROKEN, "WrongKeys", message, resources=resource, terminal=True)
        if found.state != "ACTIVE":
            return progressing("Waiting", f"Table {name} is {found.state}.", resource)
        changes = self._changes(subject, name, found, rights)
        if changes:
            return Assessment(PartState.PROGRESSING, "Updating", f"Table {name} is being changed.", changes, resource)
        return Assessment(PartState.READY, "Available", "Both tables are active.", resources=resource)

    def _creation(self, subject: Subject, role: str) -> Change:
        spec, name = subject.instance.spec.tables, table_name(subject, role)
        source = getattr(spec, role).restore_from
        call = creation(spec, source, name, wanted_tags(subject))
        return Change(self.name, Action.CREATE, "Table", name, (call,), appearing(creation_fields(spec, source)))

    def _changes(self, subject: Subject, name: str, found: ObservedTable, rights: Standing) -> tuple[Change, ...]:
        spec = subject.instance.spec.tables
        changes: list[Change] = []

        def update(changed: tuple[Difference, ...], *calls: AwsCall, action: Action = Action.UPDATE) -> None:
            changes.append(Change(self.name, action, "Table", name, calls, changed))

        tags = wanted_tags(subject)
        wrong_tags = differences(tags, found.tags)
        if wrong_tags or RELEASED_TAG in found.tags:
            calls = [AwsCall("dynamodb", "tag_resource", _tagging(found.arn, tags))]
            if RELEASED_TAG in found.tags:
                forget = {"ResourceArn": found.arn, "TagKeys": [RELEASED_TAG]}
                calls.append(AwsCall("dynamodb", "untag_resource", forget))
            update(wrong_tags, *calls, action=Action.ADOPT if rights is Standing.ADOPT else Action.UPDATE)
        if found.recovery != spec.point_in_time_recovery:
            setting = {"PointInTimeRecoveryEnabled": spec.point_in_time_recovery}
            update(
                (Difference("pointInTimeRecovery", found.recovery, spec.point_in_time_recovery),),
                AwsCall(
                    "dynamodb",
                    "update_continuous_backups",
                    {"TableName": name, "PointInTimeRecoverySpecification": setting},
                ),
            )
        if found.time_to_live != contract.TIME_TO_LIVE_ATTRIBUTE:
            expiry = {"Enabled": True, "AttributeName": contract.TIME_TO_LIVE_ATTRIBUTE}
            update(
                (Difference("timeToLive", found.time_to_live, contract.TIME_TO_LIVE_ATTRIBUTE),),
                AwsCall("dynamodb", "update_time_to_live", {"TableName": name, "TimeToLiveSpecification": expiry}),
            )
        waits_for = None
        for changed, call in settings_updates(
            spec, name, protection=found.deletion_protection, billing=found.billing, kms_key=found.kms_key
        ):
            changes.append(Change(self.name, Action.UPDATE, "Table", name, (call,), (changed,), waits_for=waits_for))
            waits_for = f"its {changed.field}"
        return tuple(changes)

    def delete(self, subject: Subject, observed: ObservedTables) -> tuple[Change, ...] | None:
        """Delete or release both tables, as the policy says; another's table is left alone."""
        changes: list[Change] = []
        for role in ROLES:
            found = observed[role]
            if found is None or found.owner is None or found.owner.uid != subject.owner.uid:
                continue
            if found.state == "DELETING":
                return None
            name = table_name(subject, role)
            if subject.instance.spec.deletion_policy.tables is DeletionPolicy.DELETE:
                changes.append(self._deletion(name, found))
            elif RELEASED_TAG not in found.tags:
                changes.append(self._release(subject, name, found))
        return tuple(changes)

    def _deletion(self, name: str, found: ObservedTable) -> Change:
        unlock = AwsCall("dynamodb", "update_table", {"TableName": name, "DeletionProtectionEnabled": False})
        steps = (unlock,) if found.deletion_protection else ()
        remove = AwsCall("dynamodb", "delete_table", {"TableName": name})
        return Change(self.name, Action.DELETE, "Table", name, (*steps, remove), destructive=True)

    def _release(self, subject: Subject, name: str, found: ObservedTable) -> Change:
        when = subject.instance.metadata.deletion_timestamp or ""
        call = AwsCall("dynamodb", "tag_resource", _tagging(found.arn, {RELEASED_TAG: when}))
        return Change(self.name, Action.RELEASE, "Table", name, (call,), (Difference(RELEASED_TAG, None, when),))


def _tagging(arn: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {"ResourceArn": arn, "Tags": _tag_list(tags)}


_ORDER: Final = (PartState.BROKEN, PartState.PROGRESSING, PartState.READY)


def _worst(each: list[Assessment]) -> Assessment:
    """Return one assessment for all tables: the worst one's words, everybody's changes and resources."""
    worst = min(each, key=lambda item: _ORDER.index(item.state))
    return Assessment(
        worst.state,
        worst.reason,
        worst.message,
        changes=tuple(change for item in each for change in item.changes),
        resources=tuple(resource for item in each for resource in item.resources),
        terminal=worst.terminal,
    )
