"""All stacks of one environment, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_infra.stacks.base import RecallStack
    from recall_infra.stacks.cluster import Cluster
    from recall_infra.stacks.cost import Cost
    from recall_infra.stacks.delivery import Delivery
    from recall_infra.stacks.dns import Dns
    from recall_infra.stacks.edge import Edge
    from recall_infra.stacks.external_dns import ExternalDns
    from recall_infra.stacks.identity import Identity
    from recall_infra.stacks.keys import Keys
    from recall_infra.stacks.network import Network
    from recall_infra.stacks.operator_rights import OperatorRights
    from recall_infra.stacks.registry import Registry
    from recall_infra.stacks.web import Web


@dataclass(frozen=True)
class Stacks:
    """Everything of one environment."""

    network: Network
    cluster: Cluster
    external_dns: ExternalDns | None
    registry: Registry
    dns: Dns
    edge: Edge
    identity: Identity
    web: Web
    operator_rights: OperatorRights
    delivery: Delivery | None
    keys: Keys | None
    cost: Cost

    def __iter__(self) -> Iterator[RecallStack]:
        """Go through the stacks that are there."""
        found: list[RecallStack | None] = list(vars(self).values())
        yield from (stack for stack in found if stack is not None)
