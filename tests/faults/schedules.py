"""All schedules: for each flow, the calls of a run without faults, and every kind of fault at each of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from tests.faults import faults, virtual_time
from tests.faults.world import FaultWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.doors import Site
    from tests.faults.faults import Fault
    from tests.faults.flows import Flow

THROTTLING_SEEDS: Final = 10
PAIRS: Final = 10
SILENT_WATCH_SECONDS: Final = 70.0
"""After this long without a word Kopf begins a watch anew (`inactivity_timeout`, `reconcile.watches`)."""
WHOLE_PAST: Final = 1_000_000


@dataclass(frozen=True)
class Schedule:
    """One flow with one fault."""

    kind: str
    flow: Flow
    where: str
    make: Callable[[], Fault]
    processes: int = 1
    drops: frozenset[int] = frozenset()
    silent_seconds: float = 0.0
    lasts: float = 0.0

    def __str__(self) -> str:
        return f"{self.flow.name}: {self.kind} at {self.where}"


@dataclass(frozen=True)
class Result:
    """How a schedule ended."""

    schedule: Schedule
    seconds: float
    """Virtual seconds until all was well."""
    problem: str | None = None


@dataclass(frozen=True)
class Recording:
    """A run without faults."""

    sites: tuple[Site, ...]
    events: int
    end: dict[str, Any] = field(hash=False)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Log nothing: an expected failure is no news."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


async def record(flow: Flow, world: FaultWorld) -> Recording:
    """Play `flow` without faults.

    Raises:
        AssertionError: it does not end well.
    """
    await flow.prepare(world)
    world.begin(faults.Nothing())
    flow.act(world)
    await world.converge(at_least=world.beginning_seconds)
    recording = Recording(tuple(world.sites.all), world.events, world.own())
    await world.stop()
    flow.check(world)
    return recording


@cache
def recorded(flow: Flow) -> Recording:
    """Return the run of `flow` without faults."""
    with silence():

        async def work() -> Recording:
            return await record(flow, FaultWorld())

        return virtual_time.run(work())


async def perform(schedule: Schedule, world: FaultWorld, end: dict[str, Any]) -> float:
    """Play a schedule in a new `world` and return the seconds until all was well.

    Args:
        schedule: what is done, and what happens.
        world: where.
        end: what there must be in the end.

    Raises:
        AssertionError: it does not end well.
    """
    flow, fault = schedule.flow, schedule.make()
    await flow.prepare(world)
    if schedule.processes > 1:
        world.start(schedule.processes - 1)
    world.drops = set(schedule.drops)
    world.begin(fault)
    if schedule.silent_seconds:
        world.break_watches(schedule.silent_seconds)
    flow.act(world)
    seconds = await world.converge(at_least=schedule.lasts + world.beginning_seconds)
    await world.stop()
    assert fault.reached, "the fault never happened"
    flow.check(world)
    assert world.foreign_is_untouched(), "something unowned was touched"
    found = world.own()
    other = {name: (end[name], found[name]) for name in end if found[name] != end[name]}
    assert not other, f"another end than without faults: {other}"
    return seconds


def play(schedule: Schedule) -> Result:
    """Play one schedule and say how it ended."""
    end = recorded(schedule.flow).end

    async def work() -> float:
        return await perform(schedule, FaultWorld(), end)

    with silence():
        try:
            return Result(schedule, virtual_time.run(work()))
        except AssertionError as problem:
            return Result(schedule, 0.0, str(problem))


def _at_sites(flow: Flow) -> Iterator[Schedule]:
    """Yield a schedule of every kind for every call that the flow makes."""
    sites = recorded(flow).sites
    for site in dict.fromkeys(sites):
        at = partial(Schedule, flow=flow, where=str(site))
        yield at("crash before a call", make=partial(faults.CrashBefore, site))
        yield at("crash after a call", make=partial(faults.CrashAfter, site))
        for kind, error in (
            ("throttled", faults.throttled), ("access denied", faults.denied), ("5xx", faults.broken),
            ("timeout", faults.unreachable),
        ):  # fmt: skip
            yield at(kind, make=partial(faults.Refused, site, error))
        if site.write:
            yield at("lost answer", make=partial(faults.LostAnswer, site))
            for kind, takeover in (("leader killed", faults.LEASE_SECONDS), ("successor before the last write", 0.0)):
                killed = partial(faults.LeaderKilled, site, takeover)
                yield at(kind, make=killed, lasts=faults.LATE_SECONDS + takeover)
            late = faults.TIMEOUT_SECONDS + faults.LATE_SECONDS
            yield at("request outlives its timeout", make=partial(faults.LateEffect, site), lasts=late)
        elif site.door == "aws":
            for lag in (1, 3, WHOLE_PAST):
                yield at("stale reads", make=partial(faults.Stale, site, lag), lasts=faults.STALE_SECONDS)
        if site.door == "kubernetes":
            yield at("API server restarts", make=partial(faults.ApiServerRestart, site), lasts=faults.OUTAGE_SECONDS)


def _at_large(flow: Flow) -> Iterator[Schedule]:
    """Yield the schedules whose fault is not at one call."""
    nothing = faults.Nothing
    for event in range(1, recorded(flow).events + 1):
        yield Schedule("unobserved event", flow, f"event {event}", nothing, drops=frozenset({event}))
        yield Schedule(
            "unobserved events from here", flow, f"event {event}", nothing, drops=frozenset(range(event, 1000))
        )
    yield Schedule("silent watch", flow, "start", nothing, silent_seconds=SILENT_WATCH_SECONDS, lasts=1.0)
    asks_aws = any(site.door == "aws" for site in recorded(flow).sites)
    for seed in range(THROTTLING_SEEDS if asks_aws else 0):
        lasts = 2 * faults.OUTAGE_SECONDS
        yield Schedule(
            "half of all calls throttled", flow, f"seed {seed}", partial(faults.Throttled, seed), lasts=lasts
        )
    for seed in range(PAIRS):
        yield Schedule(
            "two leaders at once", flow, f"seed {seed}", partial(faults.Jitter, seed), processes=2, lasts=5.0
        )


def of_flow(flow: Flow) -> Iterator[Schedule]:
    """Yield all schedules of a flow."""
    yield from _at_sites(flow)
    yield from _at_large(flow)
