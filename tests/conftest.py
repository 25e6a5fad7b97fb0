"""What holds for every test."""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, not of the code: timings belong to the bench.
settings.register_profile("recall", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("recall")

SEED = os.environ.setdefault("RECALL_SEED", str(random.SystemRandom().randrange(1, 10**6)))
"""What samples are drawn by; the same for all processes of a run."""


def pytest_report_header() -> str:
    """Say how to draw the same samples again."""
    return f"RECALL_SEED={SEED}"
