"""A stateful AWS in memory that keeps the rules which the operator relies on, and fails on demand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from recall_operator.aws.client import is_write
from tests.unit.operator.fake_aws.acm import FakeAcm
from tests.unit.operator.fake_aws.answers import copied
from tests.unit.operator.fake_aws.backups import FakeBackups
from tests.unit.operator.fake_aws.bedrock import FakeBedrock
from tests.unit.operator.fake_aws.cognito import FakeCognito
from tests.unit.operator.fake_aws.eks import FakeEks
from tests.unit.operator.fake_aws.iam import FakeIam
from tests.unit.operator.fake_aws.route53 import FakeRoute53

if TYPE_CHECKING:
    from collections.abc import Callable


HOLDINGS = (
    "tables",
    "clients",
    "roles",
    "associations",
    "records",
    "backed_up",
    "backups",
    "styles",
    "guardrails",
    "certificates",
)
"""What an account holds, one dictionary each. A fake of another service adds its own here."""


class FakeAws(FakeBackups, FakeCognito, FakeIam, FakeEks, FakeRoute53, FakeBedrock, FakeAcm):
    """All services. An operation is the method of its name, with its service before it where two have the same."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    @property
    def writes(self) -> list[str]:
        return [operation for _, operation in self.calls if is_write(operation)]

    def state(self) -> Any:
        return list(self.holdings().values())

    def holdings(self) -> dict[str, Any]:
        """Return a copy of all that the account holds."""
        return copied({name: getattr(self, name) for name in HOLDINGS})

    @classmethod
    def holding(cls, things: dict[str, Any]) -> FakeAws:
        """Return an account that holds these things."""
        account = cls()
        vars(account).update(copied(things))
        return account

    def _get_resources(self, ResourceTypeFilters: list[str], TagFilters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as AWS names them
        (kind,), (wanted,) = ResourceTypeFilters, TagFilters
        tables = {item["TableArn"]: item["tags"] for item in self.tables.values()}
        tagged = {"dynamodb:table": tables, "acm:certificate": self.tagged_certificates()}[kind]
        return {
            "ResourceTagMappingList": [
                {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
                for arn, tags in tagged.items()
                if tags.get(wanted["Key"]) in wanted["Values"]
            ]
        }

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.before(operation)
        self.calls.append((service, operation))
        own = f"_{service.replace('-', '_')}_{operation}"
        method = getattr(self, own, None) or getattr(self, f"_{operation}")
        answer = method(**copied(parameters))
        self.after(operation)
        return copied(answer or {})

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.call(service, operation, **parameters)
        items: list[dict[str, Any]] = answer[key]
        return items
