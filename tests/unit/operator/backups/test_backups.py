"""RecallBackups: made exactly once whatever happens, honest when they can't be, deleted only when that was asked."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as some

from recall_operator.backups.controller import CHECK_SECONDS
from recall_operator.backups.plan import CERTAIN_SECONDS
from recall_operator.backups.sightings import backup_name
from recall_operator.errors import ApiServerError
from recall_operator.models.instance import Metadata
from recall_operator.reconcile.rhythm import Outcome, Rhythm
from tests.unit.operator.backups.backup_world import MEMORIES, USERS, BackupWorld
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fakes import Crashed
from tests.unit.operator.reconcile.kstatus import kstatus


@pytest.fixture
def world() -> BackupWorld:
    return BackupWorld()


def silence() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://dynamodb")


async def test_both_tables_are_backed_up_once_and_the_status_says_where(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    assert await world.finish(key) is Outcome.SETTLED
    assert world.ready(key) == ("True", "Available")
    assert world.tables_backed_up() == [MEMORIES, USERS]
    status = world.status(key)
    assert status["observedGeneration"] == 1
    assert {item["status"] for item in status["conditions"] if item["type"] != "Ready"} == {"False"}
    assert [item["table"] for item in status["tables"]] == ["memories", "users"]
    assert {item["backupArn"] for item in status["tables"]} == set(world.aws.backups)
    assert {item["state"] for item in status["tables"]} == {"AVAILABLE"}
    assert status["tables"][0]["createdAt"] == "2026-05-01T12:00:00Z"
    assert status["size"] == "4.0 KiB"
    assert kstatus(world.kubernetes.objects[key]) == "Current"
    assert "finalizers" not in world.kubernetes.objects[key]["metadata"]
    world.forget_writes()
    assert await world.back_up(key) is Outcome.SETTLED
    assert world.writes == []
    assert world.rhythms[-1] == Rhythm(CHECK_SECONDS)


async def test_both_are_asked_for_at_one_moment(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    await world.back_up(key)
    assert world.aws.writes == ["create_backup", "create_backup"]
    assert kstatus(world.kubernetes.objects[key]) == "InProgress"


async def test_one_table_alone_can_be_backed_up(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup(tables=["users"])
    await world.finish(key)
    assert world.tables_backed_up() == [USERS]
    assert world.kubernetes.condition(key)["message"] == "Backed up at 2026-05-01T12:00:00Z."


async def test_an_instance_that_sleeps_and_is_paused_is_backed_up_like_any_other(world: BackupWorld) -> None:
    instance = await world.with_instance()
    world.kubernetes.objects[instance]["spec"]["hibernation"] = {"mode": "Asleep"}
    world.kubernetes.objects[instance]["metadata"]["annotations"] = {"recall.kug.la/paused": "true"}
    key = world.kubernetes.put_backup()
    await world.finish(key)
    assert world.ready(key)[0] == "True"


# --- what can't be backed up -----------------------------------------------------------------------------------------


async def test_a_missing_instance_is_named_and_waited_for(world: BackupWorld) -> None:
    key = world.kubernetes.put_backup()
    assert await world.back_up(key) is Outcome.FAILED
    assert world.ready(key) == ("False", "InstanceNotFound")
    assert "RecallInstance beta is not in namespace default. Create it" in world.kubernetes.condition(key)["message"]
    assert kstatus(world.kubernetes.objects[key]) == "InProgress"
    await world.with_instance()
    await world.finish(key)
    assert world.ready(key)[0] == "True"


def lose(world: BackupWorld) -> None:
    del world.aws.tables[USERS]


def give_away(world: BackupWorld) -> None:
    world.aws.tables[USERS]["tags"]["recall.kug.la/uid"] = "another"


def unmark(world: BackupWorld) -> None:
    world.aws.tables[USERS]["tags"].clear()


@pytest.mark.parametrize(("damage", "reason"), [(lose, "TableNotFound"), (give_away, "NotOwned"), (unmark, "NotOwned")])
async def test_when_one_table_can_not_be_backed_up_neither_is(world: BackupWorld, damage: Any, reason: str) -> None:
    await world.with_instance()
    damage(world)
    key = world.kubernetes.put_backup()
    assert await world.back_up(key) is Outcome.FAILED
    assert world.ready(key) == ("False", reason)
    message = world.kubernetes.condition(key)["message"]
    assert USERS in message
    assert "kubectl recall status beta" in message
    assert world.aws.backups == {}
    assert world.status(key)["tables"] == []


async def test_a_table_that_is_being_made_is_waited_for(world: BackupWorld) -> None:
    await world.with_instance()
    world.aws.tables[MEMORIES]["TableStatus"] = "CREATING"
    key = world.kubernetes.put_backup()
    await world.back_up(key)
    assert world.ready(key) == ("Unknown", "Waiting")
    await world.finish(key)
    assert world.ready(key)[0] == "True"


async def test_a_refusal_is_shown_until_the_answer_is_better_and_does_not_flicker(world: BackupWorld) -> None:
    await world.with_instance()
    key, words = world.kubernetes.put_backup(), []

    def deny(operation: str) -> None:
        if operation == "create_backup":
            words.append(world.ready(key))
            raise refused("AccessDeniedException")

    world.aws.before = deny
    for _ in range(3):
        assert await world.back_up(key) is Outcome.FAILED
        world.clock.wait(1)
    assert world.ready(key) == ("False", "AccessDenied")
    assert words[2:] == [("False", "AccessDenied")] * 4
    assert "FakeOperation" in world.kubernetes.condition(key)["message"]
    world.aws.before = lambda _: None
    await world.finish(key)
    assert world.ready(key)[0] == "True"
    assert len(world.aws.backups) == 2


async def test_a_backup_that_somebody_deleted_is_lost_and_never_made_again(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    await world.finish(key)
    lost = next(iter(world.aws.backups))
    del world.aws.backups[lost]
    world.clock.wait(CERTAIN_SECONDS)
    world.forget_writes()
    assert await world.back_up(key) is Outcome.SETTLED
    assert world.ready(key) == ("False", "BackupLost")
    assert lost in world.kubernetes.condition(key)["message"]
    assert world.kubernetes.condition(key, "Stalled")["status"] == "True"
    assert kstatus(world.kubernetes.objects[key]) == "Failed"
    assert world.aws.writes == []


async def test_backups_outlive_their_tables_and_their_instance(world: BackupWorld) -> None:
    instance = await world.with_instance()
    key = world.kubernetes.put_backup()
    await world.finish(key)
    world.aws.tables.clear()
    world.kubernetes.objects.pop(instance)
    world.forget_writes()
    assert await world.back_up(key) is Outcome.SETTLED
    assert world.ready(key)[0] == "True"
    assert world.writes == []


async def test_a_stored_object_that_can_not_be_read_is_refused(world: BackupWorld) -> None:
    key = world.kubernetes.put_backup()
    world.kubernetes.objects[key]["spec"]["tables"] = ["both"]
    assert await world.back_up(key) is Outcome.SETTLED
    assert world.ready(key) == ("False", "InvalidSpec")
    assert "spec.tables" in world.kubernetes.condition(key)["message"]


# --- exactly once ----------------------------------------------------------------------------------------------------


def fault() -> ClientError:
    answer: Any = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return ClientError(answer, "CreateBackup")


@pytest.mark.parametrize("how", [Crashed, silence, fault])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("site", range(16))
async def test_a_fault_at_any_call_makes_no_second_backup(world: BackupWorld, site: int, moment: str, how: Any) -> None:
    """Sites are counted over both doors; a fault after the call is an answer that was lost."""
    await world.with_instance()
    key = world.kubernetes.put_backup(deletionPolicy="Delete")
    calls = 0

    def strike(error: BaseException) -> None:
        nonlocal calls
        calls += 1
        if calls - 1 == site:
            raise error

    setattr(world.aws, moment, lambda _: strike(how()))
    setattr(world.kubernetes, moment, lambda _: strike(Crashed() if how is Crashed else ApiServerError(0, "", "")))
    for _ in range(12):
        with contextlib.suppress(Crashed, ApiServerError):
            await world.back_up(key)
        world.clock.wait(10)
    assert calls > site, "nothing was tried"
    assert world.ready(key)[0] == "True"
    assert world.tables_backed_up() == [MEMORIES, USERS]


async def test_lists_that_lag_make_no_second_backup(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()

    def hide(operation: str) -> None:
        if operation == "create_backup":
            world.aws.unlisted |= set(world.aws.backups)
            raise silence()

    world.aws.after = hide
    await world.back_up(key)
    world.aws.after = lambda _: None
    for _ in range(5):
        world.clock.wait(10)
        assert await world.back_up(key) in (Outcome.MOVED, Outcome.PROGRESSING)
        assert world.ready(key) == ("Unknown", "Requested")
    world.aws.unlisted.clear()
    await world.finish(key)
    assert world.tables_backed_up() == [MEMORIES, USERS]


async def test_of_two_operators_one_asks(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    inner = False

    async def other() -> None:
        await world.back_up(key)

    apply = world.kubernetes.apply

    async def overtaken(manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        nonlocal inner
        if not inner:
            inner = True
            await other()
        return await apply(manifest, subresource=subresource)

    world.kubernetes.apply = overtaken  # type: ignore[method-assign]
    assert await world.back_up(key) is Outcome.PROGRESSING
    await world.finish(key)
    assert world.tables_backed_up() == [MEMORIES, USERS]


async def test_what_is_written_late_changes_nothing(world: BackupWorld) -> None:
    """An old status over a newer one would stay for a day; an old finalizer would hold the object."""
    await world.with_instance()
    key = world.kubernetes.put_backup(deletionPolicy="Delete")
    sent: list[tuple[dict[str, Any], str]] = []
    apply = world.kubernetes.apply

    async def noted(manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        sent.append((manifest, subresource))
        return await apply(manifest, subresource=subresource)

    world.kubernetes.apply = noted  # type: ignore[method-assign]
    await world.finish(key)
    assert {subresource for _, subresource in sent} == {"", "status"}
    done = copy.deepcopy(world.kubernetes.objects[key])
    for manifest, subresource in sent:
        with pytest.raises(ApiServerError, match="has changed"):
            await apply(manifest, subresource=subresource)
    assert world.kubernetes.objects[key] == done


async def test_a_status_that_was_lost_makes_no_second_backup(world: BackupWorld) -> None:
    await world.with_instance()
    key = world.kubernetes.put_backup()
    await world.finish(key)
    before = copy.deepcopy(world.status(key)["tables"])
    del world.kubernetes.objects[key]["status"]
    await world.finish(key)
    assert len(world.aws.backups) == 2
    assert [item["backupArn"] for item in world.status(key)["tables"]] == [item["backupArn"] for item in before]


# --- names -----------------------------------------------------------------------------------------------------------

labels = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
names = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?", fullmatch=True)


@settings(deadline=None)
@given(cluster=some.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True), namespace=labels, name=names)
def test_names_are_legal_on_aws_and_of_one_object_only(cluster: str, namespace: str, name: str) -> None:
    def of(uid: str) -> str:
        return backup_name(cluster, Metadata(name=name, namespace=namespace, uid=uid, generation=1))

    first = of("5d3f5c8e-6c1f-4a9e-9d61-0c1f2b8f0a11")
    assert 3 <= len(first) <= 255
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert first.startswith(f"recall.{cluster}.")
    assert first != of("5d3f5c8e-6c1f-4a9e-9d61-0c1f2b8f0a12")
