"""Small bar charts, drawn on the server as SVG (templates/setup/_chart.html). Pure: only numbers in, only geometry out.

A chart has a column for each period and a bar for each series in it: beside each other, or in front of each other when
one is a part of the other. The template gives every chart a title, a description and its table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desk.sentences import sentence

COLUMN, GAP, HEIGHT = 12.0, 2.0, 80.0  # units of the drawing, which is stretched to the width of the page


@dataclass(frozen=True)
class Series:
    """A kind of bars: what it is called, and its class in CSS (`chart__bar--…`)."""

    label: str
    style: str


@dataclass(frozen=True)
class Bar:
    """A rectangle; the origin is the upper left corner."""

    style: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Column:
    """A period: its label, the values in words in the order of the series, and its bars."""

    label: str
    words: tuple[str, ...]
    bars: tuple[Bar, ...]
    x: float


@dataclass(frozen=True)
class Chart:
    """What the template draws. Without columns there is nothing to draw, and `empty` says so."""

    name: str
    title: str
    description: str
    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    highest: str
    empty: str
    column_width: float = COLUMN
    height: float = HEIGHT

    @property
    def width(self) -> float:
        """Return the width of the drawing."""
        return COLUMN * len(self.columns)


def chart(
    name: str,
    title: str,
    series: Sequence[Series],
    rows: Sequence[tuple[str, Sequence[float | None]]],
    *,
    words: Callable[[float | None], str],
    describe: str,
    empty: str,
    overlaid: bool = False,
) -> Chart:
    """Return the chart of `rows`: for each period a label and a value for each series, None where there is none.

    `words(value)` is a value for people, `describe` what the chart shows; the description adds the highest value.
    `overlaid` draws the bars of a period in front of each other, the first series behind the others.
    """
    highest = max((value for _label, values in rows for value in values if value), default=0.0)
    if not highest:
        return Chart(name, title, f"{describe} {empty}", tuple(series), (), "", empty)
    peak = next(label for label, values in rows if highest in values)
    columns = tuple(
        Column(
            label, tuple(map(words, values)), _bars(series, values, place * COLUMN, highest, overlaid), place * COLUMN
        )
        for place, (label, values) in enumerate(rows)
    )
    description = " ".join(
        (describe, sentence("The highest value is %(value_text)s, at %(time)s.", value_text=words(highest), time=peak))
    )
    return Chart(name, title, description, tuple(series), columns, words(highest), empty)


def _bars(
    series: Sequence[Series], values: Sequence[float | None], x: float, highest: float, overlaid: bool
) -> tuple[Bar, ...]:
    room = COLUMN - GAP
    width = room if overlaid else room / len(series)
    bars = []
    for place, (each, value) in enumerate(zip(series, values, strict=True)):
        if value:
            height = round(max(1.0, HEIGHT * value / highest), 2)  # a small value is seen too
            left = x + GAP / 2 + (0 if overlaid else place * width)
            bars.append(Bar(each.style, round(left, 2), round(HEIGHT - height, 2), round(width, 2), height))
    return tuple(bars)
