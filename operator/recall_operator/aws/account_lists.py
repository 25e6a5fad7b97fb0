"""What the operator knows to read for all instances at once: the account-wide lists, and which reads they answer.

A new part that is to cost nothing while it is in order needs a line or two here:

- its reads of one resource that AWS also lists for the whole account: an `AccountList` and a line in `LOOKUPS`;
- its reads that AWS offers only one resource at a time: a line in `DESCRIBED`. They are remembered for two days on
  average; a list that shows the resource, if there is one, tells at once when it is gone;
- a list that the part searches itself: an `AccountList` of its own, read with `find`.

What is in none of them is asked of AWS at every pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from recall_operator.ownership import CLUSTER_TAG

if TYPE_CHECKING:
    from recall_operator.aws.client import AwsCaller

Item = dict[str, Any]
Parameters = Mapping[str, Any]


def _nothing(_: str) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class AccountList:
    """A list that is the same for all instances of an account, a user pool, a cluster or a zone."""

    service: str
    operation: str
    items: str
    """Where an answer holds the items."""
    keys: Callable[[Item], Iterable[str]]
    """Under which words an item is looked up; an item without any is not kept."""
    page: int
    """Items on one page, for what reading it costs."""
    parameters: Callable[[str], dict[str, Any]] = _nothing
    """Parameters of its own, given the cluster's name."""


@dataclass(frozen=True)
class Lookup:
    """How a list answers a read of one resource."""

    of: AccountList
    key: Callable[[Parameters], str]
    """The word to look up."""
    answer: Callable[[list[Item], Parameters], Any]
    """The answer, given what the list has under that word; None when it does not hold one: then AWS is asked."""
    passed: tuple[str, ...] = ()
    """Parameters of the read that the list takes too."""


TABLES: Final = AccountList(
    "resourcegroupstaggingapi",
    "get_resources",
    "ResourceTagMappingList",
    lambda item: (_last(item["ResourceARN"]),),
    100,
    lambda cluster: {
        "ResourceTypeFilters": ["dynamodb:table"],
        "TagFilters": [{"Key": CLUSTER_TAG, "Values": [cluster]}],
    },
)
ROLES: Final = AccountList(
    "iam",
    "get_account_authorization_details",
    "RoleDetailList",
    # All names that the operator gives begin so; a large account has many other roles.
    lambda item: (item["RoleName"],) if item["RoleName"].startswith("recall") else (),
    100,
    lambda _: {"Filter": ["Role"]},
)
ASSOCIATIONS: Final = AccountList(
    "eks",
    "list_pod_identity_associations",
    "associations",
    lambda item: (f"{item['namespace']}/{item['serviceAccount']}",),
    100,
)


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _policy(roles: list[Item], parameters: Parameters) -> Item | None:
    listed = (item for role in roles for item in role.get("RolePolicyList", ()))
    return next((item for item in listed if item["PolicyName"] == parameters["PolicyName"]), None)


LOOKUPS: Final[dict[str, Lookup]] = {
    "get_role": Lookup(ROLES, lambda given: given["RoleName"], lambda roles, _: {"Role": roles[0]} if roles else None),
    "get_role_policy": Lookup(ROLES, lambda given: given["RoleName"], _policy),
    "list_tags_of_resource": Lookup(
        TABLES, lambda given: _last(given["ResourceArn"]), lambda tables, _: tables[0]["Tags"] if tables else None
    ),
    "list_pod_identity_associations": Lookup(
        ASSOCIATIONS,
        lambda given: f"{given['namespace']}/{given['serviceAccount']}",
        lambda associations, _: associations,
        ("clusterName",),
    ),
}
"""Reads of one resource that a list answers as well."""


def _table(given: Parameters) -> str:
    return str(given["TableName"])


_SHOWN: Final = Lookup(TABLES, _table, lambda tables, _: tables or None)

DESCRIBED: Final[dict[str, Lookup | None]] = {
    "describe_table": _SHOWN,
    "describe_continuous_backups": _SHOWN,
    "describe_time_to_live": _SHOWN,
    # Their parts find them by a list before they describe them.
    "describe_user_pool_client": None,
    "describe_managed_login_branding_by_client": None,
    "describe_pod_identity_association": None,
    "get_guardrail": None,
    "list_guardrails": None,  # With an id: a guardrail's versions.
    "list_tags_for_resource": None,
    "describe_certificate": None,
    "list_tags_for_certificate": None,
}
"""Reads that AWS offers only one resource at a time, and the list that shows whether there is such a resource."""


@runtime_checkable
class Finder(Protocol):
    """Knows account-wide lists."""

    async def find(self, of: AccountList, words: Iterable[str], **parameters: Any) -> list[Item]:
        """Return the items under any of `words`."""
        ...


async def find(aws: AwsCaller, of: AccountList, words: Iterable[str], **parameters: Any) -> list[Item]:
    """Return the items of a list under any of `words`, from whoever knows the list or from AWS itself.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it could not be read.
    """
    if isinstance(aws, Finder):
        return await aws.find(of, words, **parameters)
    wanted = set(words)
    listed = await aws.pages(of.service, of.operation, of.items, **parameters)
    return [item for item in listed if not wanted.isdisjoint(of.keys(item))]
