"""Labels and weights: the loss of likelihood-free Bayesian optimization.

Song et al., "A General Recipe for Likelihood-free Bayesian Optimization" (ICML 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optuna_lfbo._copies import originals, shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array


class Labels(NamedTuple):
    """What the classifier learns.

    Attributes:
        good: Which trials are good, shape ``(n,)``.
        weights: Sample weights of mean 1, shape ``(n,)``.
    """

    good: NDArray[np.bool_]
    weights: Array


def label(losses: Array, quantile: float) -> Labels:
    """Label the best share of the trials as good.

    The threshold tau is the ``quantile`` of the finite losses, so that failures do not widen
    what counts as good; at least one trial is good if any has succeeded. Good trials weigh
    alike (probability of improvement; with it the loss is that of Tiao et al., BORE, ICML
    2021) and both classes have the same mass. Trials of one value count, and weigh, as one.

    Args:
        losses: Values to minimise, shape ``(n,)``; infinite for a failed or pruned trial.
        quantile: Share of the finite losses that is good, in (0, 1).
    """
    finite = np.isfinite(losses)
    if not finite.any():
        return Labels(np.zeros(len(losses), dtype=bool), np.ones(len(losses)))
    tau = np.quantile(losses[finite & originals(losses)], quantile, method="inverted_cdf")
    good = losses <= tau
    weights = shares(losses)
    classes = [members for members in (good, ~good) if members.any()]
    for members in classes:
        weights[members] *= len(losses) / (len(classes) * weights[members].sum())
    return Labels(good, weights)
