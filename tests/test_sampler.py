"""What a user of `LFBOSampler` relies on."""

from __future__ import annotations

import itertools
import logging
import pickle
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, TrialState, create_trial

from optuna_lfbo import LFBOSampler
from optuna_lfbo import _search as search_module

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = {"x": IntDistribution(0, 9), "y": IntDistribution(0, 9)}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Messages of the sampler's logger."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("optuna.lfbo")
    logger.addHandler(handler)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield messages
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logger.removeHandler(handler)


def bowl(trial: Trial) -> float:
    x, y = trial.suggest_int("x", 0, 40), trial.suggest_int("y", 0, 40)
    return float((x - 30) ** 2 + (y - 5) ** 2)


def run(objective: Any, n_trials: int, **kwargs: Any) -> optuna.Study:
    direction = kwargs.pop("direction", "minimize")
    study = optuna.create_study(sampler=LFBOSampler(seed=1, **kwargs), direction=direction)
    study.optimize(objective, n_trials=n_trials, catch=ArithmeticError)
    return study


def test_it_finds_the_bottom_of_a_bowl() -> None:
    assert run(bowl, 80).best_value <= 2


def test_maximise_is_minimise_upside_down() -> None:
    study = run(lambda trial: -bowl(trial), 40, direction="maximize")
    mirror = run(bowl, 40)
    assert [t.params for t in study.trials] == [t.params for t in mirror.trials]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "fail", "prune"])
def test_bad_trials_teach_it_to_stay_away(bad: Any) -> None:
    def objective(trial: Trial) -> float:
        x = [trial.suggest_int(f"x{i}", 0, 40) for i in range(6)]
        if x[0] <= 20:
            if bad == "fail":
                raise ArithmeticError
            if bad == "prune":
                raise optuna.TrialPruned
            return float(bad)
        return float(sum((xi - 30) ** 2 for xi in x))

    study = run(objective, 60)
    late = [t.params["x0"] <= 20 for t in study.trials[20:]]
    assert np.mean(late) < 0.2
    assert study.best_value <= 100


def test_minus_infinity_is_no_success() -> None:
    study = run(lambda trial: -np.inf if trial.suggest_int("x", 0, 99) < 50 else 1.0, 40)
    assert np.mean([t.params["x"] < 50 for t in study.trials[20:]]) < 0.4


def test_all_failing_trials_keep_spreading() -> None:
    def fail(trial: Trial) -> float:
        trial.suggest_int("x", 0, 30)
        raise ArithmeticError

    assert len({t.params["x"] for t in run(fail, 31).trials}) == 31


def test_a_finite_space_is_enumerated_and_then_still_answered() -> None:
    study = optuna.create_study(sampler=LFBOSampler(seed=0, n_startup_trials=5))
    trial = study.ask(GRID)
    study.tell(trial, 1.0)
    for _ in range(104):
        trial = study.ask(GRID)
        study.tell(trial, trial.params["x"] + trial.params["y"])
    points = [(t.params["x"], t.params["y"]) for t in study.trials]
    assert len(set(points[:100])) == 100
    assert set(points[100:]) <= set(points)


def test_running_trials_are_pending() -> None:
    study = run(lambda trial: float(sum(trial.suggest_int(n, 0, 9) for n in "xy")), 20)
    asked = [study.ask(GRID) for _ in range(30)]
    points = [tuple(t.params.values()) for t in asked]
    assert not set(points) & {tuple(t.params.values()) for t in study.trials[:20]}
    assert len(set(points)) == 30


def test_a_configuration_noted_by_another_worker_is_not_chosen() -> None:
    study = run(lambda trial: float(trial.suggest_int("x", 0, 3)), 1, n_startup_trials=0)
    (done,) = (t.params["x"] for t in study.trials)
    free = sorted({0, 1, 2, 3} - {done})
    for x in free[:2]:
        trial = study.ask()  # has not suggested anything yet
        study._storage.set_trial_system_attr(trial._trial_id, "lfbo:relative_params", {"x": x})
    assert study.ask({"x": IntDistribution(0, 3)}).params["x"] == free[2]


@pytest.mark.parametrize(
    "noted", ["x", ["x"], {"x": "99"}, {"x": "2"}, {"x": 99}, {"z": 1}, {"x": None}, 3]
)
def test_nonsense_in_the_storage_is_ignored(noted: Any) -> None:
    study = run(lambda trial: float(trial.suggest_int("x", 0, 3)), 2, n_startup_trials=0)
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, "lfbo:relative_params", noted)
    assert study.ask({"x": IntDistribution(0, 3)}).params["x"] in range(4)


def test_the_first_batch_is_spread_before_anything_is_known() -> None:
    study = optuna.create_study(sampler=LFBOSampler(seed=0))
    points = [tuple(study.ask(GRID).params.values()) for _ in range(100)]
    assert len(set(points)) == 100
    quarters = Counter((x > 4, y > 4) for x, y in points[:12])
    assert min(quarters[a, b] for a in (False, True) for b in (False, True)) >= 2


