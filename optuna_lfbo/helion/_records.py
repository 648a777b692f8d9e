"""What a storage holds of a study, checked: whoever may write to it may have written anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optuna.distributions import check_distribution_compatibility

from optuna_lfbo._space import is_value_of
from optuna_lfbo.helion._outcome import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def shown(value: object) -> str:
    """Return JSON as one printable line of at most 300 characters, for messages."""
    return one_line(json.dumps(value))


def misfit(trial: optuna.Trial, distributions: Mapping[str, BaseDistribution]) -> str | None:
    """Return what an enqueued trial wants that is outside of a search space, or None.

    Optuna warns of such a value and takes it.
    """
    enqueued = trial._cached_frozen_trial
    fixed = enqueued.system_attrs.get("fixed_params", {})
    if not isinstance(fixed, dict):
        return f"the system attribute fixed_params is not an object: {shown(fixed)}"
    for name, value in {**fixed, **enqueued.params}.items():
        distribution = distributions.get(name)
        if distribution is not None and not is_value_of(distribution, value):
            return one_line(f"the trial is to have {name}={shown(value)}, not in {distribution}")
    return None


def check_distributions(
    trials: Sequence[FrozenTrial], distributions: Mapping[str, BaseDistribution], name: str
) -> None:
    """Check that trials may stand beside those of a search space.

    Args:
        trials: What the study has.
        distributions: The search space.
        name: The study's.

    Raises:
        ValueError: A parameter is of another kind, or has other choices.
    """
    known = {item for trial in trials for item in trial.distributions.items()}
    for parameter, distribution in known:
        if parameter in distributions:
            try:
                check_distribution_compatibility(distribution, distributions[parameter])
            except ValueError as error:
                raise ValueError(
                    f"The study {shown(name)} has trials of another search space: "
                    f"{one_line(f'{parameter} is {distribution}, not')} "
                    f"{distributions[parameter]}. Use another study."
                ) from error
