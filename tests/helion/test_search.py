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
from tests.kernels.suite import add, matmul, pallas, softmax, tensors

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (16, 128)
BLOCK = "log2_block_sizes[0]"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HELION_", "OPTUNA_LFBO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "cache"))


def only_study(storage: Any) -> optuna.Study:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


class OnlyTheFirst:
    """An ``autotune_config_filter`` that saves the time to measure a second configuration."""

    def __init__(self) -> None:
        self._first: helion.Config | None = None

    def __call__(self, config: helion.Config) -> helion.Config | None:
        self._first = self._first or config
        return config if config == self._first else None


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
        autotune_log=str(log),
    )
    run(kernel)
    run(kernel)
    study = only_study(storage)
    assert len(study.trials) == 2
    assert study.trials[0].value == study.user_attrs["default_latency_ms"]

    statuses = [trial.user_attrs["status"] for trial in study.trials]
    rows = log.with_suffix(".csv").read_text().splitlines()[1:]
    names = {"ok": "ok", "duplicate": "deduplicated"}
    assert [row.split(",")[4] for row in rows] == [names[status] for status in statuses]
    text = log.with_suffix(".log").read_text()
    assert f"Study {study.study_name}: 0 of 2 trials are there" in text
    assert f"Trial 0: ok, {study.trials[0].value:.4f} ms is the best so far" in text

    printed = capfd.readouterr().err
    assert f"after searching {statuses.count('ok')} configs" in printed
    assert f"block_sizes={study.best_trial.user_attrs['config']['block_sizes']}" in printed


@pytest.mark.skipif(
    not hasattr(helion.Settings(), "autotune_log_search_space"),
    reason="this Helion does not report on its search space",
)
def test_helion_reports_what_was_tried_of_its_space(capfd: pytest.CaptureFixture[str]) -> None:
    fn = autotuner(n_trials=1)
    run(pallas(softmax, autotuner_fn=fn, autotune_log_search_space=True))
    printed = capfd.readouterr().err
    assert "Search algorithm: OptunaSearch" in printed
    assert "Configs attempted: 1 (1 valid" in printed


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
        "OPTUNA_LFBO_N_TRIALS": "2",
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
    assert len(only_study(storage).trials) == 2

    monkeypatch.setenv("HELION_ASSERT_CACHE_HIT", "1")
    run(pallas(softmax, autotuner_fn=autotuner(storage=storage, n_trials=3)))
    assert len(only_study(storage).trials) == 2


def test_a_search_goes_on_where_the_study_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELION_SKIP_CACHE", "1")
    storage = f"sqlite:///{tmp_path}/study.db"

    def baseline(x: torch.Tensor) -> torch.Tensor:
        baselines.append(x)
        return torch.nn.functional.softmax(x, dim=1)

    baselines: list[torch.Tensor] = []
    for n_trials in (1, 2, 2):
        fn = autotuner(storage=storage, n_trials=n_trials)
        run(pallas(softmax, autotuner_fn=fn, autotune_baseline_fn=baseline))
    assert len(only_study(storage).trials) == 2
    # The last search had nothing to measure, so not even a baseline.
    assert len(baselines) == 2


def test_each_kind_of_arguments_has_a_study() -> None:
    storage = InMemoryStorage()
    fn = autotuner(sampler=RandomSampler(seed=0), storage=storage, n_trials=1)
    kernel = pallas(softmax, autotuner_fn=fn)
    for shape in (SHAPE, (32, 128)):
        kernel(*tensors(shape))
    first, second = sorted(optuna.get_all_study_names(storage))
    assert first.startswith("softmax-16x128-cpu-")
    assert second.startswith("softmax-32x128-cpu-")


