"""Trials with one value: what they differ in has made no difference, so together they count once.

Two configurations of a kernel from which the same code is generated have exactly one value
between them. Where half of the trials are such copies, they would crowd all others out of the
best quarter, the best half and the incumbents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array


def originals(losses: Array) -> NDArray[np.bool_]:
    """Mask of the first one of each finite loss, and of all failures, shape as given."""
    _, firsts = np.unique(losses, return_index=True)
    mask = np.isinf(losses)
    mask[firsts] = True
    return mask


def shares(losses: Array) -> Array:
    """Weights with which the trials of one finite loss weigh 1 together, a failure 1."""
    _, group, counts = np.unique(losses, return_inverse=True, return_counts=True)
    return np.where(np.isinf(losses), 1.0, 1.0 / counts[group])
