"""Deleted RecallBackups: what goes with them, what stays, and what blocks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ReadTimeoutError

from recall_operator.backups.plan import PATIENCE_SECONDS
from recall_operator.reconcile.rhythm import Outcome
from tests.unit.operator.backups.backup_world import MEMORIES, BackupWorld
from tests.unit.operator.fake_aws import refused

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey


@pytest.fixture
def world() -> BackupWorld:
    return BackupWorld()


async def made(world: BackupWorld, policy: str = "Delete") -> ObjectKey:
    await world.with_instance()
    key = world.kubernetes.put_backup(deletionPolicy=policy)
    await world.finish(key)
    return key


async def test_retain_is_the_default_and_leaves_the_backups(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    await world.finish(key)
    world.kubernetes.delete_instance(key)
    assert key not in world.kubernetes.objects
    assert len(world.aws.backups) == 2


async def test_delete_takes_its_own_backups_and_no_others(world: BackupWorld) -> None:
    key = await made(world)
    name = world.aws.backups[next(iter(world.aws.backups))]["BackupName"]
    foreign = world.aws._create_backup(MEMORIES, f"{name}x")["BackupDetails"]["BackupArn"]
    # Somebody who may write the status names a backup that is not this object's.
    world.status(key)["tables"][0]["backupArn"] = foreign
    world.kubernetes.delete_instance(key)
    assert await world.finish(key) is Outcome.GONE
    assert list(world.aws.backups) == [foreign]
    assert key not in world.kubernetes.objects


async def test_the_policy_can_be_changed_at_any_time(world: BackupWorld) -> None:
    key = await made(world)
    world.kubernetes.put_backup(deletionPolicy="Retain")
    await world.finish(key)
    assert world.kubernetes.objects[key]["metadata"]["finalizers"] == []
    world.kubernetes.put_backup(deletionPolicy="Delete")
    await world.finish(key)
    world.kubernetes.delete_instance(key)
    world.kubernetes.put_backup(deletionPolicy="Retain")
    assert await world.finish(key) is Outcome.GONE
    assert len(world.aws.backups) == 2


async def test_what_blocks_a_deletion_is_named_with_the_way_out(world: BackupWorld) -> None:
    key = await made(world)

    def deny(operation: str) -> None:
        if operation == "delete_backup":
            raise refused("AccessDeniedException")

    world.aws.before = deny
    world.kubernetes.delete_instance(key)
    assert await world.back_up(key) is Outcome.FAILED
    stalled = world.kubernetes.condition(key, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "AccessDenied")
    assert (
        """kubectl patch recallbackup before -n default --type merge -p '{"spec":{"deletionPolicy":"Retain"}}'"""
        in (stalled["message"])
    )
    world.aws.before = lambda _: None
    assert await world.finish(key) is Outcome.GONE


async def test_a_deletion_that_takes_long_is_called_blocked(world: BackupWorld) -> None:
    key = await made(world)
    world.kubernetes.delete_instance(key)
    world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"

    def never(operation: str) -> None:
        if operation == "delete_backup":
            raise refused("BackupInUseException")

    world.aws.before = never
    await world.back_up(key)
    assert world.ready(key) == ("Unknown", "Deleting")
    world.clock.wait(PATIENCE_SECONDS)
    await world.back_up(key)
    assert world.ready(key) == ("False", "DeletionBlocked")


async def test_a_backup_that_may_still_appear_is_waited_for_and_deleted(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup(deletionPolicy="Delete")

    def hide(operation: str) -> None:
        if operation == "create_backup":
            world.aws.unlisted |= set(world.aws.backups)
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    await world.back_up(key)  # the finalizer
    world.aws.after = hide
    await world.back_up(key)
    world.aws.after = lambda _: None
    world.kubernetes.delete_instance(key)
    world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    await world.back_up(key)
    assert key in world.kubernetes.objects
    world.aws.unlisted.clear()
    assert await world.finish(key) is Outcome.GONE
    assert world.aws.backups == {}
