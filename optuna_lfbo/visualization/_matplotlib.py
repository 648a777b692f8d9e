"""Draws charts with Matplotlib."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import NullFormatter

from optuna_lfbo._text import one_line
from optuna_lfbo.visualization._chart import (
    Axis,
    Bars,
    Chart,
    Levels,
    Parallel,
    Points,
    Steps,
    Tiles,
)
from optuna_lfbo.visualization._style import PROBABILITY_COLOURS

_SYMBOLS = {"circle": "o", "open": "o", "cross": "x"}
_POINT_SIZE = 20.0
_PROBABILITY = LinearSegmentedColormap.from_list("probability", PROBABILITY_COLOURS)


def axes_of(chart: Chart) -> Axes:
    """Draw a chart in a new figure."""
    _, axes = plt.subplots(figsize=(8.0, 5.0), layout="constrained")
    axes.set_title(_text(chart.title), loc="left")
    axes.set_axisbelow(True)
    axes.grid(alpha=0.3)
    _set_axis(axes, "x", chart.x)
    _set_axis(axes, "y", chart.y)
    for mark in chart.marks:
        _draw(mark, axes)
    if chart.message:
        axes.text(
            0.5, 0.5, _text(chart.message), transform=axes.transAxes, ha="center", va="center"
        )
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=3, fontsize="small", frameon=False
        )
    return axes


def _text(text: str) -> str:
    """Text as Matplotlib, which reads formulas between dollars, shows it."""
    line = one_line(text).replace("$", r"\$")
    # Labels that begin with an underscore are hidden.
    return f" {line}" if line.startswith("_") else line


def _set_axis(axes: Axes, which: str, axis: Axis) -> None:
    axes.set(**{f"{which}label": _text(axis.title)})
    if axis.log:
        axes.set(**{f"{which}scale": "log"})
    if axis.ticks is not None:
        (axes.xaxis if which == "x" else axes.yaxis).set_minor_formatter(NullFormatter())
        axes.set(
            **{
                f"{which}ticks": [position for position, _ in axis.ticks],
                f"{which}ticklabels": [_text(label) for _, label in axis.ticks],
            }
        )
    if axis.limits is not None:
        axes.set(**{f"{which}lim": axis.limits})


@singledispatch
def _draw(mark: object, axes: Axes) -> None:
    raise TypeError(f"unknown mark {mark!r}")


@_draw.register
def _(mark: Steps, axes: Axes) -> None:
    axes.step(
        mark.x, mark.y, where="post", color=mark.colour, linewidth=2.0, label=_text(mark.name)
    )


@_draw.register
def _(mark: Points, axes: Axes) -> None:
    # Crosses have no face, and take its colour nevertheless.
    axes.scatter(
        mark.x,
        mark.y,
        s=_POINT_SIZE,
        marker=_SYMBOLS[mark.symbol],
        facecolors="none" if mark.symbol == "open" else mark.colour,
        edgecolors=mark.colour if mark.symbol == "open" else None,
        label=_text(mark.name),
    )


@_draw.register
def _(mark: Levels, axes: Axes) -> None:
    for i, y in enumerate(mark.y):
        # One entry in the legend is enough for all.
        label = "_hidden" if i else _text(mark.name)
        axes.axhline(y, color=mark.colour, linestyle="--", linewidth=1.0, label=label)


@_draw.register
def _(mark: Bars, axes: Axes) -> None:
    at, long, wide, name = mark.positions, mark.lengths, mark.width, _text(mark.name)
    if mark.horizontal:
        axes.barh(at, long, wide, mark.bases, color=mark.colour, label=name)
    else:
        axes.bar(at, long, wide, mark.bases, color=mark.colour, label=name)


@_draw.register
def _(mark: Tiles, axes: Axes) -> None:
    axes.grid(False)
    mesh = axes.pcolormesh(mark.x, mark.y, mark.values, cmap=_PROBABILITY, vmin=0.0, vmax=1.0)
    axes.figure.colorbar(mesh, ax=axes, label=_text(mark.title))


@_draw.register
def _(mark: Parallel, axes: Axes) -> None:
    colours = ScalarMappable(Normalize(min(mark.values), max(mark.values)), "viridis")
    shades = colours.to_rgba(np.array(mark.values))
    positions = range(len(mark.axes))
    for line, shade in zip(mark.lines, shades, strict=True):
        axes.plot(positions, line, color=tuple(shade), alpha=0.8)
    axes.set_xlim(-0.2, len(mark.axes) - 0.8)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xticks(positions, [_text(axis.title) for axis in mark.axes], rotation=20, ha="right")
    axes.set_yticks([])
    axes.grid(axis="x", alpha=0.6)
    for position, axis in zip(positions, mark.axes, strict=True):
        for height, label in axis.ticks or ():
            axes.text(position + 0.03, height, _text(label), fontsize="x-small", va="center")
    axes.figure.colorbar(colours, ax=axes, label=_text(mark.title))
