"""`kubectl recall cost`: what an instance costs a month awake and hibernated, from a dated table of prices."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml
from kubernetes.utils.quantity import parse_quantity
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from recall_operator.plugin.cluster import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from recall_operator.models.spec import RecallInstanceSpec

_GIB: Final = 1024**3
ASSUMPTIONS: Final = (
    "pods cost what they request, as if nodes were filled exactly",
    "the Ingress has a load balancer of its own with one capacity unit while awake; shared ones cost each less",
    "hibernated: no pods, no reads, no writes; the load balancer, the tables and their backups stay",
    "not counted: models (by use), users beyond Cognito's free ones, data transfer, and what all instances share",
)


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Price(_Model):
    """One price and the page that it is from."""

    usd: float = Field(ge=0)
    source: str


class Prices(_Model):
    """What one unit of each thing costs."""

    vcpu_hour: Price
    gib_hour: Price
    load_balancer_hour: Price
    load_balancer_capacity_unit_hour: Price
    table_read_million: Price
    table_write_million: Price
    table_gib_month: Price
    recovery_gib_month: Price


class PriceTable(_Model):
    """Prices with their date and region."""

    as_of: str
    region: str
    hours_per_month: float = Field(gt=0)
    prices: Prices


@dataclass(frozen=True)
class Usage:
    """What the tables hold and do in a month."""

    data_gib: float
    reads_million: float
    writes_million: float


@dataclass(frozen=True)
class Line:
    """One thing that costs, in dollars a month."""

    what: str
    awake: float
    hibernated: float


def load_prices(path: Path | None) -> PriceTable:
    """Return the prices at `path`, or those that come with this release.

    Raises:
        CommandError: the file can't be read.
    """
    try:
        text = path.read_text() if path else resources.files(__package__).joinpath("prices.yaml").read_text()
        return PriceTable.model_validate(yaml.safe_load(text))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise CommandError(f"--prices {path} can't be used: {error}") from error


def monthly(spec: RecallInstanceSpec, usage: Usage, table: PriceTable) -> list[Line]:
    """Return what an instance of this `spec` costs a month, thing by thing."""
    price, hours = table.prices, table.hours_per_month
    requests, replicas = spec.api.resources.requests, spec.api.replicas
    pod_hour = (
        float(parse_quantity(requests.cpu)) * price.vcpu_hour.usd
        + float(parse_quantity(requests.memory)) / _GIB * price.gib_hour.usd
    )
    traffic = usage.reads_million * price.table_read_million.usd + usage.writes_million * price.table_write_million.usd
    stored = usage.data_gib * price.table_gib_month.usd
    backups = usage.data_gib * price.recovery_gib_month.usd if spec.tables.point_in_time_recovery else 0.0
    balancer = hours * price.load_balancer_hour.usd
    unit = hours * price.load_balancer_capacity_unit_hour.usd
    return [
        Line(
            f"pods: {replicas} x {requests.cpu} processor, {requests.memory} memory", replicas * pod_hour * hours, 0.0
        ),
        Line("load balancer", balancer + unit, balancer),
        Line(f"tables: {usage.reads_million:g} M reads, {usage.writes_million:g} M writes", traffic, 0.0),
        Line(f"tables: {usage.data_gib:g} GiB stored", stored, stored),
        Line("tables: point-in-time recovery", backups, backups),
    ]


def document(key: str, lines: list[Line], table: PriceTable) -> dict[str, Any]:
    """Return the estimate for programs."""
    return {
        "instance": key,
        "currency": "USD",
        "pricesAsOf": table.as_of,
        "pricesOfRegion": table.region,
        "awake": round(sum(line.awake for line in lines), 2),
        "hibernated": round(sum(line.hibernated for line in lines), 2),
        "lines": [{"what": x.what, "awake": round(x.awake, 2), "hibernated": round(x.hibernated, 2)} for x in lines],
        "assumptions": list(ASSUMPTIONS),
        "sources": sorted({price.source for _, price in table.prices}),
    }


def text(found: dict[str, Any]) -> str:
    """Return the estimate for people."""
    rows = [*found["lines"], {"what": "together", **{x: found[x] for x in ("awake", "hibernated")}}]
    width = max(len(row["what"]) for row in rows)
    head = f"{found['instance']}: US dollars a month, prices of {found['pricesOfRegion']} as of {found['pricesAsOf']}"
    return "\n".join(
        [
            head,
            f"{'':{width}}  {'awake':>10}  {'hibernated':>10}",
            *(f"{row['what']:{width}}  {row['awake']:10.2f}  {row['hibernated']:10.2f}" for row in rows),
            "Assumed:",
            *(f"  - {line}" for line in found["assumptions"]),
            "Prices from:",
            *(f"  - {line}" for line in found["sources"]),
        ]
    )
