from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import helion
import optuna
import pytest
import torch
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from optuna_lfbo.helion import KernelError, OptunaSearch, TrialFailedError, autotuner
from tests.kernels.suite import pallas, softmax, tensors

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (16, 128)
BLOCK = "log2_block_sizes[0]"
# Helion reports on its search space since 1.5.
REPORTS: dict[str, Any] = (
    {"autotune_log_search_space": True}
    if hasattr(helion.Settings(), "autotune_log_search_space")
    else {}
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HELION_", "OPTUNA_LFBO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "cache"))


def only_study(storage: Any) -> optuna.Study:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def broken(**settings: Any) -> helion.Kernel:
    """A kernel that ends a search before a process is started."""

    def baseline(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("no baseline today")

    return pallas(softmax, autotune_baseline_fn=baseline, **settings)


def run(kernel: helion.Kernel) -> None:
    (x,) = tensors(SHAPE)
    torch.testing.assert_close(kernel(x), torch.nn.functional.softmax(x, dim=1))


def test_the_first_call_of_a_kernel_tunes_it_with_any_sampler(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = InMemoryStorage()
    log = tmp_path / "log"
    kernel = pallas(
        softmax,
        autotuner_fn=autotuner(sampler=TPESampler(seed=0), storage=storage, n_trials=2),
        autotune_seed_configs=[helion.Config(block_sizes=[8])],
        autotune_log=str(log),
        **REPORTS,
    )
    run(kernel)
    study = only_study(storage)
    n_trials = len(study.trials)
    run(kernel)
    assert len(study.trials) == n_trials
    assert [trial.params for trial in study.trials[:2]] == [{BLOCK: 4}, {BLOCK: 3}]
    statuses = [trial.user_attrs["status"] for trial in study.trials]
    assert statuses == ["ok", "ok"] + ["duplicate"] * (n_trials - 2)
    assert study.user_attrs.get("n_duplicates", 0) == n_trials - 2

    rows = log.with_suffix(".csv").read_text().splitlines()[1:]
    names = {"ok": "ok", "duplicate": "deduplicated"}
    assert sorted(row.split(",")[4] for row in rows) == sorted(names[s] for s in statuses)
    text = log.with_suffix(".log").read_text()
    assert f"Study {study.study_name}: 0 of 2 configurations are there" in text
    assert " ms is the best so far" in text
    assert f"Study {study.study_name} ends: 2 trials" in text
    printed = capfd.readouterr().err
    assert "after searching 2 configs" in printed
    if REPORTS:
        assert "Search algorithm: OptunaSearch" in printed
        assert "Configs attempted: 2 (2 valid" in printed


def test_a_kernel_tuned_by_another_process_is_not_tuned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    child = """
from tests.kernels.suite import pallas, softmax, tensors
import optuna_lfbo.helion
pallas(softmax)(*tensors((16, 128)))
"""
    environment = {
        "HELION_AUTOTUNER": "OptunaSearch",
        "OPTUNA_LFBO_STORAGE": storage,
        "OPTUNA_LFBO_N_TRIALS": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", child],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Autotuning complete" in result.stderr
    assert "[I " not in result.stderr  # as Optuna's own log begins
    n_trials = len(only_study(storage).trials)

    monkeypatch.setenv("HELION_ASSERT_CACHE_HIT", "1")
    run(pallas(softmax, autotuner_fn=autotuner(storage=storage, n_trials=3)))
    assert len(only_study(storage).trials) == n_trials > 0


def test_a_search_goes_on_where_the_study_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELION_SKIP_CACHE", "1")
    storage = f"sqlite:///{tmp_path}/study.db"
    sampler = RandomSampler(seed=0)
    for n_trials in (1, 2):
        fn = autotuner(sampler=sampler, storage=storage, n_trials=n_trials)
        run(pallas(softmax, autotuner_fn=fn))
        statuses = [trial.user_attrs["status"] for trial in only_study(storage).trials]
        assert statuses.count("ok") == n_trials
    # A search that has nothing to measure does not even need a baseline.
    run(broken(autotuner_fn=fn))


@pytest.mark.parametrize(
    ("effort", "variable", "options", "n_trials"),
    [
        ("quick", "", {}, 50),
        ("full", "", {}, 200),
        ("full", "3", {}, 3),
        ("full", "3", {"n_trials": 7}, 7),
    ],
)
def test_the_number_of_trials_comes_from_the_call_the_environment_or_the_effort(
    effort: str,
    variable: str,
    options: dict[str, Any],
    n_trials: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPTUNA_LFBO_N_TRIALS", variable)
    kernel = broken(autotuner_fn=autotuner(), autotune_effort=effort)
    with pytest.raises(KernelError, match="no baseline today"):
        kernel.autotune(tensors(SHAPE), **options)
    assert f": 0 of {n_trials} configurations are there" in capfd.readouterr().err


def test_without_effort_helion_does_not_search() -> None:
    run(pallas(softmax, autotuner_fn=autotuner(), autotune_effort="none"))


def test_a_search_ends_with_the_budget_but_measures_the_default(
    capfd: pytest.CaptureFixture[str],
) -> None:
    storage = InMemoryStorage()
    kernel = pallas(
        softmax,
        autotuner_fn=autotuner(sampler=RandomSampler(seed=0), storage=storage),
        autotune_config_filter=lambda config: config if config["block_sizes"] == [16] else None,
        autotune_budget_seconds=0,
    )
    run(kernel)
    assert "ends: autotune_budget_seconds" in capfd.readouterr().err
    study = only_study(storage)
    statuses = {trial.user_attrs["status"] for trial in study.trials if trial.state.is_finished()}
    assert statuses <= {"ok", "rejected", "duplicate"}
    assert study.best_trial.params == {BLOCK: 4}


def test_the_random_seed_of_the_kernel_is_the_samplers(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def sampler(seed: int, **options: Any) -> RandomSampler:
        seeds.append(seed)
        return RandomSampler(seed)

    monkeypatch.setattr("optuna_lfbo.sampler.LFBOSampler", sampler)
    with pytest.raises(KernelError):
        run(broken(autotuner_fn=autotuner(), autotune_random_seed=7))
    assert seeds == [7]


def test_best_of_several_searches() -> None:
    kernel = pallas(softmax, autotuner_fn=autotuner(n_trials=1), autotune_best_of_k=2)
    run(kernel)


def test_no_working_configuration_is_an_error_of_helion(tmp_path: Path) -> None:
    log = tmp_path / "log"
    kernel = pallas(
        softmax,
        autotuner_fn=autotuner(n_trials=2),
        autotune_baseline_fn=lambda x: x,
        autotune_log=str(log),
    )
    with pytest.raises(helion.exc.NoConfigFound) as caught:
        run(kernel)
    assert isinstance(caught.value.__cause__, TrialFailedError)
    assert caught.value.__cause__.status == "wrong_result"
    assert " wrong_result)" in log.with_suffix(".log").read_text()
    assert not list((tmp_path / "cache").glob("*.best_config"))


def test_an_interrupted_search_goes_on() -> None:
    interruptions = [KeyboardInterrupt]

    class Interrupted(RandomSampler):
        def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            if interruptions:
                raise interruptions.pop()

    storage = InMemoryStorage()
    fn = autotuner(sampler=Interrupted(seed=0), storage=storage, n_trials=1)
    kernel = pallas(softmax, autotuner_fn=fn)
    verbosity = optuna.logging.get_verbosity()
    with pytest.raises(KeyboardInterrupt):
        run(kernel)
    assert optuna.logging.get_verbosity() == verbosity
    assert all(trial.state != TrialState.COMPLETE for trial in only_study(storage).trials)
    run(kernel)
    assert only_study(storage).best_trial.params == {BLOCK: 4}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_trials": 0}, ValueError, "n_trials=0: expected 1 or more"),
        ({"n_trials": 1.5}, TypeError, r"n_trials=1\.5: expected an integer or None"),
        ({"sampler": "tpe"}, TypeError, "sampler='tpe': expected an Optuna sampler"),
        ({"storage": 1}, TypeError, "storage=1: expected a URL"),
    ],
)
def test_bad_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        autotuner(**options)
    kernel = pallas(softmax, autotuner_fn=autotuner())
    with pytest.raises(error, match=message):
        kernel.autotune(tensors(SHAPE), **options)


def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = pallas(softmax, autotuner_fn=autotuner(), autotune_cache="NoCache")
    with pytest.raises(ValueError, match=r"'NoCache'.*expected one of 'LocalAutotuneCache', "):
        run(kernel)
    monkeypatch.setenv("OPTUNA_LFBO_N_TRIALS", "many")
    with pytest.raises(ValueError, match="OPTUNA_LFBO_N_TRIALS='many': expected an integer"):
        run(pallas(softmax, autotuner_fn=autotuner()))


def test_several_sets_of_arguments_at_once_are_refused() -> None:
    bound_kernel = pallas(softmax).bind(tensors(SHAPE))
    with pytest.raises(NotImplementedError, match="not for several at once"):
        OptunaSearch(bound_kernel, object())  # type: ignore[arg-type]


def test_kernels_that_communicate_are_refused() -> None:
    environment = SimpleNamespace(process_group_name="all")
    with pytest.raises(NotImplementedError, match="communicate between processes"):
        OptunaSearch(SimpleNamespace(env=environment), ())
