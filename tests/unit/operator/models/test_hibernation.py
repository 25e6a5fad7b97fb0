"""When an instance sleeps: windows, time zones, clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic import ValidationError

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.hibernation_windows import check_cron, check_zone, is_asleep, next_transition
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome, Rhythm
from tests.unit.operator.fakes import World

VIENNA = "Europe/Vienna"
NIGHTS = [("0 20 * * 1-5", "0 7 * * 1-5")]
ZONES = ["UTC", VIENNA, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata", "Pacific/Apia"]
crons = some.builds(
    "{} {} * * {}".format,
    some.sampled_from(["0", "30", "59", "*/20"]),
    some.sampled_from(["0", "1", "2", "3", "7", "20", "23"]),
    some.sampled_from(["*", "1-5", "0", "6,0", "MON"]),
)
windows = some.lists(some.tuples(crons, crons), min_size=1, max_size=3)
# Around the clock changes of both hemispheres, to the second.
moments = some.one_of(
    some.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001 - as it asks
    some.sampled_from(
        [
            datetime(2026, 3, 29, tzinfo=UTC),
            datetime(2026, 10, 25, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2026, 11, 1, tzinfo=UTC),
        ]
    ).flatmap(lambda day: some.integers(0, 6 * 3600).map(lambda seconds: day + timedelta(seconds=seconds))),
).map(lambda moment: moment.replace(microsecond=0))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@settings(max_examples=40, deadline=None)
@given(now=moments, chosen=windows, zone=some.sampled_from(ZONES))
def test_the_state_holds_until_the_next_transition_and_flips_there(
    now: datetime, chosen: list[tuple[str, str]], zone: str
) -> None:
    before, when = is_asleep(now, chosen, zone), next_transition(now, chosen, zone)
    if when is None:
        assert is_asleep(now + timedelta(days=9), chosen, zone) is before
        return
    assert when > now
    assert is_asleep(when, chosen, zone) is not before
    for part in (0.1, 0.5, 0.9, 1.0):
        between = min(now + (when - now) * part, when - timedelta(seconds=1))
        if between >= now:
            assert is_asleep(between, chosen, zone) is before


@settings(max_examples=20, deadline=None)
@given(now=moments, zone=some.sampled_from(ZONES))
def test_the_time_zone_is_that_of_the_wall_clock(now: datetime, zone: str) -> None:
    when = next_transition(now, [("0 20 * * *", "0 7 * * *")], zone)
    assert when is not None
    local = when.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute) in [(20, 0), (7, 0)]


def test_a_weekend_is_slept_through() -> None:
    assert is_asleep(at("2026-03-28T12:00:00"), NIGHTS, VIENNA)
    # Winter time until Saturday, summer time on Monday.
    assert next_transition(at("2026-03-28T12:00:00"), NIGHTS, VIENNA) == at("2026-03-30T05:00:00")


def test_a_time_in_the_gap_comes_right_after_it() -> None:
    # 02:30 does not exist on that day: 01:59:59 is followed by 03:00:00, which is 01:00 UTC.
    assert next_transition(at("2026-03-29T00:00:00"), [("30 2 * * *", "0 7 * * *")], VIENNA) == at(
        "2026-03-29T01:00:00"
    )


def test_a_time_in_the_fold_comes_once_at_its_first_pass() -> None:
    half_past_two = [("30 2 * * *", "45 2 * * *")]
    first = next_transition(at("2026-10-25T00:00:00"), half_past_two, VIENNA)
    assert first == at("2026-10-25T00:30:00")
    woken = next_transition(first, half_past_two, VIENNA)
    assert woken == at("2026-10-25T00:45:00")
    assert next_transition(woken, half_past_two, VIENNA) == at("2026-10-26T01:30:00")


def test_overlapping_windows_sleep_as_one() -> None:
    both = [("0 20 * * *", "0 6 * * *"), ("0 5 * * *", "0 8 * * *")]
    assert next_transition(at("2026-06-01T21:00:00"), both, "UTC") == at("2026-06-02T08:00:00")


@pytest.mark.parametrize("bad", ["0 25 * * *", "0 0 30 2 *", "0 0 * *", "* * * * * *", "every day", "0 0 * * FRY"])
def test_a_bad_cron_expression_is_named_with_a_remedy(bad: str) -> None:
    with pytest.raises(ValueError, match=r"five fields|day that exists") as refusal:
        check_cron(bad)
    assert bad in str(refusal.value)


def test_a_bad_zone_is_named_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"'Europe/Wien' is no time zone.*IANA"):
        check_zone("Europe/Wien")


@pytest.mark.parametrize("cron", ["0 20 * * 1-5", "*/15 0-6,22,23 1 JAN-MAR *", "59 23 31 12 sun"])
def test_the_crd_lets_good_crons_pass(cron: str) -> None:
    hibernation = {"mode": "Scheduled", "windows": [{"sleepAt": cron, "wakeAt": "0 7 * * *"}]}
    spec = RecallInstanceSpec.model_validate({"hostname": "a.example", "hibernation": hibernation})
    assert [window.sleep_at for window in spec.hibernation.windows] == [cron]


@pytest.mark.parametrize("cron", ["60 20 * * *", "0 24 * * *", "0 0 32 1 *", "0 0 1 13 *", "0 0 * * 8", "0  0 * * 1"])
def test_the_crd_refuses_bad_crons(cron: str) -> None:
    hibernation = {"mode": "Scheduled", "windows": [{"sleepAt": cron, "wakeAt": "0 7 * * *"}]}
    with pytest.raises(ValidationError, match=r"hibernation.windows.0.sleepAt"):
        RecallInstanceSpec.model_validate({"hostname": "a.example", "hibernation": hibernation})


async def test_an_instance_sleeps_by_its_windows_and_is_looked_at_when_they_close() -> None:
    world = World()
    always: dict[str, Any] = {"mode": "Scheduled", "windows": [{"sleepAt": "0 0 1 1 *", "wakeAt": "59 23 31 12 *"}]}
    key = world.kubernetes.put_instance({"hostname": "beta.example.org", "hibernation": always})
    await world.settle(key)
    assert world.kubernetes.objects[ObjectKey("Deployment", "default", "beta-api")]["spec"]["replicas"] == 0
    status = world.kubernetes.objects[key]["status"]
    assert status["hibernation"]["asleep"] is True
    assert status["hibernation"]["nextTransitionAt"].endswith("-12-31T23:59:00Z")
    assert world.kubernetes.condition(key)["reason"] == "Asleep"
    told: dict[str, Rhythm] = {}
    await Reconciler(world.platform, world.clients).reconcile("default/beta", told.__setitem__)
    left = datetime.fromisoformat(status["hibernation"]["nextTransitionAt"]) - datetime.now(UTC)
    assert told["default/beta"].within_seconds == pytest.approx(left.total_seconds(), abs=5)


def test_a_settled_instance_is_looked_at_as_it_asks_and_not_after_its_transition() -> None:
    async def never(_: str) -> Outcome:
        raise AssertionError

    queue = WorkQueue(never, chance=lambda: 0.5)
    assert queue._delay("a", Outcome.SETTLED) == 600
    queue.set_rhythm("a", Rhythm(poll_seconds=300))
    assert queue._delay("a", Outcome.SETTLED) == 300
    queue.set_rhythm("a", Rhythm(poll_seconds=300, within_seconds=42))
    assert queue._delay("a", Outcome.SETTLED) == 42
    assert queue._delay("a", Outcome.GONE) is None
    assert queue._delay("a", Outcome.SETTLED) == 600
