"""Who leads: rules of the Lease, with two or more claimants and a clock of the test's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.errors import ApiServerError, LeaseLostError
from recall_operator.kubernetes.lease import DEADLINE_SECONDS, DURATION_SECONDS, RENEW_SECONDS, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from recall_operator.kubernetes.client import ObjectKey


class Store:
    """One Lease with the API server's rules on versions."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.posted: dict[str, Any] = {}
        """What a POST has set stays until somebody sets it anew: an apply takes away only what applies have set."""
        self.away = False
        self.watchable = True
        self.watches = 0
        self.sleep: Any = None
        """How time goes by while somebody watches."""

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        self._answer(key.name)
        return copy.deepcopy(self.lease)

    async def watched(self, key: ObjectKey, version: str, seconds: int) -> AsyncGenerator[dict[str, Any], None]:
        self._answer(key.name)
        self.watches += 1
        if not self.watchable:
            raise ApiServerError(403, "Forbidden", "no watch")
        for _ in range(seconds * 10):
            assert self.lease is not None
            if self.lease["metadata"]["resourceVersion"] != version:
                version = self.lease["metadata"]["resourceVersion"]
                yield copy.deepcopy(self.lease)
            await self.sleep(0.1)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer("create")
        if self.lease is not None:
            raise ApiServerError(409, "AlreadyExists", "it exists")
        self.posted = copy.deepcopy(manifest["spec"])
        return self._store(manifest, 1)

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer("apply")
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if manifest["metadata"].get("resourceVersion") != version:
            raise ApiServerError(409, "Conflict", "changed")
        return self._store(manifest, int(version) + 1)

    def _answer(self, what: str) -> None:
        if self.away:
            raise ApiServerError(0, "NoAnswer", what)

    def _store(self, manifest: dict[str, Any], version: int) -> dict[str, Any]:
        assert manifest["spec"].get("holderIdentity", "nobody"), "the API server refuses an empty holder"
        self.lease = {**copy.deepcopy(manifest), "spec": {**self.posted, **manifest["spec"]}}
        self.lease["metadata"]["resourceVersion"] = str(version)
        return copy.deepcopy(self.lease)

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"].get("holderIdentity", ""))


class Stop(Exception):  # noqa: N818 - ends a loop that has no end of its own
    """Enough."""


class Time:
    """A clock that sleeping moves on; some things happen at some time."""

    def __init__(self, until: float = 3600.0) -> None:
        self.now = 0.0
        self.until = until
        self.at: dict[float, Any] = {}

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()
        if self.now > self.until:
            raise Stop


def claim(store: Store, name: str, time: Time) -> Lease:
    store.sleep = time.sleep
    return Lease(store, "recall-system", "recall-operator", name, clock=time, sleep=time.sleep)


def renewed(store: Store) -> None:
    assert store.lease is not None
    store.lease["metadata"]["resourceVersion"] += "1"


def released(store: Store) -> None:
    assert store.lease is not None
    del store.lease["spec"]["holderIdentity"]
    renewed(store)


async def test_the_first_leads_and_the_second_takes_over_only_after_silence() -> None:
    store, time = Store(), Time()
    await claim(store, "a", time).acquire()
    assert store.holder == "a"
    await claim(store, "b", time).acquire()
    assert store.holder == "b"
    assert time.now == pytest.approx(DURATION_SECONDS, abs=0.1)
    assert store.watches == 1


async def test_a_renewing_leader_is_never_displaced() -> None:
    store, time = Store(), Time(until=120)
    leader, other = claim(store, "a", time), claim(store, "b", time)
    await leader.acquire()
    for _ in range(60):
        assert not await other._try(other._take)
        time.now += 2
        assert await leader._try(leader._renew)
    assert store.holder == "a"


async def test_a_release_lets_the_next_begin_at_once() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    await leader.release()
    await claim(store, "b", time).acquire()
    assert (store.holder, time.now) == ("b", 0)


async def test_who_stands_by_sees_a_release_when_it_happens() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    for second in range(2, 40, 2):
        time.at[second] = lambda: renewed(store)
    time.at[41.3] = lambda: released(store)
    await claim(store, "b", time).acquire()
    assert store.holder == "b"
    assert time.now == pytest.approx(41.3, abs=0.2)
    assert store.watches < 10, "a watch goes on while the Lease is renewed"


async def test_without_the_right_to_watch_the_lease_is_looked_at_now_and_then() -> None:
    store, time = Store(), Time()
    store.watchable = False
    await claim(store, "a", time).acquire()
    time.at[5.0] = lambda: released(store)
    await claim(store, "b", time).acquire()
    assert store.holder == "b"
    assert time.now <= 5 + 2 * RENEW_SECONDS


async def test_a_release_overtakes_a_renewal_whose_answer_was_not_waited_for() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    renewed(store)
    await leader.release()
    assert store.holder == ""


async def test_a_release_takes_nothing_from_another() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    assert store.lease is not None
    store.lease["spec"]["holderIdentity"] = "b"
    renewed(store)
    await leader.release()
    assert store.holder == "b"


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    store.away = True
    with pytest.raises(LeaseLostError, match="could not be renewed"):
        await leader.keep()
    assert DEADLINE_SECONDS <= time.now < DURATION_SECONDS


async def test_a_leader_whose_lease_was_taken_stops() -> None:
    store, time = Store(), Time()
    leader = claim(store, "a", time)
    await leader.acquire()
    assert store.lease is not None
    store.lease["spec"]["holderIdentity"] = "b"
    store.lease["metadata"]["resourceVersion"] = "77"
    with pytest.raises(LeaseLostError, match="another replica"):
        await leader.keep()


async def test_a_lost_answer_does_not_end_the_lead() -> None:
    store, time = Store(), Time(until=30)
    leader = claim(store, "a", time)
    await leader.acquire()
    assert store.lease is not None
    store.lease["metadata"]["resourceVersion"] = "77"  # Written by "a" itself; it never heard.
    with pytest.raises(Stop):
        await leader.keep()


async def test_of_two_that_create_at_once_one_leads() -> None:
    store, time = Store(), Time()
    first, second = claim(store, "a", time), claim(store, "b", time)
    assert await first._try(first._take)
    real, store.get = store.get, lambda _: _none()  # type: ignore[method-assign, assignment, return-value]
    assert not await second._try(second._take)
    store.get = real  # type: ignore[method-assign]
    assert store.holder == "a"


async def _none() -> None:
    return None
