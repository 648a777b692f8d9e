from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import helion
import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.helion import KernelError, TrialFailedError, helion_objective
from tests.kernels.suite import add, matmul, pallas, softmax, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna_lfbo.helion import HelionObjective

SHAPE = (16, 128)
BLOCK = "log2_block_sizes[0]"


@pytest.fixture
def objective() -> Iterator[HelionObjective]:
    with helion_objective(pallas(softmax), tensors(SHAPE)) as objective:
        yield objective


def new_study(storage: str | None = None, **kwargs: Any) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(sampler=sampler, storage=storage, **kwargs)


def measure(objective: HelionObjective, *params: dict[str, Any]) -> optuna.Study:
    study = new_study()
    for trial_params in params:
        study.enqueue_trial(trial_params)
    study.optimize(objective, n_trials=len(params), catch=objective.failures)
    return study


def outcome(study: optuna.Study, number: int = 0) -> tuple[str, str]:
    trial = study.trials[number]
    assert trial.state == TrialState.FAIL
    return trial.user_attrs["status"], trial.user_attrs["error"]


def test_a_study_records_latencies_and_what_it_is_about(objective: HelionObjective) -> None:
    study = new_study(study_name=objective.study_name)
    objective.enqueue_seeds(study)
    study.optimize(objective, n_trials=3, catch=objective.failures)

    first = study.trials[0]
    assert first.params == objective.space.params(objective.space.default)
    assert first.value == study.user_attrs["default_latency_ms"] > 0
    assert first.user_attrs["config"] == dict(objective.space.default)
    assert first.user_attrs["status"] == "ok"
    assert "error" not in first.user_attrs
    assert first.user_attrs["measure_s"] > 0
    assert first.user_attrs["device"] == "cpu"
    for trial in study.trials:
        assert json.loads(json.dumps(trial.user_attrs)) == trial.user_attrs
        assert trial.user_attrs["config"] == dict(objective.space.config(trial.params))

    assert study.metric_names == ["latency_ms"]
    assert study.user_attrs["kernel"] == "softmax"
    assert study.user_attrs["args"] == [
        {"shape": [16, 128], "dtype": "float32", "stride": [128, 1]}
    ]
    assert study.user_attrs["versions"]["torch"] == torch.__version__
    assert objective.study_name.startswith("softmax-16x128-cpu-")


def test_the_best_config_runs_in_a_kernel(objective: HelionObjective) -> None:
    study = measure(objective, {BLOCK: 3}, {BLOCK: 4})
    best = objective.best_config(study)
    assert best == objective.space.config(study.best_params)
    (x,) = tensors(SHAPE)
    torch.testing.assert_close(pallas(softmax, config=best)(x), softmax_of(x))


