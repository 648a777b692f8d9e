"""A storage that is out of reach just now, whatever it is wanted for."""

from __future__ import annotations

import functools
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import torch
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import _members, _patience, tuner

if TYPE_CHECKING:
    from collections.abc import Callable


class Unreliable:
    """Makes a storage that fails once for every place in the program that it is called from.

    Args:
        loses: What is lost then: the call, or the answer of what has been done.

    Attributes:
        is_on: Whether it fails.
        n_failures: How often it has.
    """

    def __init__(self, loses: str) -> None:
        self._loses = loses
        self.is_on = False
        self.n_failures = 0
        self._places: set[tuple[str, ...]] = set()
        self._backend = InMemoryStorage()

    def storage(self) -> BaseStorage:
        methods = {name: self._method(name) for name in BaseStorage.__abstractmethods__}
        made: BaseStorage = type("Storage", (BaseStorage,), methods)()
        return made

    def _method(self, name: str) -> Callable[..., Any]:
        def method(_: BaseStorage, *args: Any, **kwargs: Any) -> Any:
            place = tuple(f"{f.filename}:{f.lineno}" for f in traceback.extract_stack(limit=8))
            if self.is_on and place not in self._places:
                self._places.add(place)
                self.n_failures += 1
                if self._loses == "the answer":
                    getattr(self._backend, name)(*args, **kwargs)
                raise ConnectionError("out of reach")
            return getattr(self._backend, name)(*args, **kwargs)

        return method


def compile_fn(params: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    return functools.partial(run, params["v"])


def run(v: int, x: torch.Tensor) -> torch.Tensor:
    time.sleep(0.001 * (1 + v))
    return x


@pytest.mark.parametrize("loses", ["the call", "the answer"])
def test_tuning_goes_on_wherever_the_storage_fails_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, loses: str
) -> None:
    unreliable = Unreliable(loses)
    conduct = tuner.conduct

    def conducted(*args: Any, **kwargs: Any) -> str:
        unreliable.is_on = True
        return conduct(*args, **kwargs)

    monkeypatch.setattr(tuner, "conduct", conducted)
    monkeypatch.setattr(_patience, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(_members, "_UNKNOWN_S", 2.0)
    space = {"v": IntDistribution(0, 7)}
    objective = callable_objective(compile_fn, (torch.zeros(1),), space, seeds=[{"v": 3}])
    result = objective.tune(storage=unreliable.storage(), study_name="study", n_trials=6)
    unreliable.is_on = False
    assert unreliable.n_failures > 20
    assert result.stop_reason == "6 trials"
    assert result.default_latency_ms is not None
    trials = result.study.trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    measured = [trial for trial in trials if trial.user_attrs.get("status") == "ok"]
    assert len({trial.params["v"] for trial in measured}) == len(measured) == 6
    # One that was made twice, as the answer was lost, is failed once.
    ghosts = [trial for trial in trials if trial not in measured]
    assert all(trial.state == TrialState.FAIL for trial in ghosts)
    assert all("lost" in trial.user_attrs["error"] for trial in ghosts)
    assert bool(ghosts) == (loses == "the answer")
