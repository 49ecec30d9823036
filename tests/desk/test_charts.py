"""Charts drawn on the server: every bar is inside the drawing, and its height is its share of the highest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import charts
from desk.charts import Chart, Series

SERIES = [Series("In", "in"), Series("Out", "out")]


def chart_of(rows: list[tuple[str, list[float | None]]], *, overlaid: bool = False) -> Chart:
    return charts.chart(
        "test", "Test", SERIES, rows, words=lambda value: f"{value or 0:g}", describe="What.", empty="None.",
        overlaid=overlaid,
    )  # fmt: skip


VALUES = st.one_of(st.none(), st.floats(0, 1e9, allow_subnormal=False))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=25), st.booleans())
def test_all_bars_are_inside_and_none_is_lost(values: list[tuple[float | None, float | None]], overlaid: bool) -> None:
    chart = chart_of([(str(place), list(each)) for place, each in enumerate(values)], overlaid=overlaid)
    bars = [bar for column in chart.columns for bar in column.bars]
    assert len(bars) == sum(bool(value) for each in values for value in each)
    for column in chart.columns:
        for bar in column.bars:
            assert column.x <= bar.x
            assert bar.x + bar.width <= column.x + chart.column_width + 0.01
            assert 1 <= bar.height <= chart.height
            assert bar.y == pytest.approx(chart.height - bar.height)


def test_the_highest_value_is_named() -> None:
    chart = chart_of([("10:00", [4, None]), ("11:00", [1, 8])])
    assert chart.description == "What. The highest value is 8, at 11:00."
    assert [bar.height for bar in chart.columns[1].bars] == [10, 80]
    assert chart.columns[0].words == ("4", "0")


def test_without_values_there_is_nothing_to_draw() -> None:
    chart = chart_of([("10:00", [0, None])])
    assert chart.columns == ()
    assert chart.empty == "None."
