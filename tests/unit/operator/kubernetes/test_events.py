"""Events: one for each thing said, and a series when it is said again."""

from __future__ import annotations

import copy
from typing import Any

from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.events import SERIES_SECONDS, Events
from recall_operator.models.instance import Metadata
from recall_operator.models.status import Condition, ConditionStatus


class Written:
    """Keeps what is applied, with the API server's rule that only the series of an Event may change."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.away = False

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        assert not subresource
        if self.away:
            raise ApiServerError(0, "NoAnswer", "away")
        self.writes += 1
        new, name = copy.deepcopy(manifest), manifest["metadata"]["name"]
        if name in self.events:
            assert {**self.events[name], "series": None} == {**new, "series": None}
        self.events[name] = new
        return new


METADATA = Metadata(name="beta", namespace="default", uid="u", generation=1)


def ready(reason: str, status: ConditionStatus = ConditionStatus.FALSE) -> Condition:
    return Condition(
        type="Ready",
        status=status,
        reason=reason,
        message="Because.",
        observed_generation=1,
        last_transition_time="2026-01-01T00:00:00Z",
    )


async def test_what_is_said_again_is_counted_and_rarely_written() -> None:
    written = Written()
    events = Events(written, "pod", clock=lambda: 0.0)  # type: ignore[arg-type]
    for _ in range(100):
        await events.tell(METADATA, ready("AccessDenied"))
    (event,) = written.events.values()
    assert event["series"]["count"] == 64
    assert event["type"] == "Warning"
    assert event["regarding"]["uid"] == "u"
    assert written.writes == 7


async def test_another_word_or_another_hour_is_another_event() -> None:
    written, times = Written(), iter([0.0, 0.0, SERIES_SECONDS + 1, SERIES_SECONDS + 1])
    events = Events(written, "pod", clock=lambda: next(times))  # type: ignore[arg-type]
    await events.tell(METADATA, ready("AccessDenied"))
    await events.tell(METADATA, ready("AllPartsReady", ConditionStatus.TRUE))
    await events.tell(METADATA, ready("AccessDenied"))
    assert [event["type"] for event in written.events.values()] == ["Warning", "Normal", "Warning"]


async def test_an_event_that_cannot_be_written_stops_nothing() -> None:
    written = Written()
    written.away = True
    await Events(written, "pod").tell(METADATA, ready("AccessDenied"))  # type: ignore[arg-type]
    assert written.events == {}


async def test_a_note_fits_in_bytes_too() -> None:
    written = Written()
    long = ready("Long").model_copy(update={"message": "a" + "…" * 1000})
    await Events(written, "pod").tell(METADATA, long)  # type: ignore[arg-type]
    (event,) = written.events.values()
    assert event["note"] == "a" + "…" * 341  # three bytes each
