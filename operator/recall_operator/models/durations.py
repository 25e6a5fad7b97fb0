"""Durations as Kubernetes writes them: hours, minutes and seconds, such as `72h`, `1h30m` or `45s`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

PATTERN: Final = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$"
"""What Go's `time.ParseDuration` and CEL's `duration()` take of it: no days, whose length depends on the clock."""


def parse(text: str) -> timedelta:
    """Return the duration that `text` names.

    Raises:
        ValueError: it names none; the message shows the value and how to write one.
    """
    found = re.fullmatch(PATTERN.strip("^$"), text)
    if not text or found is None:
        raise ValueError(f'"{text}" is no duration; write hours, minutes and seconds, such as 72h or 1h30m')
    hours, minutes, seconds = (int(group[:-1]) if group else 0 for group in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
