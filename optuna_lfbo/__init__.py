"""Likelihood-free Bayesian optimization with pattern search for Optuna."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from optuna_lfbo.helion import helion_objective
    from optuna_lfbo.importance import LFBOImportanceEvaluator
    from optuna_lfbo.sampler import LFBOSampler

__all__ = ["LFBOImportanceEvaluator", "LFBOSampler", "helion_objective"]

_MODULES: Final = {
    "LFBOImportanceEvaluator": "optuna_lfbo.importance",
    "LFBOSampler": "optuna_lfbo.sampler",
    "helion_objective": "optuna_lfbo.helion",
}


def __getattr__(name: str) -> Any:
    # torch, scikit-learn and Optuna take seconds: only who uses one of these pays for it.
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
