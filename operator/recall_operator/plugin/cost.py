"""`kubectl recall cost`: what an instance costs a month awake and hibernated, from a dated table of prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from recall_operator.costs import GIB, Line, PriceTable, Usage, monthly, read_prices, too_old
from recall_operator.plugin.cluster import CommandError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

__all__ = ["GIB", "Usage", "document", "load_prices", "monthly", "text"]

ASSUMPTIONS: Final = (
    "pods cost what they request, as if nodes were filled exactly",
    "the Ingress has a load balancer of its own with one capacity unit while awake; shared ones cost each less",
    "hibernated: no pods, no reads, no writes; the load balancer, the tables, their capacity and their backups stay",
    "with spec.api.autoscaling the least number of pods runs",
    "of backups, those whose RecallBackup is there; `kubectl recall orphans` lists the others",
    "with spec.encryption.perUserKeys: a KMS key for this instance alone, asked for every tenth read or write",
    "not counted: models (by use), users beyond Cognito's free ones, data transfer, and what all instances share",
)


def load_prices(path: Path | None) -> PriceTable:
    """Return the prices at `path`, or those that come with this release.

    Raises:
        CommandError: the file can't be read.
    """
    try:
        return read_prices(path)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise CommandError(f"--prices {path} can't be used: {error}") from error


def document(key: str, lines: list[Line], table: PriceTable, today: date) -> dict[str, Any]:
    """Return the estimate for programs, with a warning when the prices are old `today`."""
    warning = too_old(table.as_of, today)
    return {
        "instance": key,
        "currency": "USD",
        "pricesAsOf": table.as_of,
        "pricesOfRegion": table.region,
        "warnings": [warning] if warning else [],
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
            *found["warnings"],
            f"{'':{width}}  {'awake':>10}  {'hibernated':>10}",
            *(f"{row['what']:{width}}  {row['awake']:10.2f}  {row['hibernated']:10.2f}" for row in rows),
            "Assumed:",
            *(f"  - {line}" for line in found["assumptions"]),
            "Prices from:",
            *(f"  - {line}" for line in found["sources"]),
        ]
    )
