"""`kubectl recall orphans`: resources on AWS with our marks whose instance lives no more. It only ever reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from recall_operator.errors import is_not_found
from recall_operator.ownership import CLUSTER_TAG, RELEASED_TAG, Owner
from recall_operator.resources.access import ROLE_PREFIX
from recall_operator.resources.dns_records import parse_owner
from recall_operator.resources.table_names import TABLE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from recall_operator.platform import Platform

Session = Any
"""boto3's session; its stubs know no clients whose name is not a literal."""

_CLIENT_PREFIX: Final = "recall."
BACKUP: Final = "Backup"
"""Kind of what belongs to a RecallBackup rather than to an instance."""


@dataclass(frozen=True)
class Marked:
    """One resource that bears the marks of an instance."""

    kind: str
    name: str
    owner: Owner
    released: str | None = None
    """When its instance was deleted and left it behind on purpose."""


def orphans(marked: Iterable[Marked], cluster: str, living: Collection[str]) -> list[Marked]:
    """Return those of `marked` that belong to this cluster and to none of the `living` uids."""
    return sorted(
        (item for item in marked if item.owner.cluster == cluster and item.owner.uid not in living),
        key=lambda item: (item.owner.namespace, item.owner.name, item.kind, item.name),
    )


def _tagged(kind: str, name: str, tags: Mapping[str, str]) -> list[Marked]:
    owner = Owner.from_tags(tags)
    return [Marked(kind, name, owner, tags.get(RELEASED_TAG))] if owner and CLUSTER_TAG in tags else []


def _pairs(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _unless_gone(read: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    """Return the answer of a read about something that was listed; nothing when it is gone meanwhile."""
    try:
        answer: dict[str, Any] = read(**parameters)
    except ClientError as error:
        if is_not_found(error):
            return {}
        raise
    return answer


def _table_tags(dynamodb: Any, arn: str) -> dict[str, str]:
    pages = dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    return _pairs(_unless_gone(pages.build_full_result).get("Tags", ()))


def _tables(session: Session, platform: Platform) -> list[Marked]:
    dynamodb, aws = session.client("dynamodb"), platform.aws
    found: list[Marked] = []
    for page in dynamodb.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            arn = f"arn:aws:dynamodb:{aws.region}:{aws.account_id}:table/{name}"
            found += _tagged("Table", name, _table_tags(dynamodb, arn))
    return found


def _roles(session: Session, platform: Platform) -> list[Marked]:
    del platform
    iam = session.client("iam")
    found: list[Marked] = []
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            name = role["RoleName"]
            if name.startswith(f"{ROLE_PREFIX}."):
                tags = _unless_gone(iam.list_role_tags, RoleName=name).get("Tags", ())
                found += _tagged("Role", name, _pairs(tags))
    return found


def _associations(session: Session, platform: Platform) -> list[Marked]:
    eks, cluster = session.client("eks"), platform.cluster.name
    found: list[Marked] = []
    for page in eks.get_paginator("list_pod_identity_associations").paginate(clusterName=cluster):
        for item in page["associations"]:
            which = {"clusterName": cluster, "associationId": item["associationId"]}
            answer = _unless_gone(eks.describe_pod_identity_association, **which)
            name = f"{item['namespace']}/{item['serviceAccount']}"
            found += _tagged("PodIdentityAssociation", name, answer.get("association", {}).get("tags", {}))
    return found


def _guardrails(session: Session, platform: Platform) -> list[Marked]:
    bedrock = session.client("bedrock", region_name=platform.aws.bedrock_region)
    found: list[Marked] = []
    for page in bedrock.get_paginator("list_guardrails").paginate():
        for item in page["guardrails"]:
            tags = _unless_gone(bedrock.list_tags_for_resource, resourceARN=item["arn"]).get("tags", ())
            found += _tagged("Guardrail", item["name"], {tag["key"]: tag["value"] for tag in tags})
    return found


def _app_clients(session: Session, platform: Platform) -> list[Marked]:
    pages = session.client("cognito-idp").get_paginator("list_user_pool_clients")
    found: list[Marked] = []
    for page in pages.paginate(UserPoolId=platform.identity.user_pool_id):
        for item in page["UserPoolClients"]:
            place, at, uid = item["ClientName"].partition("@")
            words = place.removeprefix(_CLIENT_PREFIX).split(".")
            # recall.<cluster>.<namespace>.<name>@<uid>; a long name was cut and tells only the uid.
            if at and place.startswith(_CLIENT_PREFIX):
                whole = len(words) == 3
                owner = Owner(words[0], words[1], words[2], uid) if whole else Owner(words[0], "", place, uid)
                found.append(Marked("UserPoolClient", item["ClientName"], owner))
    return found


def _certificates(session: Session, platform: Platform) -> list[Marked]:
    del platform
    acm = session.client("acm")
    found: list[Marked] = []
    for page in acm.get_paginator("list_certificates").paginate():
        for item in page["CertificateSummaryList"]:
            tags = _unless_gone(acm.list_tags_for_certificate, CertificateArn=item["CertificateArn"]).get("Tags", ())
            found += _tagged("Certificate", item["CertificateArn"], _pairs(tags))
    return found


def _names(session: Session, platform: Platform) -> list[Marked]:
    pages = session.client("route53").get_paginator("list_resource_record_sets")
    found: list[Marked] = []
    for page in pages.paginate(HostedZoneId=platform.dns.hosted_zone_id):
        for record in page["ResourceRecordSets"]:
            owner = parse_owner(record) if record["Type"] == "TXT" else None
            if owner:
                found.append(Marked("DNSName", record["Name"].rstrip("."), owner))
    return found


def _backups(session: Session, platform: Platform) -> list[Marked]:
    """Return the backups that RecallBackups made; deleting one of those leaves them, by default."""
    del platform
    found: list[Marked] = []
    for page in session.client("dynamodb").get_paginator("list_backups").paginate(BackupType="USER"):
        for item in page["BackupSummaries"]:
            # recall.<cluster>.<namespace>.<name>.<uid>; a name that was too long for AWS tells no uid.
            words = item["BackupName"].split(".")
            if len(words) == 5 and words[0] == TABLE_PREFIX and all(words):
                found.append(Marked(BACKUP, item["BackupArn"], Owner(*words[1:])))
    return found


READERS: Final[Mapping[str, Callable[[Session, Platform], list[Marked]]]] = {
    "tables": _tables,
    "roles": _roles,
    "associations": _associations,
    "app clients": _app_clients,
    "certificates": _certificates,
    "guardrails": _guardrails,
    "names": _names,
    "backups": _backups,
}


async def marked(session: Session, platform: Platform) -> tuple[list[Marked], list[str]]:
    """Return everything that bears our marks, and what could not be read."""

    async def read(what: str) -> list[Marked] | str:
        try:
            return await asyncio.to_thread(READERS[what], session, platform)
        except (ClientError, BotoCoreError) as error:
            return f"{what} could not be read: {error}"

    answers = await asyncio.gather(*map(read, READERS))
    found = [item for answer in answers if isinstance(answer, list) for item in answer]
    return found, [answer for answer in answers if isinstance(answer, str)]
