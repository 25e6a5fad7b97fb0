"""The DynamoDB tables of an instance: memories, users and, where users have keys of their own, keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_operator.errors import is_not_found
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import RELEASED_TAG, Owner, Standing, refusal, standing
from recall_operator.requests.asking import NotReadError
from recall_operator.resources.plan import (
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
from recall_operator.resources.restore_source import Source, resolve
from recall_operator.resources.table_keys import wanted_settings, wrong_keys
from recall_operator.resources.table_names import DATA, KEYS, roles, table_arn, table_name, wanted_tags
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

    from recall_operator.models.tables_spec import RestoreFrom
    from recall_operator.resources.part import Clients, Subject

_LOST_KEY: Final = "DynamoDB may not use its KMS key"
_STUCK: Final = {
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": (
        f"{_LOST_KEY}. Enable the key, or undo its deletion, within seven days; then DynamoDB archives the table."
    ),
    "ARCHIVING": f"{_LOST_KEY} for more than seven days. DynamoDB is making a backup of it; wait until it is ARCHIVED.",
    "ARCHIVED": (
        f"{_LOST_KEY} for more than seven days. Its data is in the backup that DynamoDB made: restore the key, then "
        "restore that backup as a table of another name and give it in spec.tables of a new instance."
    ),
}
"""States that no waiting ends, each with its remedy. Source: DynamoDB API reference, TableDescription, TableStatus."""


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
    described: bool = True
    """Whether more than name and tags was read; if not, the rest is taken to be as it was left."""
    restored: Mapping[str, Any] = field(default_factory=dict)
    """AWS's RestoreSummary: what it was filled from; empty when it was made empty."""

    @property
    def owner(self) -> Owner | None:
        """The instance whose tags it bears."""
        return Owner.from_tags(self.tags)


@dataclass(frozen=True)
class ObservedTables:
    """The tables, and what each is filled from when it is made."""

    tables: Mapping[str, ObservedTable | None]
    sources: Mapping[str, Source]
    """Of tables that are not marked as anybody's; the others have been filled."""

    def is_own(self, subject: Subject, role: str) -> bool:
        """Whether a table is this instance's work, by its tags; AWS restores tables without any, so by its source."""
        found = self.tables[role]
        if found is None:
            return False
        if found.owner is None:
            return restored_from(self.sources[role].restore_from, found.restored)
        return found.owner.uid == subject.owner.uid


def _rights(subject: Subject, role: str, observed: ObservedTables) -> Standing:
    """Return what the instance may do with a table that exists."""
    if observed.is_own(subject, role):
        return Standing.OURS
    found = observed.tables[role]
    assert found is not None  # noqa: S101 - it exists
    adoption = subject.instance.spec.adoption
    return standing(found.owner, subject.owner, adoption, released=RELEASED_TAG in found.tags)


def _active(subject: Subject) -> str:
    return "Both tables are active." if roles(subject) == DATA else "All three tables are active."


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


