"""A stack of the tests' own: brought up once, beside any stack that people use, and gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recall_local.aws import account
from tests.e2e.running_stack import RunningStack, recall_local, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recall_local.demo.sign_in import Tokens

STACK_NAME = os.environ.get("RECALL_TEST_STACK", "test")
KEEP = bool(os.environ.get("RECALL_TEST_KEEP"))
"""Leave the stack running after the tests, to look at it or to run them again sooner."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test of a run the time that a cold start of the stack takes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def recall() -> Iterator[RunningStack]:
    """The running stack, with the instance `beta`."""
    yield started(STACK_NAME)
    if not KEEP:
        done = recall_local("down", "--erase", stack=STACK_NAME)
        assert done.returncode == 0, f"the stack did not go down:\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def tokens(recall: RunningStack) -> Tokens:
    """Tokens of the demo user at beta."""
    return recall.sign_in("beta.recall.localhost", *account.demo_user(recall.stack.state))


@pytest.fixture
def instance(recall: RunningStack) -> Iterator[Callable[..., dict[str, Any]]]:
    """Make instances of the test's own, deleted with everything of theirs afterwards."""
    made: list[str] = []

    def make(name: str, **spec: Any) -> dict[str, Any]:
        everything = dict.fromkeys(("tables", "signIn", "access", "dns"), "Delete")
        manifest = {
            "apiVersion": "recall.kug.la/v1beta1",
            "kind": "RecallInstance",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "hostname": f"{name}.recall.localhost",
                "api": {"replicas": 1},
                "deletionPolicy": everything,
                **spec,
            },
        }
        made.append(name)
        recall.kubectl.apply(manifest)
        return manifest

    yield make
    for name in made:
        recall.kubectl.run("delete", "recallinstance", name, "--ignore-not-found", "--timeout=120s", timeout=150)
