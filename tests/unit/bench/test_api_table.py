"""The table of the API's figures."""

from __future__ import annotations

from tests.bench.api.table import table


def test_every_figure_is_a_row_and_the_load_is_said() -> None:
    figures = {
        "processors": 2,
        "write_overhead_ratio": 1.5,
        "search": {"10000": {"warm_p50_ms": 3.25}},
        "load_average": {"search": {"before": [0.5, 1, 1], "after": [1.25, 1, 1]}},
    }
    assert table(figures).splitlines() == [
        "| Figure | Value | Aim |",
        "| --- | ---: | --- |",
        "| `write_overhead_ratio` | 1.5 | ≤ 1.5 |",
        "| `search.10000.warm_p50_ms` | 3.25 | ≤ 3 |",
        "",
        "2 processors; load average before and after each part: search 0.5 to 1.2.",
    ]
