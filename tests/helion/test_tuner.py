"""The pipeline end to end, on the CPU."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.helion import KernelError, KernelSpace, tune
from optuna_lfbo.helion._kernel_task import KernelTask
from tests.kernels.global_names import scale
from tests.kernels.suite import matmul, pallas, softmax, tensors

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (16, 128)


def test_tune_finds_a_config_and_keeps_a_study(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    args = tensors((16, 128), (128, 128))
    first = tune(pallas(matmul), args, storage=storage, n_trials=6)
    statuses = Counter(trial.user_attrs["status"] for trial in first.study.trials)
    assert first.stop_reason == "6 trials"
    assert statuses["ok"] + statuses["compile_error"] + statuses["runtime_error"] <= 6
    assert 0.0 < first.latency_ms < math.inf
    assert first.default_latency_ms == first.study.user_attrs["default_latency_ms"]
    assert first.speed_up == pytest.approx(first.default_latency_ms / first.latency_ms)
    assert any(entry["config"] == dict(first.config) for entry in first.study.user_attrs["final"])
    torch.testing.assert_close(
        pallas(matmul, config=first.config)(*args), args[0] @ args[1], rtol=1e-4, atol=1e-4
    )
    shares = first.study.user_attrs["tuning"]
    assert 0.0 < shares["device_busy_share"] <= 1.0
    assert 0.0 < shares["sampler_share"] < 1.0

    n_before = len(first.study.trials)
    resumed = tune(pallas(matmul), args, storage=storage, n_trials=2)
    assert resumed.study.study_name == first.study.study_name
    assert len(resumed.study.trials) >= n_before + 2
    assert all(trial.state.is_finished() for trial in resumed.study.trials)


def test_a_kernel_may_use_names_of_its_module() -> None:
    (x,) = tensors((8, 128))
    result = tune(scale, (x,), n_trials=3)
    assert [trial.user_attrs["status"] for trial in result.study.trials[:2]] == ["ok", "ok"]
    torch.testing.assert_close(pallas(scale.fn, config=result.config)(x), 6.0 * x)


def test_a_program_other_than_the_one_measured_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    optuna.logging.enable_propagation()
    (x,) = tensors((8, 128))
    with caplog.at_level("WARNING", logger="optuna"):
        # The module of its global names has another name elsewhere.
        tune(scale, (x,), n_trials=1)
        assert not caplog.text
        monkeypatch.setattr(KernelTask, "code", lambda task, configuration: "another")
        tune(scale, (x,), n_trials=1)
    optuna.logging.disable_propagation()
    assert "another program here than was measured" in caplog.text


def test_the_seeds_come_first() -> None:
    kernel = pallas(softmax, autotune_seed_configs=[{"block_sizes": [16]}])
    seeds = [dict(seed) for seed in KernelSpace(kernel.bind(tensors(SHAPE))).seeds]
    assert {"block_sizes": [16]}.items() <= seeds[-1].items()
    result = tune(kernel, tensors(SHAPE), n_trials=len(seeds))
    assert [trial.user_attrs["config"] for trial in result.study.trials[: len(seeds)]] == seeds


def test_an_exhausted_space_ends_the_tuning() -> None:
    # Blocks of 8 and 16 rows are all that the Pallas backend allows.
    result = tune(pallas(softmax), tensors(SHAPE))
    assert result.stop_reason == "nothing new to try"
    tried = Counter(trial.user_attrs["status"] for trial in result.study.trials)
    assert tried["ok"] == 2


def test_a_timeout_ends_the_tuning() -> None:
    result = tune(pallas(softmax), tensors(SHAPE), timeout=0.5)
    assert result.stop_reason == "timeout"
    assert not result.study.get_trials(states=(TrialState.RUNNING,))


def test_any_sampler_of_optuna_serves() -> None:
    sampler = optuna.samplers.TPESampler(seed=0)
    result = tune(pallas(softmax), tensors(SHAPE), sampler=sampler, n_trials=3)
    assert result.latency_ms > 0.0


def test_a_sampler_may_stop_the_study() -> None:
    sampler = optuna.samplers.BruteForceSampler(seed=0)
    result = tune(pallas(softmax), tensors(SHAPE), sampler=sampler)
    assert result.stop_reason == "the sampler stopped the study"
    assert sum(t.user_attrs["status"] == "ok" for t in result.study.trials) == 2


def test_a_kernel_of_which_no_config_works_is_an_error() -> None:
    kernel = pallas(softmax, autotune_config_filter=lambda config: None)
    with pytest.raises(KernelError, match="None of the configurations of 'softmax'"):
        tune(kernel, tensors(SHAPE), n_trials=3)


def test_ctrl_c_keeps_the_best_and_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = optuna.Study.tell

    def interrupt_after_three(study: optuna.Study, *args: object, **kwargs: object) -> object:
        trial = told(study, *args, **kwargs)  # type: ignore[arg-type]
        if len(study.get_trials(states=(TrialState.COMPLETE,))) == 3:
            monkeypatch.setattr(optuna.Study, "tell", told)
            raise KeyboardInterrupt
        return trial

    monkeypatch.setattr(optuna.Study, "tell", interrupt_after_three)
    result = tune(pallas(softmax), tensors(SHAPE))
    assert result.stop_reason == "interrupted"
    assert result.latency_ms == result.study.best_value
    assert not result.study.get_trials(states=(TrialState.RUNNING,))
