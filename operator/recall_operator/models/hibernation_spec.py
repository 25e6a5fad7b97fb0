"""When an instance sleeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from recall_operator.models.base import ResourceModel
from recall_operator.models.hibernation_windows import check_cron, check_zone


class HibernationMode(StrEnum):
    """Whether the instance's pods run; not `on` and `off`, which YAML 1.1 reads as booleans."""

    AWAKE = "Awake"
    ASLEEP = "Asleep"
    SCHEDULED = "Scheduled"


_CRON_FIELDS = (
    "[0-5]?[0-9]",
    "([01]?[0-9]|2[0-3])",
    "(0?[1-9]|[12][0-9]|3[01])",
    "(0?[1-9]|1[0-2]|[A-Za-z]{3})",
    "([0-7]|[A-Za-z]{3})",
)


def _cron_pattern() -> str:
    """Return what a cron expression looks like; which day exists and which range is upside down, `check_cron` says."""

    def field(value: str) -> str:
        item = f"([*]|{value}(-{value})?)(/[1-9][0-9]?)?"
        return f"{item}(,{item})*"

    return "^" + " ".join(map(field, _CRON_FIELDS)) + "$"


Cron = Annotated[str, Field(min_length=9, max_length=128, pattern=_cron_pattern()), AfterValidator(check_cron)]
"""Minute, hour, day of month, month, day of week, as cron(5) has them."""


class HibernationWindow(ResourceModel):
    """One time of sleep that comes again and again."""

    sleep_at: Cron = Field(
        description="When sleep begins: minute, hour, day of month, month, day of week, such as '0 20 * * 1-5'."
    )
    wake_at: Cron = Field(description="When it ends, written the same way, such as '0 7 * * 1-5'.")


class Hibernation(ResourceModel):
    """Pods to zero; data, sign-in and names stay."""

    mode: HibernationMode = Field(
        default=HibernationMode.AWAKE,
        description=(
            "Awake: pods run. Asleep: no pods; data, sign-in and DNS names stay. Scheduled: asleep within the windows."
        ),
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] = Field(
        default="UTC",
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        description="Time zone of the windows' times, by its IANA name such as Europe/Vienna; summer time is kept.",
    )
    windows: list[HibernationWindow] = Field(
        default_factory=list,
        max_length=16,
        description="When to sleep with mode Scheduled; asleep while any of them is open. Other modes ignore them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    @property
    def times(self) -> list[tuple[str, str]]:
        """The windows as pairs of cron expressions."""
        return [(window.sleep_at, window.wake_at) for window in self.windows]