def softmax_of(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softmax(x, dim=1)


def test_seeds_are_enqueued_once(objective: HelionObjective) -> None:
    study = new_study()
    objective.enqueue_seeds(study)
    objective.enqueue_seeds(study)
    assert len(study.trials) == len(objective.space.seeds)
    study.optimize(objective, n_trials=1)
    objective.enqueue_seeds(study)
    assert len(study.trials) == len(objective.space.seeds)


def test_a_seed_whose_trial_was_interrupted_is_enqueued_again(tmp_path: Path) -> None:
    marker = tmp_path / "interrupted"

    def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
        if not marker.exists():
            marker.touch()
            raise KeyboardInterrupt

    kernel = pallas(softmax, autotune_baseline_accuracy_check_fn=check)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = new_study()
        objective.enqueue_seeds(study)
        with pytest.raises(KeyboardInterrupt):
            study.optimize(objective, n_trials=1)
        objective.enqueue_seeds(study)
        study.optimize(objective, n_trials=1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert study.user_attrs["default_latency_ms"] == study.best_value


def test_params_that_helion_repairs_to_one_config_are_one_measurement() -> None:
    with helion_objective(pallas(matmul), tensors((32, 128), (128, 128))) as objective:
        params = objective.space.params({"pallas_loop_type": "emit_pipeline"})
        # This loop type has no buffers to count.
        study = measure(objective, params, params | {"pallas_load_buffer_count[0]": 2})
    first, second = study.trials
    assert first.params != second.params
    assert first.user_attrs["config"] == second.user_attrs["config"]
    assert second.state == TrialState.COMPLETE
    assert second.value == first.value
    assert second.user_attrs["status"] == "duplicate"
    assert second.user_attrs["error"] == "the same configuration as trial 0"
    assert study.user_attrs["n_duplicates"] == 1
    assert second.user_attrs["compile_s"] == second.user_attrs["measure_s"] == 0


def test_a_config_that_failed_fails_again_without_being_measured(tmp_path: Path) -> None:
    checks = tmp_path / "checks"

    def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
        with checks.open("a") as file:
            file.write("checked\n")
        raise AssertionError("wrong\nby far")

    kernel = pallas(softmax, autotune_baseline_accuracy_check_fn=check)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = measure(objective, {BLOCK: 4}, {BLOCK: 4})
    assert outcome(study, 0) == outcome(study, 1) == ("wrong_result", "wrong by far")
    assert checks.read_text() == "checked\n"


def test_a_result_that_differs_from_the_baseline_is_wrong() -> None:
    kernel = pallas(softmax, autotune_baseline_fn=lambda x: softmax_of(x) + 1)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = measure(objective, {BLOCK: 4})
    status, error = outcome(study)
    assert status == "wrong_result"
    assert error.startswith("Tensor-likes are not close!")
    assert "\n" not in error
    assert "default_latency_ms" not in study.user_attrs


def test_a_config_that_helion_cannot_compile_is_a_compile_error() -> None:
    def broken(config: helion.Config) -> helion.Config:
        return helion.Config(block_sizes=[8, 8])

    kernel = pallas(softmax, autotune_config_filter=broken)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = measure(objective, {BLOCK: 4})
        assert study.trials[0].user_attrs["config"] == {"block_sizes": [8, 8]}
    status, error = outcome(study)
    assert status == "compile_error"
    assert "Too many values for config['block_sizes']" in error


def test_a_compile_error_after_a_success_has_its_reason_too() -> None:
    def break_some(config: helion.Config) -> helion.Config:
        return helion.Config(block_sizes=[8, 8]) if config["block_sizes"] == [16] else config

    kernel = pallas(softmax, autotune_config_filter=break_some)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = measure(objective, {BLOCK: 3}, {BLOCK: 4})
    assert study.trials[0].state == TrialState.COMPLETE
    status, error = outcome(study, 1)
    assert status == "compile_error"
    assert "Too many values for config['block_sizes']" in error


def test_what_the_filter_of_the_kernel_excludes_is_rejected() -> None:
    kernel = pallas(softmax, autotune_config_filter=lambda config: None)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = measure(objective, {BLOCK: 4})
    status, error = outcome(study)
    assert status == "rejected"
    assert "autotune_config_filter" in error


def test_failures_reach_the_caller_unless_caught() -> None:
    kernel = pallas(softmax, autotune_config_filter=lambda config: None)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = new_study()
        with pytest.raises(TrialFailedError, match=r"^rejected: ") as caught:
            objective(study.ask())
    assert caught.value.status == "rejected"


def test_a_study_resumes_from_storage(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for resumed in (False, True):
        with helion_objective(pallas(softmax), tensors(SHAPE)) as objective:
            study = new_study(storage, study_name=objective.study_name, load_if_exists=True)
            objective.enqueue_seeds(study)
            study.optimize(objective, n_trials=1)
        assert len(study.trials) == (2 if resumed else 1)
    study.enqueue_trial({BLOCK: study.trials[0].params[BLOCK]})
    with helion_objective(pallas(softmax), tensors(SHAPE)) as objective:
        study.optimize(objective, n_trials=1)
    assert study.trials[-1].user_attrs["status"] == "duplicate"
    assert study.trials[-1].value == study.trials[0].value


def test_threads_share_one_objective(objective: HelionObjective) -> None:
    study = new_study()
    study.optimize(objective, n_trials=4, n_jobs=2, catch=objective.failures)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    measured = [t.params[BLOCK] for t in study.trials if t.user_attrs["status"] == "ok"]
    assert sorted(measured) == sorted(set(measured))


def test_foreign_attributes_in_the_storage_are_ignored(objective: HelionObjective) -> None:
    study = new_study()
    config = dict(objective.space.config({BLOCK: 4}))
    for attrs in (
        {"config": "__import__('os')", "status": "ok"},
        {"config": [1, 2], "status": "ok"},
        {"status": "ok"},
        {"config": config},
    ):
        study.add_trial(optuna.create_trial(value=1.0, user_attrs=attrs))
    state = TrialState.FAIL
    study.add_trial(
        optuna.create_trial(state=state, user_attrs={"config": config, "status": "odd"})
    )
    study.enqueue_trial({BLOCK: 4})
    study.optimize(objective, n_trials=1)
    assert study.trials[-1].user_attrs["status"] == "ok"
    with pytest.raises(ValueError, match=r"Trial 0 .* has no configuration on record"):
        objective.best_config(study)


def test_the_settings_of_the_kernel_stay_as_they_are() -> None:
    kernel = pallas(softmax)
    before = kernel.settings.to_dict()
    with helion_objective(kernel, tensors(SHAPE)):
        assert kernel.settings.to_dict() == before
    assert kernel.settings.to_dict() == before


@pytest.mark.parametrize("directions", [["maximize"], ["minimize", "minimize"]])
def test_only_minimising_studies_are_accepted(
    objective: HelionObjective, directions: list[str]
) -> None:
    study = new_study(directions=directions)
    with pytest.raises(ValueError, match=f"direction.* {', '.join(directions)};"):
        objective.enqueue_seeds(study)
    with pytest.raises(ValueError, match="direction='minimize'"):
        study.optimize(objective, n_trials=1, catch=objective.failures)
    assert "kernel" not in study.user_attrs


def test_a_study_of_something_else_is_refused(objective: HelionObjective) -> None:
    study = measure(objective, {BLOCK: 4})
    others = {
        "kernel": helion_objective(pallas(add), (*tensors(SHAPE, SHAPE),)),
        "source_hash": helion_objective(pallas(softmax, fast_math=True), tensors(SHAPE)),
        "args": helion_objective(pallas(softmax), tensors((64, 128))),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"was made with another {name}: it has .* this"):
            other.enqueue_seeds(study)
        assert other.study_name != objective.study_name
    halves = helion_objective(pallas(softmax), (tensors(SHAPE)[0].to(torch.bfloat16),))
    with pytest.raises(ValueError, match=r'another args: .*"float32".* this .*"bfloat16"'):
        halves.enqueue_seeds(study)
    transposed = helion_objective(pallas(softmax), (tensors((128, 16))[0].T,))
    with pytest.raises(ValueError, match=r"another args: .*\[128, 1\].* this .*\[1, 16\]"):
        transposed.enqueue_seeds(study)


def test_a_study_of_another_device_is_refused(objective: HelionObjective) -> None:
    study = new_study()
    study.set_user_attr("device", "NVIDIA H100")
    with pytest.raises(ValueError, match=r'another device: it has "NVIDIA H100", this .*"cpu"'):
        study.optimize(objective, n_trials=1, catch=objective.failures)


def test_a_config_in_the_decorator_does_not_make_another_kernel() -> None:
    plain = helion_objective(pallas(softmax), tensors(SHAPE))
    pinned = pallas(softmax, config=helion.Config(block_sizes=[16]))
    assert helion_objective(pinned, tensors(SHAPE)).study_name == plain.study_name


def test_other_versions_are_only_warned_of(
    objective: HelionObjective, caplog: pytest.LogCaptureFixture
) -> None:
    study = new_study()
    study.set_user_attr("versions", {"helion": "0.1"})
    optuna.logging.enable_propagation()
    with caplog.at_level("WARNING", logger="optuna"):
        objective.enqueue_seeds(study)
    optuna.logging.disable_propagation()
    assert 'was made with {"helion": "0.1"}' in caplog.text


def test_args_that_do_not_fit_the_kernel_are_refused() -> None:
    with pytest.raises(TypeError, match=r"decorated with @helion\.kernel, got <function softmax"):
        helion_objective(softmax, tensors(SHAPE))
    with pytest.raises(TypeError, match="must be a tuple or list of the arguments of 'softmax'"):
        helion_objective(pallas(softmax), tensors(SHAPE)[0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"The 2 args do not fit the kernel softmax\(x: "):
        helion_objective(pallas(softmax), tensors(SHAPE, SHAPE))
    with pytest.raises(KernelError, match="cannot bind the kernel 'softmax' to its arguments"):
        helion_objective(pallas(softmax), tensors((128,)))


def test_a_kernel_that_does_not_run_is_refused_on_entering() -> None:
    def baseline(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("no baseline today")

    kernel = pallas(softmax, autotune_baseline_fn=baseline)
    message = "'softmax' does not run with its default .* ZeroDivisionError: no baseline today"
    with pytest.raises(KernelError, match=message), helion_objective(kernel, tensors(SHAPE)):
        pass


def test_the_objective_measures_only_within_its_context() -> None:
    objective = helion_objective(pallas(softmax), tensors(SHAPE))
    study = new_study()
    with pytest.raises(RuntimeError, match="only within its context"):
        study.optimize(objective, n_trials=1, catch=objective.failures)
    with objective, pytest.raises(RuntimeError, match="entered already"), objective:
        pass


def test_no_trial_has_a_best_config(objective: HelionObjective) -> None:
    with pytest.raises(ValueError, match="No trials are completed"):
        objective.best_config(new_study())


def test_missing_helion_is_told_how_to_install() -> None:
    code = "import sys; sys.modules['helion'] = None; import optuna_lfbo.helion"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "optuna_lfbo[helion]"' in result.stderr
