"""Every plot, of every kind of study, with both libraries."""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from optuna_lfbo import visualization
from optuna_lfbo.helion._outcome import Status
from optuna_lfbo.visualization import matplotlib as twins
from optuna_lfbo.visualization._clock import Clock
from optuna_lfbo.visualization._style import STATUS_COLOURS
from tests.studies import KINDS, START, conditional, kernel_study, maximised, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import plotly.graph_objects as go

mpl.use("agg")

PLOTS: dict[str, tuple[str, dict[str, Any]]] = {
    "best over time": ("plot_best_so_far", {}),
    "best over trials": ("plot_best_so_far", {"against": "trials"}),
    "outcomes": ("plot_outcomes", {}),
    "time spent": ("plot_time_spent", {}),
    "good probability": ("plot_good_probability", {}),
    "best tenth": ("plot_best_tenth", {}),
    "comparison": ("plot_comparison", {}),
    "speed-ups": ("plot_comparison", {"speed_up": True}),
}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def studies() -> dict[str, optuna.Study]:
    return {kind: make() for kind, make in KINDS.items()}


def drawn(module: Any, plot: str, study: optuna.Study) -> Any:
    name, options = PLOTS[plot]
    return getattr(module, name)([study] if "comparison" in name else study, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plot", PLOTS)
def test_titles_axes_and_units_are_there(
    studies: dict[str, optuna.Study], plot: str, kind: str
) -> None:
    figure = drawn(visualization, plot, studies[kind])
    assert figure.layout.title.text
    assert figure.to_json()
    axes = drawn(twins, plot, studies[kind])
    axes.figure.canvas.draw()
    assert axes.get_title(loc="left") == figure.layout.title.text
    titles = [axes.get_xlabel(), axes.get_ylabel()]
    assert all(titles)
    traces = list(figure.data)
    if [trace.type for trace in traces] == ["parcoords"]:
        labels = [dimension.label for dimension in traces[0].dimensions]
        assert labels == [text.get_text() for text in axes.get_xticklabels()]
        titles = labels
    else:
        assert titles == [figure.layout.xaxis.title.text, figure.layout.yaxis.title.text]
    if "over time" in plot or plot in ("outcomes", "time spent"):
        assert any(title.endswith(("[s]", "[min]", "[h]")) for title in titles)
    if studies[kind].metric_names == ["latency_ms"] and plot in ("best over time", "best tenth"):
        assert "Latency [ms]" in titles


@pytest.mark.parametrize("kind", ["empty", "only failures"])
@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_of_nothing_says_so(studies: dict[str, optuna.Study], plot: str, kind: str) -> None:
    figure = drawn(visualization, plot, studies[kind])
    if kind == "only failures" and plot in ("outcomes", "time spent"):
        assert len(figure.data) == 1
        return
    assert not figure.data
    (annotation,) = figure.layout.annotations
    (text,) = drawn(twins, plot, studies[kind]).texts
    assert annotation.text == text.get_text() != ""


def trace_of(figure: go.Figure, name: str) -> Any:
    (trace,) = (trace for trace in figure.data if trace.name == name)
    return trace


@pytest.mark.parametrize(("make", "better"), [(lambda: kernel_study(50), min), (maximised, max)])
def test_the_best_so_far_is_the_best_until_then(
    make: Callable[[], optuna.Study], better: Callable[..., float]
) -> None:
    study = make()
    figure = visualization.plot_best_so_far(study, against="trials")
    steps = trace_of(figure, "best so far")
    for x, y in zip(steps.x, steps.y, strict=True):
        known = [t.value for t in study.trials if t.number <= x and t.value is not None]
        assert y == pytest.approx(better(known), rel=1e-5)
    assert steps.x[-1] == len(study.trials) - 1
    assert steps.y[-1] == pytest.approx(study.best_value, rel=1e-5)


def test_default_and_seeds_are_lines() -> None:
    study = kernel_study(20)
    for value in (0.3, 0.45):
        seed = create_trial(value=value, user_attrs={"status": "ok", "origin": "seed"})
        study.add_trial(timed(seed, 30.0, 1.0))
    figure = visualization.plot_best_so_far(study)
    assert sorted(shape.y0 for shape in figure.layout.shapes) == [0.3, 0.45, 0.6]
    assert {"default", "seeds"} <= {trace.name for trace in figure.data}
    axes = twins.plot_best_so_far(study)
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert sorted(levels) == [0.3, 0.45, 0.6]


def test_time_stands_still_between_two_runs() -> None:
    study = optuna.create_study()
    for begin_s in (0.0, 10.0, 7200.0, 7210.0):
        study.add_trial(timed(create_trial(value=1.0 + begin_s), begin_s, 10.0))
    figure = visualization.plot_best_so_far(study)
    points = trace_of(figure, "measured")
    assert list(points.x) == [10.0, 20.0, 30.0, 40.0]


def test_outcomes_count_every_finished_trial() -> None:
    study = kernel_study(100)
    study.ask()
    figure = visualization.plot_outcomes(study)
    counts = Counter(trial.user_attrs.get("status") for trial in study.trials[:-1])
    heights = {trace.name: sum(trace.y) for trace in figure.data}
    assert heights == {f"{status} ({n})": n for status, n in counts.items()}
    bars = twins.plot_outcomes(study).patches
    assert sum(bar.get_height() for bar in bars) == 100


def test_every_status_has_a_colour_of_its_own() -> None:
    statuses = [s for member in Status.__args__ for s in getattr(member, "__args__", (member,))]
    assert set(statuses) <= STATUS_COLOURS.keys()
    assert len(set(STATUS_COLOURS.values())) == len(STATUS_COLOURS)


def test_where_the_time_went_adds_up() -> None:
    study = kernel_study(100)
    figure = visualization.plot_time_spent(study)
    seconds = {trace.name.split(" (")[0]: trace.x[0] for trace in figure.data}
    n_ok = sum(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert seconds["measuring, ok"] == pytest.approx(0.25 * n_ok)
    assert seconds["compiling, ok"] == pytest.approx(0.5 * n_ok)
    assert seconds["compiling, failed"] == pytest.approx(0.5 * (100 - n_ok))
    assert seconds["next trial"] == pytest.approx(1.0)
    # The first trial begins at 0 s, and the last one ends at 100.5 s.
    assert seconds["measuring, ok"] + seconds["idle"] == pytest.approx(100.5)


def test_where_the_time_of_any_study_went() -> None:
    study = optuna.create_study()
    study.add_trial(timed(create_trial(value=1.0), 0.0, 3.0))
    study.add_trial(timed(create_trial(state=TrialState.FAIL), 3.0, 2.0))
    figure = visualization.plot_time_spent(study)
    assert {t.name: t.x[0] for t in figure.data} == {"complete (3 s)": 3.0, "fail (2 s)": 2.0}


def test_good_trials_are_likely_where_they_are() -> None:
    study = kernel_study(200)
    figure = visualization.plot_good_probability(study)
    tiles = figure.data[0]
    names = [figure.layout.xaxis.title.text, figure.layout.yaxis.title.text]
    assert set(names) == {"log2_block_sizes[0]", "num_warps"}
    ticks = {names[0]: figure.layout.xaxis.ticktext, names[1]: figure.layout.yaxis.ticktext}
    z = np.asarray(tiles.z) if names[1] == "num_warps" else np.asarray(tiles.z).T

    def probability(block: int, warps: int) -> float:
        row, column = (
            ticks[name].index(str(value))
            for name, value in (("num_warps", warps), ("log2_block_sizes[0]", block))
        )
        return float(z[row, column])

    assert probability(block=3, warps=4) > 0.9
    assert probability(block=5, warps=8) < 0.1
    assert probability(block=0, warps=1) < 0.1
    assert sum(len(trace.x) for trace in figure.data[1:]) == 200
    (mesh,) = twins.plot_good_probability(study).collections[:1]
    assert np.asarray(mesh.get_array()).tolist() == np.asarray(tiles.z).tolist()


def test_parameters_may_be_chosen() -> None:
    study = kernel_study(40)
    figure = visualization.plot_good_probability(study, params=["layout", "num_warps"])
    assert figure.layout.xaxis.title.text == "layout"
    assert list(figure.layout.xaxis.ticktext) == ["row", "column"]


def test_parameters_of_different_branches_are_not_paired() -> None:
    figure = visualization.plot_good_probability(conditional())
    names = {figure.layout.xaxis.title.text, figure.layout.yaxis.title.text}
    assert "solver" in names
    assert names != {"depth", "rate"}


def test_the_best_tenth_is_the_best() -> None:
    study = maximised()
    (lines,) = visualization.plot_best_tenth(study).data
    best = sorted((trial.value for trial in study.trials), reverse=True)[:3]
    assert list(lines.line.color) == pytest.approx(best, rel=1e-5)
    assert [dimension.label for dimension in lines.dimensions] == ["n", "x", "accuracy"]
    assert len(twins.plot_best_tenth(study).lines) == 3


def test_studies_are_compared_under_their_names() -> None:
    fast, slow = kernel_study(60), kernel_study(5)
    figure = visualization.plot_comparison([fast, slow])
    assert [trace.name for trace in figure.data] == ["kernel-60", "kernel-5"]
    figure = visualization.plot_comparison({"LFBO": fast, "TPE": slow}, speed_up=True)
    for trace, study in zip(figure.data, (fast, slow), strict=True):
        assert trace.y[-1] == pytest.approx(0.6 / study.best_value, rel=1e-5)
    assert figure.layout.yaxis.title.text == "Speed-up over the default [times]"
    assert len(twins.plot_comparison({"LFBO": fast, "TPE": slow}).lines) == 2


@pytest.mark.parametrize("module", [visualization, twins])
def test_what_cannot_be_plotted_is_said(module: Any) -> None:
    several = optuna.create_study(directions=["minimize", "minimize"])
    for plot in ("plot_best_so_far", "plot_good_probability", "plot_best_tenth"):
        with pytest.raises(ValueError, match="2 objectives"):
            getattr(module, plot)(several)
    with pytest.raises(ValueError, match="2 objectives"):
        module.plot_comparison([several])
    with pytest.raises(ValueError, match="against='trial'"):
        module.plot_best_so_far(kernel_study(3), against="trial")
    with pytest.raises(ValueError, match="log2_block_sizes"):
        module.plot_good_probability(kernel_study(3), params=["layout", "typo"])
    with pytest.raises(ValueError, match="maximised"):
        module.plot_comparison([kernel_study(3), maximised()])
    assert module.plot_outcomes(several)


@pytest.mark.parametrize("name", ["$x^{$<b>&amp;", "_hidden\x1b[1m\n", "\u202e\ud800 $"])
def test_names_are_text_and_values_any_number(name: str) -> None:
    study = optuna.create_study(study_name=name)
    study.set_metric_names([name])
    space = {name: FloatDistribution(0.0, 1.0), f"{name}2": FloatDistribution(0.0, 1.0)}
    values = [0.0, 5e-324, -1e308, 1e308, 1e99, -1e-9, math.inf, -math.inf, 1.0, 1.0]
    for i, value in enumerate(values):
        params = dict.fromkeys(space, i / len(values))
        study.add_trial(create_trial(value=value, params=params, distributions=space))
    for plot in PLOTS:
        figure = drawn(visualization, plot, study)
        texts = [figure.layout.xaxis.title.text, figure.layout.yaxis.title.text]
        texts += [trace.name for trace in figure.data]
        assert not any(set(text or "") & set("<>\x1b\n\u202e") for text in texts)
        # What JSON has no word for, browsers do not read.
        assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", figure.to_json()))
        axes = drawn(twins, plot, study)
        axes.figure.canvas.draw()


MOMENTS = st.floats(0.0, 1e5).map(lambda s: START + timedelta(seconds=s))


@given(spans=st.lists(st.tuples(MOMENTS, MOMENTS), min_size=1, max_size=8))
def test_a_clock_runs_while_there_are_trials(spans: list[tuple[datetime, datetime]]) -> None:
    trials = [create_trial(value=0.0) for _ in spans]
    for trial, ends in zip(trials, spans, strict=True):
        trial.datetime_start, trial.datetime_complete = ends  # also of clocks that went back
    clock = Clock(trials)
    moments = sorted(moment for span in spans for moment in span)
    times = [clock.seconds(moment) for moment in moments]
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(clock.total_s)
    for (before, after), (early, late) in zip(pairwise(moments), pairwise(times), strict=True):
        elapsed = (after - before).total_seconds()
        is_tuning = any(min(span) <= before and after <= max(span) for span in spans)
        assert late - early == pytest.approx(elapsed if is_tuning or elapsed <= 60.0 else 0.0)
