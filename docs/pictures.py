"""Draw the pictures of "How LFBO works" from a small study.

python docs/pictures.py            # writes docs/images/lfbo_*.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import optuna
from optuna.trial import TrialState

from optuna_lfbo import LFBOSampler
from optuna_lfbo._labels import label
from optuna_lfbo._model import Forest
from optuna_lfbo._moves import propose, select_incumbents
from optuna_lfbo._space import Space

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SIZE = 31
GOOD, REST, FAILED = "tab:green", "tab:gray", "tab:red"


def latency(x: Array, y: Array) -> Array:
    """A toy kernel's latency in ms; infinite where it does not compile."""
    u, v = x / (SIZE - 1), y / (SIZE - 1)
    value = 1.0 + 4.0 * (u - 0.7) ** 2 + 3.0 * (v - 0.35) ** 2 + 0.25 * np.cos(18.0 * u * v)
    return np.where(u + v > 1.12, np.inf, value)


def objective(trial: optuna.Trial) -> float:
    """Measure the toy kernel."""
    x, y = trial.suggest_int("x", 0, SIZE - 1), trial.suggest_int("y", 0, SIZE - 1)
    value = float(latency(np.array(x), np.array(y)))
    if np.isinf(value):
        raise MemoryError("out of registers")
    return value


def study_of(n_trials: int) -> optuna.Study:
    """Return a study of the toy kernel."""
    study = optuna.create_study(sampler=LFBOSampler(seed=3))
    study.optimize(objective, n_trials=n_trials, catch=MemoryError)
    return study


def rows_and_losses(study: optuna.Study, space: Space, n: int) -> tuple[Array, Array]:
    """Return the first ``n`` trials as the sampler's models see them."""
    trials = study.trials[:n]
    rows = np.array([space.encode(trial.params) for trial in trials])
    values = [t.values[0] if t.state == TrialState.COMPLETE else np.inf for t in trials]
    return rows, np.array(values)


def draw_trials(axes: Axes, rows: Array, losses: Array, good: NDArray[np.bool_]) -> None:
    """Draw the trials in the colours of their labels."""
    failed = np.isinf(losses)
    for chosen, colour, marker, text in (
        (~good & ~failed, REST, "o", "the rest"),
        (failed, FAILED, "x", "failed"),
        (good, GOOD, "o", "good: the best quarter"),
    ):
        axes.scatter(*rows[chosen].T, c=colour, marker=marker, s=36, label=text, zorder=3)


def labelled(axes: Axes, title: str) -> None:
    """Set the title and what both parameters are called."""
    axes.set(title=title, xlim=(-1, SIZE), ylim=(-1, SIZE), xlabel="x", ylabel="y", aspect="equal")


def draw_labels(space: Space, rows: Array, losses: Array) -> Any:
    """Left the trials and their labels, right what the forest makes of them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    labels = label(losses, 0.25)
    for axes in (left, right):
        draw_trials(axes, rows, losses, labels.good)
    labelled(left, "Trials and their labels")
    left.legend(loc="upper left", framealpha=1.0)
    forest = Forest(space.features(rows), labels, seed=0, n_trees=100)
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    score = forest.score(space.features(np.column_stack([x.ravel(), y.ravel()]).astype(float)))
    mesh = right.pcolormesh(x, y, score.reshape(x.shape), cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(mesh, ax=right, label="probability of being good")
    labelled(right, "What the forest has learned")
    return figure


def draw_moves(space: Space, rows: Array, losses: Array) -> Any:
    """Moves from the best, and which of them pass the forest's filter."""
    figure, axes = plt.subplots(figsize=(5.4, 5), layout="constrained")
    rng = np.random.default_rng(0)
    best = select_incumbents(rows, losses, 3, 2)
    moves = np.unique(propose(space, best, 150, 0.3, rng), axis=0)
    labels = label(losses, 0.25)
    score = Forest(space.features(rows), labels, 0, 30).score(space.features(moves))
    kept = np.zeros(len(moves), dtype=bool)
    kept[np.argsort(-score, kind="stable")[: (len(moves) + 1) // 2]] = True
    axes.scatter(*moves[~kept].T, s=18, c="tab:gray", alpha=0.5, label="dropped by the forest")
    axes.scatter(*moves[kept].T, s=18, c="tab:blue", label="ranked")
    axes.scatter(
        *best.T, s=140, marker="*", c="tab:orange", edgecolors="black", label="incumbents"
    )
    labelled(axes, "Moves from three incumbents")
    axes.legend(loc="upper left", framealpha=1.0)
    return figure


def draw_search(rows: Array, losses: Array, steps: Sequence[int]) -> Any:
    """Where the trials are after some of them."""
    figure, panels = plt.subplots(
        1, len(steps), figsize=(4.2 * len(steps), 4.4), layout="constrained"
    )
    x, y = np.meshgrid(np.arange(SIZE, dtype=float), np.arange(SIZE, dtype=float))
    truth = np.ma.masked_invalid(latency(x, y))
    for axes, n in zip(panels, steps, strict=True):
        mesh = axes.pcolormesh(x, y, truth, cmap="viridis_r", alpha=0.8)
        axes.scatter(*rows[:n].T, c="white", edgecolors="black", s=28)
        best = rows[int(np.argmin(losses[:n]))]
        axes.scatter(*best, marker="*", s=200, c="tab:orange", edgecolors="black")
        labelled(axes, f"{n} trials, best {losses[:n].min():.3f} ms")
    figure.colorbar(mesh, ax=panels, label="latency, ms (white: does not compile)")
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    out = parser.parse_args(argv).out
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = study_of(60)
    space = Space(dict(study.trials[0].distributions))
    early = rows_and_losses(study, space, 25)
    figures = {
        "lfbo_labels": draw_labels(space, *early),
        "lfbo_moves": draw_moves(space, *early),
        "lfbo_search": draw_search(*rows_and_losses(study, space, 60), (10, 25, 60)),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=90)
        plt.close(figure)


if __name__ == "__main__":
    main()
