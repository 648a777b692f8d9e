"""Draws charts with plotly."""

from __future__ import annotations

import html
from functools import singledispatch
from typing import Any

import plotly.graph_objects as go

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
from optuna_lfbo.visualization._style import BLACK, GREY, PROBABILITY_COLOURS

_SYMBOLS = {"circle": "circle", "open": "circle-open", "cross": "x-thin-open"}
_GRID = "#E5E5E5"
_LAYOUT: dict[str, Any] = {
    # plotly's own templates are longer than most of the figures, which are kept in storages.
    "template": "none",
    "font": {"color": BLACK, "size": 13},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "barmode": "overlay",
    "hovermode": "closest",
    "showlegend": True,
    "margin": {"l": 60, "r": 20, "t": 50, "b": 60},
    "legend": {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0.0},
}
_AXIS: dict[str, Any] = {
    "gridcolor": _GRID,
    "linecolor": GREY,
    "ticks": "outside",
    "tickcolor": GREY,
    "zeroline": False,
    "automargin": True,
}

_CENTRE: dict[str, Any] = {
    "x": 0.5,
    "y": 0.5,
    "xref": "paper",
    "yref": "paper",
    "showarrow": False,
}


def figure_of(chart: Chart) -> go.Figure:
    """Draw a chart."""
    layout = _LAYOUT | {"title": {"text": _text(chart.title), "x": 0.02, "xanchor": "left"}}
    if any(isinstance(mark, Parallel) for mark in chart.marks):
        # It has axes of its own, with their names above them.
        layout["margin"] = {"l": 60, "r": 20, "t": 130, "b": 30}
    else:
        layout |= {"xaxis": _axis(chart.x), "yaxis": _axis(chart.y)}
        layout["shapes"] = [
            _level(y, mark.colour)
            for mark in chart.marks
            if isinstance(mark, Levels)
            for y in mark.y
        ]
    if chart.message:
        layout["annotations"] = [_CENTRE | {"text": _text(chart.message)}]
    # All at once, as every update of a figure is slow.
    return go.Figure([_trace(mark) for mark in chart.marks], layout)


def _text(text: str) -> str:
    """Text as plotly, which reads some HTML, shows it."""
    return html.escape(one_line(text), quote=False)


def _axis(axis: Axis) -> dict[str, Any]:
    options = _AXIS | {"title": {"text": _text(axis.title), "standoff": 10}}
    if axis.log:
        options["type"] = "log"
    if axis.ticks is not None:
        options |= {"tickmode": "array", **_ticks(axis)}
    if axis.limits is not None:
        options["range"] = list(axis.limits)
    return options


def _ticks(axis: Axis) -> dict[str, Any]:
    ticks = axis.ticks or ()
    return {
        "tickvals": [position for position, _ in ticks],
        "ticktext": [_text(label) for _, label in ticks],
    }


def _line(colour: str) -> dict[str, Any]:
    return {"color": colour, "dash": "dash", "width": 1}


def _level(y: float, colour: str) -> dict[str, Any]:
    """A line across all that the axis shows."""
    ends = {"x0": 0.0, "x1": 1.0, "xref": "x domain", "y0": y, "y1": y}
    return {"type": "line", "line": _line(colour), **ends}


@singledispatch
def _trace(mark: object) -> dict[str, Any]:
    raise TypeError(f"unknown mark {mark!r}")


@_trace.register
def _(mark: Steps) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": list(mark.x),
        "y": list(mark.y),
        "mode": "lines",
        "name": _text(mark.name),
        "line": {"shape": "hv", "color": mark.colour, "width": 2.5},
    }


@_trace.register
def _(mark: Points) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": list(mark.x),
        "y": list(mark.y),
        "text": [_text(text) for text in mark.texts],
        "hovertemplate": "%{text}<extra></extra>",
        "mode": "markers",
        "name": _text(mark.name),
        "marker": {
            "color": mark.colour,
            "symbol": _SYMBOLS[mark.symbol],
            "size": 7,
            "line": {"width": 1.5, "color": mark.colour},
        },
    }


@_trace.register
def _(mark: Levels) -> dict[str, Any]:
    # The entry in the legend of what `_level` draws.
    return {
        "type": "scatter",
        "x": [None],
        "y": [None],
        "mode": "lines",
        "name": _text(mark.name),
        "line": _line(mark.colour),
    }


@_trace.register
def _(mark: Bars) -> dict[str, Any]:
    along, across = ("y", "x") if mark.horizontal else ("x", "y")
    return {
        "type": "bar",
        along: list(mark.positions),
        across: list(mark.lengths),
        "base": list(mark.bases),
        "width": mark.width,
        "orientation": "h" if mark.horizontal else "v",
        "name": _text(mark.name),
        "marker": {"color": mark.colour, "line": {"width": 0}},
    }


@_trace.register
def _(mark: Tiles) -> dict[str, Any]:
    return {
        "type": "heatmap",
        "x": list(mark.x),
        "y": list(mark.y),
        "z": [list(row) for row in mark.values],
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": list(PROBABILITY_COLOURS),
        "colorbar": {"title": {"text": _text(mark.title), "side": "right"}},
        "hovertemplate": "%{z:.0%}<extra></extra>",
    }


@_trace.register
def _(mark: Parallel) -> dict[str, Any]:
    dimensions = [
        {
            "label": _text(axis.title),
            "values": [line[i] for line in mark.lines],
            "range": [0.0, 1.0],
            **_ticks(axis),
        }
        for i, axis in enumerate(mark.axes)
    ]
    line = {
        "color": list(mark.values),
        "colorscale": "Viridis",
        "showscale": True,
        "colorbar": {"title": {"text": _text(mark.title), "side": "right"}},
    }
    return {
        "type": "parcoords",
        "dimensions": dimensions,
        "line": line,
        "labelangle": -20,
        "labelfont": {"size": 11},
        "tickfont": {"size": 11},
        "labelside": "top",
    }
