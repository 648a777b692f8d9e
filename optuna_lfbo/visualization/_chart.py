"""What a plot shows, apart from the library that draws it.

A chart is made from a study once, and `_plotly` and `_matplotlib` draw every kind of mark, so
that a plot and its twin cannot differ in what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        title: With the unit.
        log: Whether its scale is logarithmic.
        ticks: Positions and their labels; None to leave them to the library.
        limits: Both ends; None to leave them to the library.
    """

    title: str
    log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Steps:
    """A value that holds until the next one."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str


@dataclass(frozen=True)
class Points:
    """Points with a text each.

    Attributes:
        symbol: "circle", "open" for an empty circle, or "cross".
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str]
    colour: str
    symbol: str = "circle"


@dataclass(frozen=True)
class Levels:
    """Horizontal lines that go together, with a text each."""

    name: str
    y: Sequence[float]
    texts: Sequence[str]
    colour: str


@dataclass(frozen=True)
class Bars:
    """Bars of one kind, each on those below it.

    Attributes:
        positions: Where they stand.
        bases: Where they begin.
        lengths: How long they are.
        width: How wide they are.
        horizontal: Whether they lie.
    """

    name: str
    positions: Sequence[float]
    bases: Sequence[float]
    lengths: Sequence[float]
    width: float
    colour: str
    horizontal: bool = False


@dataclass(frozen=True)
class Tiles:
    """A probability for each tile of a grid.

    Attributes:
        x: Borders of the columns, one more than there are.
        y: Borders of the rows, one more than there are.
        values: A list for each row.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Parallel:
    """A line for each trial over parallel axes, coloured by its value.

    Attributes:
        axes: The axes from left to right, each with limits and ticks.
        lines: For each trial its position on every axis.
        values: What the lines are coloured by.
        title: What that is.
        texts: A text for each line.
    """

    axes: Sequence[Axis]
    lines: Sequence[Sequence[float]]
    values: Sequence[float]
    title: str
    texts: Sequence[str]


Mark: TypeAlias = Steps | Points | Levels | Bars | Tiles | Parallel


@dataclass(frozen=True)
class Chart:
    """A plot.

    Attributes:
        title: What it shows.
        x: The horizontal axis.
        y: The vertical axis.
        marks: What is drawn, from the back to the front.
        message: Why there is nothing to be seen, where that is so.
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark] = field(default=())
    message: str = ""