async def _observe_table(name: str, arn: str, clients: Clients) -> ObservedTable | None:
    try:
        table = (await clients.aws.call("dynamodb", "describe_table", TableName=name))["Table"]
        tags, backups, time_to_live = await asyncio.gather(
            clients.aws.pages("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=table["TableArn"]),
            clients.aws.call("dynamodb", "describe_continuous_backups", TableName=name),
            clients.aws.call("dynamodb", "describe_time_to_live", TableName=name),
        )
    except NotReadError:
        return await _trusted_table(arn, clients)
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


async def _trusted_table(arn: str, clients: Clients) -> ObservedTable:
    """Return what a shared list says of a table that was in order when it was last described."""
    tags = await clients.aws.pages("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=arn)
    return ObservedTable(
        arn,
        state="ACTIVE",
        keys=(),
        billing="",
        deletion_protection=False,
        tags={tag["Key"]: tag["Value"] for tag in tags},
        recovery=False,
        time_to_live=None,
        described=False,
    )


class Tables:
    """Keeps the tables; data is kept by default when the instance goes."""

    name = "tables"
    condition = "TablesReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedTables:
        """Read the tables."""
        found = await asyncio.gather(
            *(_observe_table(table_name(subject, role), table_arn(subject, role), clients) for role in roles(subject))
        )
        tables = dict(zip(roles(subject), found, strict=True))
        unmarked = [role for role, table in tables.items() if table is None or table.owner is None]
        return ObservedTables(tables, {role: await resolve(subject, role, clients) for role in unmarked})

    def outputs(self, subject: Subject, observed: ObservedTables) -> Mapping[str, str]:
        """Names follow from the spec: nobody needs to wait for them."""
        del subject, observed
        return {}

    def plan(self, subject: Subject, observed: ObservedTables, outputs: Mapping[str, str]) -> Assessment:
        """Create what is missing, mend what differs, refuse what is another's."""
        del outputs
        tags = {role: found.tags if found else None for role, found in observed.tables.items()}
        rights = {role: _rights(subject, role, observed) for role, found in observed.tables.items() if found}
        if trouble := wrong_keys(subject, tags, rights):
            return trouble
        each = [self._plan_table(subject, role, observed) for role in roles(subject)]
        return _worst(each)

    def _plan_table(self, subject: Subject, role: str, observed: ObservedTables) -> Assessment:
        name, found = table_name(subject, role), observed.tables[role]
        if found is None:
            source = observed.sources[role]
            if source.trouble:
                return source.trouble
            creates = self._creation(subject, role, source.restore_from)
            return Assessment(PartState.PROGRESSING, "Creating", f"Table {name} is being created.", (creates,))
        resource = (ResourceStatus(kind="Table", name=name, arn=found.arn, state=found.state),)
        rights = _rights(subject, role, observed)
        if rights is Standing.REFUSED:
            message = refusal(f"Table {name}", found.owner, f"choose another name in spec.tables.{role}.name")
            return Assessment(PartState.BROKEN, "NotOwned", message, resources=resource, terminal=True)
        if not found.described and not differences(wanted_tags(subject), found.tags):
            return Assessment(PartState.READY, "Available", _active(subject), resources=resource)
        if found.keys != tuple((key["AttributeName"], key["KeyType"]) for key in KEY_SCHEMA):
            message = (
                f"Table {name} has the keys {found.keys}, not pk and sk: it is no table of Recall. "
                f"Choose another name in spec.tables.{role}.name."
            )
            return Assessment(PartState.BROKEN, "WrongKeys", message, resources=resource, terminal=True)
        if found.state in _STUCK:
            message = f"Table {name} is {found.state}: {_STUCK[found.state]}"
            return Assessment(PartState.BROKEN, "TableUnusable", message, resources=resource, terminal=True)
        if found.state != "ACTIVE":
            return progressing("Waiting", f"Table {name} is {found.state}.", resource)
        changes = self._changes(subject, role, found, rights)
        if changes:
            return Assessment(PartState.PROGRESSING, "Updating", f"Table {name} is being changed.", changes, resource)
        return Assessment(PartState.READY, "Available", _active(subject), resources=resource)

    def _creation(self, subject: Subject, role: str, source: RestoreFrom | None) -> Change:
        spec, name = wanted_settings(subject, role), table_name(subject, role)
        if role == KEYS and spec.deletion_protection is None:
            spec = spec.model_copy(update={"deletion_protection": True})  # nothing could bring it back
        call = creation(spec, source, name, wanted_tags(subject))
        return Change(self.name, Action.CREATE, "Table", name, (call,), appearing(creation_fields(spec, source)))

    def _changes(self, subject: Subject, role: str, found: ObservedTable, rights: Standing) -> tuple[Change, ...]:
        spec, name = wanted_settings(subject, role), table_name(subject, role)
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
        if role != KEYS and found.time_to_live != contract.TIME_TO_LIVE_ATTRIBUTE:
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
        """Delete or release the tables, as the policy says; another's table is left alone."""
        changes: list[Change] = []
        for role in roles(subject):
            found = observed.tables[role]
            if found is None or not observed.is_own(subject, role):
                continue
            if found.state in ("CREATING", "DELETING"):
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
        # All tags: a table that was being restored bears none yet.
        call = AwsCall("dynamodb", "tag_resource", _tagging(found.arn, wanted_tags(subject) | {RELEASED_TAG: when}))
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
