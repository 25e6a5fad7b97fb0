"""All parts of an instance. The one place that a new part is added to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recall_operator.resources.access import Access
from recall_operator.resources.app_client import AppClient
from recall_operator.resources.branding import Branding
from recall_operator.resources.certificate import Certificates
from recall_operator.resources.dns import Dns
from recall_operator.resources.guardrail import Guardrail
from recall_operator.resources.tables import Tables
from recall_operator.resources.workload import Workload

if TYPE_CHECKING:
    from recall_operator.resources.part import AnyPart

PARTS: Final[tuple[AnyPart, ...]] = (
    Tables(),
    AppClient(),
    Branding(),
    Guardrail(),
    Access(),
    Certificates(),
    Dns(),
    Workload(),
)
"""In the order in which plans and conditions show them; what waits for what is said by the parts themselves."""
