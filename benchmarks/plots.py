"""Plots of comparisons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.comparison import Comparison

mpl.use("agg")


def plot(comparison: Comparison, folder: Path) -> str:
    """Draws the mean curve of each sampler with its standard error over tasks.

    Returns:
        The name of the file, in the folder.
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for sampler in comparison.samplers:
        curves = comparison.curves(sampler)
        mean = curves.mean(axis=0)
        error = curves.std(axis=0) / np.sqrt(len(curves))
        evaluations = np.arange(1, len(mean) + 1)
        (line,) = axes.plot(evaluations, mean, label=sampler)
        axes.fill_between(
            evaluations, mean - error, mean + error, color=line.get_color(), alpha=0.1
        )
    axes.set(xlabel="evaluations", xlim=(1, None), title=comparison.title)
    axes.set_ylabel("fraction of the optimum" if comparison.by_ratio else "normalised regret")
    if not comparison.by_ratio:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    name = re.sub(r"\W+", "_", comparison.title.lower()) + ".png"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name, dpi=110)
    plt.close(figure)
    return name
