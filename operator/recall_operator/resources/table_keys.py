"""What users' data keys ask of the tables: sealed data and its keys are taken over together, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recall_operator.ownership import Standing
from recall_operator.resources.plan import Assessment, PartState
from recall_operator.resources.table_names import DATA, KEYS, KEYS_TABLE_TAG, roles, sealing_tags, table_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.models.tables_spec import Tables
    from recall_operator.resources.part import Subject

_HOW_TO = "(docs/how-to/user-keys.md)"


def wanted_settings(subject: Subject, role: str) -> Tables:
    """Return what the spec says of a table of a `role`."""
    spec = subject.instance.spec.tables
    # A key that came back from a backup would open what was erased.
    return spec if role != KEYS else spec.model_copy(update={"point_in_time_recovery": False, "billing": None})


def wrong_keys(
    subject: Subject, tags: Mapping[str, Mapping[str, str] | None], rights: Mapping[str, Standing]
) -> Assessment | None:
    """Return what is wrong when data is to be taken over without the keys that sealed it; None when nothing is.

    Nothing is done then: a keys table that is made empty would only hide that nothing can be read.

    Args:
        subject: the instance.
        tags: of each table by its role; None for one that does not exist.
        rights: to each table that exists.
    """
    if trouble := _elsewhere(subject):
        return trouble
    spec = subject.instance.spec.tables
    adopted = [role for role in DATA if rights.get(role) is Standing.ADOPT]
    for role in adopted:
        has, wants = (tags[role] or {}).get(KEYS_TABLE_TAG), sealing_tags(subject).get(KEYS_TABLE_TAG)
        name = table_name(subject, role)
        if has and has != wants:
            return _broken(
                "SealedByOtherKeys",
                f"Table {name} is sealed by the data keys in table {has}. Nothing was changed. Make the instance "
                f"with spec.encryption.perUserKeys and spec.tables.keys.name: {has} {_HOW_TO}.",
            )
        if wants and not has:
            return _broken(
                "NotSealed",
                f"Table {name} holds data that was not sealed, and spec.encryption.perUserKeys reads only what was. "
                "Nothing was changed. Make an instance without perUserKeys for it, and move the data by export and "
                f"import {_HOW_TO}.",
            )
    restored = spec.memories.restore_from is not None or spec.users.restore_from is not None
    if KEYS in roles(subject) and tags[KEYS] is None and (restored or adopted):
        what = "the backup" if restored else f"table {table_name(subject, adopted[0])}"
        return _broken(
            "KeysNotFound",
            f"Table {table_name(subject, KEYS)} is not there, and without the keys in it nothing in {what} can be "
            "read. Nothing was made. Name the keys table that belongs to it in spec.tables.keys.name of a new "
            f"instance; if it is gone, so is the data {_HOW_TO}.",
        )
    return None


def _elsewhere(subject: Subject) -> Assessment | None:
    """Return what is wrong with a KMS key of another region: the pods could not reach it."""
    keys, region = subject.instance.spec.encryption.per_user_keys, subject.platform.aws.region
    if keys is None or keys.kms_key_arn.split(":")[3] == region:
        return None
    return _broken(
        "KmsKeyElsewhere",
        f"spec.encryption.perUserKeys.kmsKeyArn: {keys.kms_key_arn} is not in {region}, the instance's region. Nothing "
        "was made. Delete the instance and make it again with a key of its region.",
    )


def _broken(reason: str, message: str) -> Assessment:
    return Assessment(PartState.BROKEN, reason, message, terminal=True)
