"""What a user may ask for of encryption beyond DynamoDB's own: a data key for each user."""

from __future__ import annotations

from pydantic import Field

from recall_operator.models.base import KmsKeyArn, ResourceModel, immutable_when_set

ENCRYPTION_RULE = immutable_when_set(
    "perUserKeys",
    "spec.encryption.perUserKeys can't be added, changed or removed: what is stored stays as it was sealed; create "
    "another instance with it and move the data by export and import",
)
RESTORE_RULE = (
    "!has(self.encryption.perUserKeys) || has(self.tables.keys.name) || "
    "(!has(self.tables.memories.restoreFrom) && !has(self.tables.users.restoreFrom))",
    "spec.tables.keys.name must name the keys table of the instance that the backup is of, with "
    "spec.encryption.perUserKeys and restoreFrom: without its keys nothing in the backup can be read",
)
KEYS_RULE = (
    "has(self.encryption.perUserKeys) || !has(self.tables.keys.name)",
    "spec.tables.keys.name needs spec.encryption.perUserKeys: without it there is no keys table; leave the name out, "
    "or set spec.encryption.perUserKeys.kmsKeyArn in a new instance",
)


class PerUserKeys(ResourceModel):
    """A data key for each user."""

    kms_key_arn: KmsKeyArn = Field(
        description=(
            "Symmetric KMS key, in the instance's region, that wraps the users' data keys. Its key policy must leave "
            "the decision to IAM. When it is deleted, everything is unreadable for ever."
        )
    )


class Encryption(ResourceModel):
    """Encryption beyond DynamoDB's own."""

    per_user_keys: PerUserKeys | None = Field(
        default=None,
        description=(
            "Seal what each user stores by a data key of their own, kept in a third table of which there are no "
            "backups; deleting an account then reaches all backups at once. Absent means that DynamoDB's encryption "
            "is all. It can't be added, changed or removed later."
        ),
    )
