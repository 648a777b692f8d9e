"""Every example runs."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import optuna_dashboard

if TYPE_CHECKING:
    from types import ModuleType

    import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    """Import an example as the program it is, but without running it."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_model_of_scikit_learn_is_tuned(capsys: pytest.CaptureFixture[str]) -> None:
    load("quickstart").main(["--trials", "15", "--seed", "0"])
    output = capsys.readouterr().out
    assert re.search(r"trials:   \d+ complete, \d+ fail", output)
    found = re.search(r"accuracy: (0\.\d+)", output)
    assert found is not None
    assert float(found[1]) > 0.95


def test_classifiers_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    example = load("own_classifier")
    example.main(["--trials", "12", "--seeds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:22].rstrip() for line in lines] == list(example.CLASSIFIERS)
    assert all(re.fullmatch(r".{22} +\d+\.\d{4} ms", line) for line in lines)


def test_several_workers_share_a_study(tmp_path: Path) -> None:
    # The workers import the example's file, and what it imports from beside it.
    command = [sys.executable, EXAMPLES / "several_workers.py", "--workers", "2", "--trials", "12"]
    storage = f"sqlite:///{tmp_path}/study.db"
    result = subprocess.run([*command, "--storage", storage], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = re.search(r"^accuracy: 0\.\d+ after (\d+) trials$", result.stdout, re.M)
    assert found is not None
    trials = [int(n) for n in re.findall(r"^  (\d+) by process \d+$", result.stdout, re.M)]
    assert sum(trials) == int(found[1]) >= 12


def test_tuning_a_helion_kernel_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = f"sqlite:///{tmp_path}/tuning.db"
    example = load("tune_helion_kernel")
    n_trials = []
    for _ in range(2):
        example.main(["softmax", "--trials", "2", "--storage", storage, "--seed", "0"])
        output = capsys.readouterr().out
        assert "stopped:  2 trials" in output
        assert "speed-up:" in output
        assert "@helion.kernel(config=" in output
        (study,) = optuna.get_all_study_summaries(storage)
        n_trials.append(study.n_trials)
    assert n_trials[0] < n_trials[1]


def test_a_kernel_is_tuned_inside_helion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "cache"))
    options = ["--storage", f"sqlite:///{tmp_path}/tuning.db", "--trials"]
    # Under a name that the worker processes, too, can import.
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("inside_helion")
    example.main([*options, "2"])
    example.main([*options, "3", "--force"])
    found = re.findall(r"^softmax-32x256-\S+: (\d+) trials, best", capsys.readouterr().out, re.M)
    first, second = map(int, found)
    assert 2 <= first < second


def test_the_page_of_a_study_is_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("tune_helion_kernel")
    monkeypatch.setitem(example.CPU_SHAPES, "matmul", [(16, 128), (128, 128)])
    storage = f"sqlite:///{tmp_path}/tuning.db"
    load("dashboard").main(["--trials", "2", "--storage", storage])
    assert f"optuna-dashboard {storage}" in capsys.readouterr().out
    study = optuna.load_study(study_name=None, storage=storage)
    assert "# `matmul`" in optuna_dashboard.get_note(study)


def test_tuning_a_triton_kernel(tmp_path: Path) -> None:
    # In a process of its own, as a variable makes Triton interpret once and for all.
    command = [sys.executable, EXAMPLES / "tune_triton_kernel.py", "--trials", "3"]
    storage = f"sqlite:///{tmp_path}/tuning.db"
    result = subprocess.run([*command, "--storage", storage], capture_output=True, text=True)
    if importlib.util.find_spec("triton") is None:
        assert "pip install triton" in result.stderr
        return
    assert result.returncode == 0, result.stderr
    assert "speed-up:" in result.stdout
    assert "softmax_kernel[grid](x, out, n_rows, n_columns, ROWS=" in result.stdout