def test_seeds_come_first_and_pass_the_filter() -> None:
    storage = InMemoryStorage()
    kernel = pallas(
        softmax,
        autotuner_fn=autotuner(storage=storage, n_trials=2),
        autotune_seed_configs=[helion.Config(block_sizes=[8])],
        autotune_config_filter=lambda config: config if config["block_sizes"] == [16] else None,
    )
    run(kernel)
    study = only_study(storage)
    assert [trial.params for trial in study.trials] == [{BLOCK: 4}, {BLOCK: 3}]
    assert [trial.user_attrs["status"] for trial in study.trials] == ["ok", "rejected"]
    assert study.user_attrs["default_latency_ms"] == study.trials[0].value


@pytest.mark.parametrize(
    ("settings", "variable", "n_trials"),
    [
        ({"autotune_effort": "quick"}, "", 50),
        ({"autotune_effort": "full"}, "", 200),
        ({"autotune_effort": "full"}, "3", 3),
        ({"autotune_budget_seconds": 0}, "", 1),
        ({"autotune_effort": "none"}, "", 0),
    ],
)
def test_settings_of_the_kernel_say_when_to_end(
    settings: dict[str, Any],
    variable: str,
    n_trials: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPTUNA_LFBO_N_TRIALS", variable)
    storage = InMemoryStorage()
    kernel = pallas(
        matmul,
        autotuner_fn=autotuner(sampler=RandomSampler(seed=0), storage=storage),
        autotune_config_filter=OnlyTheFirst(),
        **settings,
    )
    kernel.autotune(tensors((32, 128), (128, 128)))
    studies = optuna.get_all_study_summaries(storage)
    assert sum(study.n_trials for study in studies) == n_trials
    lines = capfd.readouterr().err.count(" trials, best so far ")
    assert lines == n_trials // 20


def test_a_search_ends_when_nothing_is_left_to_try() -> None:
    storage = InMemoryStorage()
    kernel = pallas(
        add,
        autotuner_fn=autotuner(sampler=RandomSampler(seed=0), storage=storage),
        autotune_config_filter=OnlyTheFirst(),
    )
    kernel.autotune(tensors(SHAPE, SHAPE))
    trials = only_study(storage).trials
    assert 8 <= len(trials) < 200
    params = [tuple(trial.params.values()) for trial in trials]
    assert len(set(params)) == 8
    assert params.index(params[-1]) == len(params) - 1


def test_the_random_seed_of_the_kernel_is_the_samplers() -> None:
    found = []
    for seed in (1, 1, 2):
        storage = InMemoryStorage()
        kernel = pallas(
            add,
            autotuner_fn=autotuner(storage=storage, n_trials=5),
            autotune_random_seed=seed,
            autotune_config_filter=OnlyTheFirst(),
        )
        kernel.autotune(tensors(SHAPE, SHAPE))
        found.append([trial.params for trial in only_study(storage).trials])
    assert found[0] == found[1] != found[2]


def test_options_of_one_call_replace_those_of_the_decorator() -> None:
    storage = InMemoryStorage()
    kernel = pallas(softmax, autotuner_fn=autotuner(n_trials=1))
    kernel.autotune(tensors(SHAPE), storage=storage, n_trials=2)
    assert len(only_study(storage).trials) == 2


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
    assert "2 trials (2 wrong_result)" in log.with_suffix(".log").read_text()
    assert not list((tmp_path / "cache").glob("*.best_config"))


def test_a_kernel_that_does_not_run_is_an_error() -> None:
    def baseline(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("no baseline today")

    kernel = pallas(softmax, autotuner_fn=autotuner(), autotune_baseline_fn=baseline)
    with pytest.raises(KernelError, match="no baseline today"):
        run(kernel)


def test_an_interrupted_search_goes_on() -> None:
    interruptions = [KeyboardInterrupt]

    def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
        if interruptions:
            raise interruptions.pop()

    storage = InMemoryStorage()
    kernel = pallas(
        softmax,
        autotuner_fn=autotuner(storage=storage, n_trials=2),
        autotune_baseline_accuracy_check_fn=check,
    )
    verbosity = optuna.logging.get_verbosity()
    with pytest.raises(KeyboardInterrupt):
        run(kernel)
    assert optuna.logging.get_verbosity() == verbosity
    run(kernel)
    states = [trial.state for trial in only_study(storage).trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


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
