"""Importance of parameters as the classifier of `LFBOSampler` sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.importance import BaseImportanceEvaluator
from optuna.logging import get_logger

from optuna_lfbo._settings import QUANTILE
from optuna_lfbo._view import ClassifierView

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["LFBOImportanceEvaluator"]

_logger = get_logger("optuna.lfbo")


class LFBOImportanceEvaluator(BaseImportanceEvaluator):
    """Which parameters separate the good trials from the rest, failed ones included.

    A forest learns which trials are among the best, as `LFBOSampler`'s does, and a parameter
    is as important as the variance of its answer that the parameter has a part in, alone or
    together with others (Sobol's total index). Optuna's own evaluators look at the values of
    the trials that succeeded; this one also tells what makes them fail.

    Example:
        ::

            optuna.importance.get_param_importances(study, evaluator=LFBOImportanceEvaluator())

    Args:
        quantile: Share of the successful trials that are good, in (0, 1).

    Raises:
        ValueError: If ``quantile`` is out of range.
    """

    def __init__(self, *, quantile: float = QUANTILE) -> None:
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile={quantile!r}: expected a number between 0 and 1")
        self._quantile = quantile

    def evaluate(
        self,
        study: Study,
        params: list[str] | None = None,
        *,
        target: Callable[[FrozenTrial], float] | None = None,
    ) -> dict[str, float]:
        """Return the importance of each parameter, the most important first.

        Args:
            study: Its finished trials count. Until there are both good and bad ones, no
                parameter has any importance.
            params: Names of the parameters to assess, also conditional ones; by default all.
            target: Value of a successful trial, low for a good one; by default its objective
                value.

        Raises:
            ValueError: If the study is multi-objective and there is no ``target``, or no
                finished trial has one of ``params``.
        """
        if target is None and len(study.directions) > 1:
            raise ValueError(
                "The study is multi-objective: say with `target` which value counts, such as "
                "target=lambda trial: trial.values[0]."
            )
        view = ClassifierView(study, self._quantile, target)
        if not view.is_telling:
            _logger.warning("Without good and bad trials all parameters are equally important.")
        importances = view.importances()
        if params is None:
            return importances
        if missing := set(params) - importances.keys():
            raise ValueError(
                f"params={params!r}: no finished trial has {', '.join(sorted(missing))}."
            )
        return {name: value for name, value in importances.items() if name in params}
