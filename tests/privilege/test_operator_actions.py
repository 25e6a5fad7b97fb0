"""Every action of the operator's IAM policy is needed by some life, and all together are enough for all lives.

Two judges look at the same lives. The emulated AWS enforces the policy on real requests, but knows of some questions
nothing. The other judge knows from AWS's documents what each request asks for, and evaluates the policy's own text.
`docs/explanation/least-privilege.md` says what each covers.
"""

from __future__ import annotations

import itertools
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from recall_operator.permissions.operator_policy import policy_document
from tests.privilege.account import Account, EmulatorState, new_account, unhurried_aws
from tests.privilege.authorization import KEY_USE, RESTORE_DATA, Authorization
from tests.privilege.door import Call, Door, RefusedError
from tests.privilege.evaluator import Request, allows, matches, without
from tests.privilege.lives import LIVES, Stage
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_operator.aws.client import Aws

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = platform(access={"permissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary", "restores": True})
GRANTED = [(item["Sid"], action) for item in policy_document(ALL)["Statement"] for action in item["Action"]]

NOT_ASKED_BY_EMULATOR = {
    "eks:TagResource": "it asks not for the tags of a new association, and can't tag one later",
    "iam:PassRole": "it lets every caller give EKS any role",
    **dict.fromkeys(KEY_USE, "its DynamoDB uses keys without asking"),
    **{f"dynamodb:{name}": "its restores ask for the right to restore only" for name in RESTORE_DATA},
}
"""Actions that the emulator never asks for. The long form shows that it does not, so the list can't grow stale."""

REMEDY = (
    "No life of tests/privilege/lives.py comes to use it. Take it out of operator_policy.py, or write the life that "
    "needs it; if AWS asks for it beside another action, say so in tests/privilege/authorization.py."
)

_names = (f"i{number}" for number in itertools.count())


@dataclass
class Lived:
    """What a life asked for under the whole policy."""

    name: str
    calls: list[Call]

    @property
    def asked(self) -> Iterator[Request]:
        return (request for call in self.calls for request in call.asked)


@pytest.fixture(scope="module")
def account(emulator: Any) -> Account:
    return new_account(emulator)


@pytest.fixture(scope="module")
def aws(account: Account) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.keys.items():
            patch.setenv(name, value)
        door = unhurried_aws(account.facts.aws.region)
    yield door
    door.close()


async def live(name: str, account: Account, aws: Aws, *, note: bool = False) -> Lived:
    """Live one life as the operator; return what it asked for.

    Raises:
        RefusedError: AWS refused something.
    """
    facts = account.facts
    noting = Authorization(facts.aws.region, facts.aws.account_id, EmulatorState(account.emulator)) if note else None
    door = Door(aws, noting)
    await LIVES[name](Stage(account.emulator, facts, door, next(_names)))
    return Lived(name, door.calls)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lives(account: Account, aws: Aws) -> list[Lived]:
    """All lives, each lived once with the whole policy: the emulator has refused nothing."""
    account.enforce(account.policy)
    return [await live(name, account, aws, note=True) for name in LIVES]


async def test_the_whole_policy_is_enough_for_all_lives(lives: list[Lived], account: Account) -> None:
    refused = {str(request) for life in lives for request in life.asked if not allows(account.policy, request)}
    assert not refused, "AWS would ask for more than operator_policy.py grants"


async def test_the_policy_without_choices_is_enough_for_a_life_without_them(account: Account, aws: Aws) -> None:
    plain = Account(account.emulator, account.plain, account.plain, account.keys)
    plain.enforce(plain.policy)
    life = await live("made_released_and_adopted", plain, aws, note=True)
    assert not [str(request) for request in life.asked if not allows(plain.policy, request)]


@pytest.mark.parametrize(("sid", "action"), GRANTED)
async def test_without_any_one_action_some_life_is_refused(
    lives: list[Lived], account: Account, sid: str, action: str
) -> None:
    less = without(account.policy, sid, action)
    refused = {request.action for life in lives for request in life.asked if not allows(less, request)}
    assert refused == {action}, REMEDY if not refused else "the policy grants an action twice"


@pytest.mark.parametrize("sid", [item["Sid"] for item in policy_document(ALL)["Statement"]])
async def test_every_resource_of_the_policy_is_asked_for(lives: list[Lived], account: Account, sid: str) -> None:
    statement = next(item for item in account.policy["Statement"] if item["Sid"] == sid)
    for pattern in statement["Resource"]:
        assert any(
            request.action in statement["Action"] and matches(pattern, request.resource)
            for life in lives
            for request in life.asked
        ), f"{sid}: no life needs its actions on {pattern}"


def _shortest(lives: list[Lived], action: str) -> str:
    """Return the life that comes soonest to the operation of the action's own name, or else to need it at all.

    The emulator asks for some actions only when the operation of their name is called.
    """
    steps = {
        (request != call.asked[0], number): life.name
        for life in reversed(lives)
        for number, call in reversed(list(enumerate(life.calls)))
        for request in call.asked
        if request.action == action
    }
    return steps[min(steps)]


def _sample() -> list[tuple[str, str]]:
    """Return all actions in the long form; else a few, others at each run (`RECALL_SEED` repeats one)."""
    if os.environ.get("RECALL_LONG"):
        return GRANTED
    seed = int(os.environ["RECALL_SEED"])  # set by tests/conftest.py
    asked = [grant for grant in GRANTED if grant[1] not in NOT_ASKED_BY_EMULATOR]
    return random.Random(seed).sample(asked, 3)  # The tests' names tell which they are.


@pytest.mark.parametrize(("sid", "action"), _sample())
async def test_the_emulator_refuses_exactly_the_action_that_is_left_out(
    lives: list[Lived], account: Account, aws: Aws, sid: str, action: str
) -> None:
    account.enforce(without(account.policy, sid, action))
    name = _shortest(lives, action)
    if action in NOT_ASKED_BY_EMULATOR:
        await live(name, account, aws)
        return
    with pytest.raises(RefusedError) as refusal:
        await live(name, account, aws)
    assert refusal.value.action == action
