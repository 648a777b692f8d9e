"""Likelihood-free Bayesian optimization with pattern search for Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_lfbo.importance import LFBOImportanceEvaluator
from optuna_lfbo.sampler import LFBOSampler

if TYPE_CHECKING:
    from optuna_lfbo.helion import helion_objective

__all__ = ["LFBOImportanceEvaluator", "LFBOSampler", "helion_objective"]


def __getattr__(name: str) -> Any:
    # Helion imports torch: only those who tune kernels pay for it.
    if name == "helion_objective":
        from optuna_lfbo.helion import helion_objective

        return helion_objective
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
