"""Test settings."""

from __future__ import annotations

import optuna
from hypothesis import HealthCheck, Phase, settings

optuna.logging.set_verbosity(optuna.logging.ERROR)
# The same examples in every run; a failing one is shown as found, since each costs forests.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")
