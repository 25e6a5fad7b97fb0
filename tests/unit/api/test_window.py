"""How many requests are let through within a minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recall_api.limits import Window


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_a_window_lets_no_more_through_than_about_its_limit_and_says_when_to_come_back(
    most: int, pauses: list[float]
) -> None:
    now = 1_000.0
    window = Window("user", most, lambda: now)
    let_through: list[float] = []
    for pause in pauses:
        now += pause
        if wait := window.hit("anna"):
            assert 0 < wait <= 120
            now += wait + 1e-6
            assert window.hit("anna") == 0
        let_through.append(now)
        # Two counters know of no more than minutes: a burst at the end of one and at the end of the next count so.
        assert sum(moment // 60 == now // 60 for moment in let_through) <= most
        assert sum(moment > now - 60 for moment in let_through) <= 2 * most


def test_users_are_counted_apart_and_forgotten_after_two_minutes() -> None:
    now = 0.0
    window = Window("user", 2, lambda: now)
    assert [window.hit("anna") > 0 for _ in range(3)] == [False, False, True]
    assert window.hit("ben") == 0
    now = 120.0
    assert window.hit("anna") == 0
    assert window._before == {}
