"""``tune(devices=...)``, by the CPU in the place of several GPUs."""

from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import IntDistribution
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import tune
from optuna_lfbo.helion._devices import _environment
from tests.helion.torchrun import configs_of_workers
from tests.kernels.suite import matmul, pallas, softmax, tensors


def test_two_workers_share_one_study() -> None:
    args = tensors((16, 128), (128, 128))
    told: list[int] = []
    result = tune(
        pallas(matmul),
        args,
        devices=["cpu", "cpu"],
        n_trials=8,
        callbacks=[lambda study, trial: told.append(trial.number)],
    )
    assert result.stop_reason == "8 trials"
    trials = [trial for trial in result.study.trials if trial.state != TrialState.WAITING]
    assert all(trial.state.is_finished() for trial in trials)
    assert sorted(told) == [trial.number for trial in trials]
    # One that repeats a failure that is known has its status, but took no time.
    measured = [trial for trial in trials if trial.user_attrs["compile_s"] > 0.0]
    assert 0 < len(measured) <= 8
    assert len({str(trial.user_attrs["config"]) for trial in measured}) == len(measured)
    assert len({trial.user_attrs["worker"] for trial in measured}) == 2
    assert 0.0 < result.latency_ms < math.inf
    torch.testing.assert_close(
        pallas(matmul, config=result.config)(*args), args[0] @ args[1], rtol=1e-4, atol=1e-4
    )


def test_workers_of_torchrun_join_one_study_and_agree(tmp_path: Path) -> None:
    study = tmp_path / "study.log"
    ours, theirs = configs_of_workers(study, "cpu")
    assert ours == theirs
    storage = JournalStorage(JournalFileBackend(str(study)))
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    measured = [t for t in trials if t.user_attrs.get("status") == "ok"]
    assert len({str(trial.user_attrs["config"]) for trial in measured}) == len(measured)
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2


@pytest.mark.parametrize(
    ("devices", "error", "message"),
    [
        (2, TypeError, r"devices=2: expected a list of devices, such as \[0, 1\]"),
        ("cpu", TypeError, "devices='cpu': expected a list"),
        ([], ValueError, "devices is empty"),
        (["cpu", "meta"], ValueError, "but torch sees 0 such|the arguments are on 'cpu'"),
        (["tpu"], TypeError, "devices has 'tpu', which is no device of torch"),
        ([97], ValueError, r"devices has 97, but torch sees \d+ such device"),
    ],
)
def test_what_is_no_list_of_devices_is_refused(
    devices: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tune(pallas(softmax), tensors((16, 128)), devices=devices)


def test_memory_of_one_process_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="storage is an InMemoryStorage"):
        tune(
            pallas(softmax),
            tensors((16, 128)),
            storage=InMemoryStorage(),
            devices=["cpu", "cpu"],
        )


def test_a_worker_sees_one_of_the_devices_that_its_parent_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    second = torch.device("cuda", 1)
    assert _environment(second, 0, 2)["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-07")
    assert _environment(second, 0, 2)["CUDA_VISIBLE_DEVICES"] == "GPU-07"
    assert _environment(second, 1, 2)["LOCAL_RANK"] == "1"


def test_studies_of_mixed_devices_have_ratios(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    args = tensors((16, 128))
    result = tune(pallas(softmax), args, storage=storage, n_trials=2, mixed_devices=True)
    assert result.study.metric_names == ["latency_over_default"]
    assert result.study.user_attrs["device"] == "any"
    (default_ms,) = result.study.user_attrs["default_latencies_ms"]
    for trial in result.study.get_trials(states=(TrialState.COMPLETE,)):
        assert trial.user_attrs["device"] == "cpu"
        (latency_ms,) = trial.user_attrs["latencies_ms"]
        assert trial.value == pytest.approx(latency_ms / default_ms)
    with pytest.raises(ValueError, match="made with another device"):
        tune(pallas(softmax), args, storage=storage, study_name=result.study.study_name)


def test_mixed_devices_need_a_default() -> None:
    objective = callable_objective(lambda params: int, (), {"n": IntDistribution(0, 1)})
    with pytest.raises(ValueError, match="has no default, which latencies could be compared"):
        objective.tune(mixed_devices=True)


def kill_the_worker_once(folder: str, params: dict[str, Any]) -> Any:
    with contextlib.suppress(FileExistsError):
        (Path(folder) / "killed").touch(exist_ok=False)
        worker = multiprocessing.parent_process()
        assert worker is not None
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        time.sleep(600.0)
    (Path(folder) / f"visible-{os.environ['LOCAL_RANK']}").touch()
    return torch.clone


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    compile_fn = functools.partial(kill_the_worker_once, str(tmp_path))
    objective = callable_objective(compile_fn, (torch.zeros(1),), {"n": IntDistribution(0, 99)})
    result = objective.tune(devices=["cpu"], n_trials=5)
    assert result.stop_reason == "5 trials"
    lost, *_ = result.study.trials
    assert lost.state == TrialState.FAIL
    assert "its worker was lost" in lost.user_attrs["error"]
    assert len({trial.user_attrs["worker"] for trial in result.study.trials}) == 2
    assert {path.name for path in tmp_path.glob("visible-*")} == {"visible-0"}


PROGRAM = """
import torch
from optuna.distributions import IntDistribution
from optuna_lfbo.callables import callable_objective

print("here", flush=True)
space = {"n": IntDistribution(0, 10**6)}
objective = callable_objective(lambda params: torch.clone, (torch.zeros(1),), space)
told = lambda study, trial: print("told", flush=True)
objective.tune(devices=["cpu", "cpu"], callbacks=[told])
"""


def test_workers_end_with_a_program_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        # Workers do not run it once more.
        assert [program.stdout.readline() for _ in range(3)] == ["here\n", "told\n", "told\n"]
        program.kill()
        # All that could write to it have ended.
        assert set(program.stdout) <= {"told\n"}