def test_the_start_does_not_prefer_corners() -> None:
    study = run(
        lambda trial: sum(trial.suggest_float(f"x{i}", 0, 1) for i in range(10)),
        40,
        n_startup_trials=40,
    )
    points = np.array([list(trial.params.values()) for trial in study.trials])
    assert np.mean(np.abs(points - 0.5) > 0.4) < 0.25, "a fifth of the range is there"


def test_a_batch_is_spread() -> None:
    study = run(bowl, 40)
    space = study.trials[0].distributions
    batch = [study.ask(space).params for _ in range(8)]
    x, y = ([p[n] for p in batch] for n in "xy")
    assert np.ptp(x) + np.ptp(y) > 4


def test_conditional_parameters_are_sampled_jointly(logged: list[str]) -> None:
    def objective(trial: Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return abs(trial.suggest_float("u", -1, 1) - 0.3)
        return 1 + trial.suggest_int("v", 0, 3)

    study = run(objective, 60, n_startup_trials=15)
    kinds = Counter(t.params["kind"] for t in study.trials[30:])
    assert kinds["a"] > kinds["b"]
    assert study.best_value < 0.05
    assert logged == []
    inactive = Counter(t.params.get("v") for t in study.trials if t.params["kind"] == "b")
    assert max(inactive.values()) == 1, "u is not part of a configuration of kind b"


def test_what_other_branches_have_does_not_disturb_a_branch() -> None:
    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", "abcd")
        x = [trial.suggest_float(f"{kind}{i}", 0, 1) for i in range(3)]
        return float("abcd".index(kind) + sum((xi - 0.3) ** 2 for xi in x))

    assert run(objective, 60).best_value < 0.01


def test_every_branch_of_a_conditional_space_is_searched() -> None:
    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", ["flat", "steep"])
        x = trial.suggest_float(kind, 0, 1)
        return 1.0 + x**2 if kind == "flat" else 20 * abs(x - 0.7)

    study = run(objective, 60)
    kinds = Counter(t.params["kind"] for t in study.trials[10:])
    assert min(kinds["flat"], kinds["steep"]) >= 5
    assert study.best_params["kind"] == "steep"


def test_a_trial_that_broke_off_early_does_not_block_its_first_parameter() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_categorical("x", ["a", "b"])
        if trial.number == 3:
            raise ArithmeticError
        return trial.suggest_float("y", 0, 1) + (x == "a")

    study = run(objective, 30)
    broken = study.trials[3].params["x"]
    assert sum(t.params["x"] == broken for t in study.trials) > 2


def test_ranges_may_change() -> None:
    study = run(lambda t: t.suggest_float("x", 0, 1) + t.suggest_int("n", 1, 4), 15)
    for _ in range(10):
        trial = study.ask()
        value = trial.suggest_float("x", 5, 9) + trial.suggest_int("n", 3, 64)
        study.tell(trial, value)
    assert study.trials[-1].params["x"] >= 5


def test_plain_python_values() -> None:
    space = {
        "none": CategoricalDistribution([None, True, "s", 2]),
        "int": IntDistribution(0, 8, step=4),
        "log": IntDistribution(1, 1000, log=True),
        "float": FloatDistribution(0, 1),
        "step": FloatDistribution(0, 1, step=0.25),
    }
    study = optuna.create_study(sampler=LFBOSampler(seed=0, n_startup_trials=3))
    for _ in range(12):
        trial = study.ask(space)
        study.tell(trial, trial.params["int"])
        for name, value in trial.params.items():
            expected = {"float": float, "step": float, "int": int, "log": int}
            assert type(value) is expected.get(name, type(value))
            assert type(value).__module__ == "builtins"


def test_a_fit_serves_several_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = itertools.count()

    class CountedForest(search_module.Forest):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            next(fits)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(search_module, "Forest", CountedForest)
    study = run(bowl, 15)
    before = next(fits)
    for _ in range(20):
        study.ask(study.trials[0].distributions)
    assert next(fits) - before - 1 <= 1


def test_an_interrupted_study_goes_on_in_another_process(tmp_path: Any) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    for seed in (1, 1):
        sampler = LFBOSampler(seed=seed, n_startup_trials=4)
        study = optuna.create_study(
            storage=storage, study_name="s", load_if_exists=True, sampler=sampler
        )
        study.optimize(bowl, n_trials=12)
    points = [tuple(t.params.values()) for t in study.trials[1:]]
    assert len(study.trials) == 24
    assert len(set(points)) == len(points)


def test_a_pickled_sampler_goes_on() -> None:
    study = run(bowl, 20)
    twin = pickle.loads(pickle.dumps(study.sampler))
    study.sampler = twin
    study.optimize(bowl, n_trials=5)
    assert len({tuple(t.params.values()) for t in study.trials}) == 25


def test_a_sampler_may_serve_several_studies() -> None:
    sampler = LFBOSampler(seed=0, n_startup_trials=2)
    studies = [optuna.create_study(sampler=sampler) for _ in range(2)]
    studies[0].optimize(bowl, n_trials=6)
    studies[1].optimize(lambda t: t.suggest_float("z", 0, 1), n_trials=6)
    studies[0].optimize(bowl, n_trials=6)
    assert [len(s.trials) for s in studies] == [12, 6]


def test_threads() -> None:
    study = optuna.create_study(sampler=LFBOSampler(seed=0, n_startup_trials=4))
    study.optimize(lambda t: t.suggest_int("x", 0, 500) / 10, n_trials=40, n_jobs=4)
    points = [t.params["x"] for t in study.trials[4:]]
    assert len(set(points)) == len(points)


def test_enqueued_trials_count_as_startup() -> None:
    study = optuna.create_study(sampler=LFBOSampler(seed=0, n_startup_trials=3))
    for x in (1, 2, 3):
        study.enqueue_trial({"x": x, "y": x})
    study.optimize(bowl, n_trials=10)
    assert [t.params["x"] for t in study.trials[:3]] == [1, 2, 3]


@pytest.mark.parametrize("warn", [True, False])
def test_a_late_parameter_is_warned_of(warn: bool, logged: list[str]) -> None:
    sampler = LFBOSampler(seed=0, n_startup_trials=2, warn_independent_sampling=warn)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    study.ask({"new": FloatDistribution(0, 1)})
    assert ["new" in record for record in logged] == [True] * warn


def test_the_independent_sampler_hears_of_every_trial() -> None:
    class Listener(optuna.samplers.RandomSampler):
        heard: list[str] = []  # noqa: RUF012

        def before_trial(self, *args: Any) -> None:
            self.heard.append("before")

        def after_trial(self, *args: Any) -> None:
            self.heard.append("after")

        def reseed_rng(self) -> None:
            self.heard.append("reseed")

    study = optuna.create_study(sampler=LFBOSampler(independent_sampler=Listener()))
    study.optimize(bowl, n_trials=1)
    study.sampler.reseed_rng()
    assert Listener.heard == ["before", "after", "reseed"]


def test_a_constraint_is_kept_and_then_given_up() -> None:
    def is_even(params: dict[str, Any]) -> bool:
        return (params["x"] + params["y"]) % 2 == 0

    study = optuna.create_study(sampler=LFBOSampler(seed=0, constraint=is_even))
    first = study.ask(GRID)  # nothing is known of the space yet
    study.tell(first, 1.0)
    n_even = 50 - is_even(first.params)
    for _ in range(n_even + 2):
        trial = study.ask(GRID)
        study.tell(trial, trial.params["x"] * 1.0)
    points = [tuple(t.params.values()) for t in study.trials[1 : n_even + 1]]
    assert all(sum(point) % 2 == 0 for point in points)
    assert len(set(points)) == n_even


def test_reseeding_changes_the_run() -> None:
    samplers = [LFBOSampler(seed=3, n_startup_trials=1) for _ in range(2)]
    samplers[1].reseed_rng()
    rows = []
    for sampler in samplers:
        study = optuna.create_study(sampler=sampler)
        study.add_trial(create_trial(value=0.0, params={"x": 5, "y": 5}, distributions=GRID))
        rows.append([study.ask(GRID).params for _ in range(6)])
    assert rows[0] != rows[1]


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n_startup_trials", -1), ("quantile", 0.0), ("quantile", 1.0), ("quantile", float("nan"))],
)
def test_bad_arguments(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{argument}={value}"):
        LFBOSampler(**{argument: value})


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, sampler=LFBOSampler())
    with pytest.raises(ValueError, match="multi-objective"):
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=1)


def test_the_import_is_light() -> None:
    code = (
        "import optuna_lfbo, sys; assert set(optuna_lfbo.__all__) <= set(dir(optuna_lfbo));"
        "assert not {'optuna', 'sklearn', 'torch', 'helion', 'plotly'} & set(sys.modules);"
        "optuna_lfbo.LFBOSampler, optuna_lfbo.LFBOImportanceEvaluator;"
        "assert not {'torch','helion','plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(ImportError, match="cannot import name 'nope'"):
        from optuna_lfbo import nope  # type: ignore[attr-defined]  # noqa: F401


def test_waiting_and_stale_trials_do_not_disturb() -> None:
    study = run(bowl, 12)
    study.add_trial(create_trial(state=TrialState.RUNNING))
    study.add_trial(create_trial(state=TrialState.WAITING))
    assert study.ask(study.trials[0].distributions).params.keys() == {"x", "y"}
