"""Accounts of the emulated AWS with an operator's rights in them, and instances there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.aws.client import RATES, Aws
from tests.integration.operator.resources.test_parts_on_aws import account, credentials
from tests.integration.operator.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recall_operator.platform import Platform


@pytest.fixture(scope="module")
def open_account(emulator: Any) -> Iterator[Callable[[], tuple[Platform, Aws]]]:
    """Open accounts with an operator's rights in them."""
    opened: list[Aws] = []

    def open_one() -> tuple[Platform, Aws]:
        facts = account(emulator)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in credentials(emulator, facts).items():
                patch.setenv(name, value)
            opened.append(Aws(facts.aws.region, dict.fromkeys(RATES, (10_000.0, 10_000))))
        return facts, opened[-1]

    yield open_one
    for aws in opened:
        aws.close()


@pytest.fixture(scope="module")
def shared(open_account: Callable[[], tuple[Platform, Aws]]) -> tuple[Platform, Aws]:
    """One account for most tests: each has an instance of its own in it."""
    return open_account()


@pytest.fixture
def scene(emulator: Any, shared: tuple[Platform, Aws]) -> Scene:
    return Scene(emulator, *shared)


@pytest.fixture
def lonely(emulator: Any, open_account: Callable[[], tuple[Platform, Aws]]) -> Scene:
    """A scene in an account of its own, for what would disturb others."""
    return Scene(emulator, *open_account())
