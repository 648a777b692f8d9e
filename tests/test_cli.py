"""The command line end to end, on the CPU."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import helion
import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.cli import main
from optuna_lfbo.cli._parser import make_parser
from tests.cli_kernels import add_args, soft_args
from tests.kernels.suite import add, pallas, softmax
from tests.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
KERNELS = "tests.cli_kernels"
ADDING = [f"{KERNELS}:adding", "--args", f"{KERNELS}:add_args"]
SOFT = [f"{KERNELS}:soft", "--args", f"{KERNELS}:soft_args"]


@pytest.fixture(autouse=True)
def verbosity() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


def measured(storage: str) -> list[optuna.trial.FrozenTrial]:
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    return study.get_trials(states=(TrialState.COMPLETE,))


def test_a_run_is_interrupted_resumed_shown_and_exported(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "optuna_lfbo.cli", "tune", *ADDING, "--storage", storage]
    with terminal() as screen:
        process = screen.start(command, cwd=ROOT, stdout=subprocess.PIPE)
        database = Path(storage.removeprefix("sqlite:///"))
        screen.read_until(lambda: b", best " in screen.output or process.poll() is not None)
        assert process.poll() is None, screen.output.decode()
        screen.press(b"\x03")
        screen.read_until(lambda: process.poll() is not None)
        output, _ = process.communicate()
        assert database.exists()
        lines = screen.lines()
    assert process.returncode == 130, lines
    printed = output.decode()
    assert "stopped:  interrupted" in printed
    assert re.search(r"^@helion\.kernel\(config=helion\.Config\(.+\)\)$", printed, re.M)
    assert any(re.match(r"\d+ configs \[[0-9:]+, [0-9.]+/s\], best ", line) for line in lines)
    kept = measured(storage)
    assert kept
    best = min(trial.value for trial in kept if trial.value is not None)
    assert f"best:     {best:.4g} ms" in printed

    assert main(["tune", *ADDING, "--storage", storage, "--trials", "1"]) == 0
    assert "stopped:  1 trials" in capsys.readouterr().out
    assert len(measured(storage)) >= len(kept)

    assert main(["show", "add", "--storage", storage]) == 0
    note = capsys.readouterr().out
    assert note.startswith("# `add`\n")
    assert "`float32[8, 16, 128]`" in note
    assert "@helion.kernel(config=helion.Config(" in note

    path = tmp_path / "config.json"
    assert main(["export", "add", "--storage", storage, "--output", str(path)]) == 0
    config = helion.Config.load(path)
    args = add_args()
    torch.testing.assert_close(pallas(add, config=config)(*args), args[0] + args[1])
    assert main(["export", "add", "--storage", storage, "--format", "code"]) == 0
    code = capsys.readouterr().out.strip()
    assert eval(code.removeprefix("@"), {"helion": helion}).keywords["configs"] == [config]


def test_an_objective_is_tuned_and_exported(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tune", f"{KERNELS}:objective", "--storage", storage, "--quiet"]
    options = ["--trials", "3", "--study", "mine", "--timeout", "100", "--seed", "0"]
    assert main([*command, *options, "--devices", "cpu"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\{'n': [123]\}", line)
    assert main(["export", "mine", "--storage", storage]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"n"}


ERRORS = {
    "no command": ([], 2, r"the following arguments are required: COMMAND"),
    "no name": (["tune", "kernels"], 2, r"KERNEL='kernels': expected MODULE:NAME, such as"),
    "no module": (["tune", "no.such:kernel"], 1, r"importing 'no.such' .* failed: ModuleNotFound"),
    "no kernel": (["tune", f"{KERNELS}:nope"], 2, r"has no attribute 'nope'"),
    "not a kernel": (["tune", f"{KERNELS}:soft_args"], 2, r"expected a Helion kernel, an obj"),
    "no args": (["tune", f"{KERNELS}:soft"], 2, r"a Helion kernel needs --args=MODULE:ARGS"),
    "needless args": (
        ["tune", f"{KERNELS}:objective", "--args", f"{KERNELS}:soft_args"],
        2,
        r"only a Helion kernel takes arguments",
    ),
    "broken args": (
        ["tune", f"{KERNELS}:soft", "--args", f"{KERNELS}:broken_args"],
        1,
        r"calling it failed: RuntimeError: no such file",
    ),
    "wrong args": (
        ["tune", f"{KERNELS}:soft", "--args", f"{KERNELS}:add_args"],
        1,
        r"The 2 args do not fit the kernel softmax",
    ),
    "no trials": (["tune", *SOFT, "--trials", "0"], 2, r"argument --trials: 0 is not 1 or more"),
    "no number": (["tune", *SOFT, "--trials", "few"], 2, r"invalid int value: 'few'"),
    "no time": (["tune", *SOFT, "--timeout", "-1"], 2, r"argument --timeout: -1 is not more"),
    "no device": (["tune", *SOFT, "--devices", "gpu"], 1, r"devices has 'gpu', which is no dev"),
    "no URL": (["show", "x", "--storage", "a b://"], 1, r"--storage='a b://': Could not parse"),
    "no journal": (["show", "x", "--storage", "here"], 1, r"there is no file 'here'"),
    "no driver": (["show", "x", "--storage", "mysql+nope://a/b"], 1, r"--storage='mysql\+nope"),
    "no file": (
        ["show", "x", "--storage", "sqlite:////no/where.db"],
        1,
        r"no file '/no/where.db'",
    ),
    "no folder": (["tune", *SOFT, "--storage", "sqlite:////no/where.db"], 1, r"unable to open"),
    "no log": (["import-log", "nowhere.csv", *SOFT], 2, r"CSV='nowhere.csv': .*No such file"),
    "not a log": (["import-log", __file__, *SOFT], 2, r"has no row with the columns config, perf"),
}


@pytest.mark.parametrize(("argv", "code", "reason"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_one_line(
    argv: list[str],
    code: int,
    reason: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = main(argv)
    except SystemExit as end:
        found = end.code  # type: ignore[assignment]
    assert found == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(rf"optuna-lfbo( [a-z-]+)?: error: .*{reason}.*\n", errors)


def test_a_study_is_found_by_the_beginning_of_its_name(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("matmul", "matmul-16", "softmax-16"):
        optuna.create_study(study_name=name, storage=storage)
    for name in ("matmul", "matmul-", "soft"):
        assert main(["show", name, "--storage", storage]) == 0
    capsys.readouterr()
    for name, reason in (("m", "several studies begin with 'm'"), ("add", "no study 'add'")):
        assert main(["show", name, "--storage", storage]) == 1
        assert reason in capsys.readouterr().err
    assert main(["export", "soft", "--storage", storage]) == 1
    assert "has no kernel configuration that was measured yet" in capsys.readouterr().err


def test_a_journal_file_is_a_storage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "journal.log")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    optuna.create_study(study_name="in-a-journal", storage=storage)
    assert main(["show", "in-a", "--storage", path]) == 0
    assert "`in-a-journal`" in capsys.readouterr().out


def test_every_option_is_explained() -> None:
    parser = make_parser()
    (commands,) = (a for a in parser._actions if a.choices and "tune" in a.choices)
    assert isinstance(commands.choices, dict)
    assert set(commands.choices) == {"tune", "show", "export", "import-log"}
    for command in commands.choices.values():
        assert command.description
        assert all(action.help for action in command._actions)
    assert "130  interrupted" in parser.format_help()


def test_help_needs_neither_torch_nor_helion() -> None:
    code = (
        "import sys; from optuna_lfbo.cli._parser import make_parser; make_parser().format_help();"
        "import optuna_lfbo.cli; assert not {'torch', 'helion', 'plotly'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that Helion has written while it compared two configurations."""
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELION_AUTOTUNE_LOG", str(folder / "log"))
        patch.setenv("HELION_CACHE_DIR", str(folder / "cache"))
        configs = [helion.Config(block_sizes=[size]) for size in (8, 16)]
        kernel = pallas(softmax, configs=configs, autotune_precompile=None)
        kernel(*soft_args)
    return folder / "log.csv"


def test_a_log_of_helion_becomes_a_study(
    log: Path, storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with log.open(encoding="utf-8", newline="") as file:
        rows = {row["config"]: row for row in csv.DictReader(file) if row["status"] == "ok"}
    assert len(rows) == 2
    for known in (0, 2):
        assert main(["import-log", str(log), *SOFT, "--storage", storage]) == 0
        text = f"imported: {2 - known} trials; {known} were known, 0 do not fit the kernel"
        assert text in capsys.readouterr().out
    trials = measured(storage)
    assert {trial.value for trial in trials} == {float(row["perf_ms"]) for row in rows.values()}
    for trial in trials:
        assert trial.user_attrs["status"] == "ok"
        assert str(helion.Config(**trial.user_attrs["config"])) in rows
        assert trial.params == {
            "log2_block_sizes[0]": {8: 3, 16: 4}[trial.user_attrs["config"]["block_sizes"][0]]
        }
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert trial.datetime_start <= trial.datetime_complete

    assert main(["tune", *SOFT, "--storage", storage]) == 0
    assert "stopped:  nothing new to try" in capsys.readouterr().out
    assert {trial.user_attrs["status"] for trial in measured(storage)} == {"ok", "duplicate"}


ROWS = [
    ("a", "started", "", "Config(block_sizes=[8, 16, 128])"),
    ("a", "timeout", "", "Config(block_sizes=[8, 16, 128])"),
    ("a", "ok", "0.5", "helion.Config(block_sizes=[4, 16, 128], loop_orders=[[1, 0, 2]])"),
    ("a", "error", "", "Config(block_sizes=[4, 8, 128])"),
    ("a", "accuracy_error", "", "Config(block_sizes=[2, 8, 128])"),
    ("a", "filtered", "", "Config(block_sizes=[1, 8, 128])"),
    ("a", "peer_compilation_fail", "", "Config(block_sizes=[2, 16, 128])"),
    ("a", "ok", "nan", "Config(block_sizes=[1, 16, 128])"),
    ("a", "ok", "0.6", "Config(block_sizes=[8, 8])"),
    ("a", "ok", "0.6", "Config(dtype=torch.float32)"),
    ("a", "ok", "0.6", "print('hello')"),
    ("b", "ok", "0.1", "Config(block_sizes=[8, 8, 128])"),
]


def test_a_log_tells_how_configurations_failed(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run_id", "status", "perf_ms", "config"])
        writer.writerows(ROWS)
    command = ["import-log", str(path), *ADDING, "--storage", storage]
    assert main(command) == 2
    assert "has 2 runs, choose one of these: a, b" in capsys.readouterr().err
    assert main([*command, "--run", "a"]) == 0
    output, errors = capsys.readouterr()
    assert "imported: 5 trials; 0 were known, 3 do not fit the kernel" in output
    assert errors.count("left out: ") == 3
    assert "hello" not in output
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    statuses = Counter(trial.user_attrs["status"] for trial in trials)
    assert statuses == {
        "ok": 1,
        "compile_timeout": 1,
        "runtime_error": 1,
        "wrong_result": 1,
        "rejected": 1,
    }
    (best,) = measured(storage)
    assert best.value == 0.5
    assert best.user_attrs["config"]["block_sizes"] == [4, 16, 128]
    failed = next(t for t in trials if t.user_attrs["status"] == "compile_timeout")
    assert failed.user_attrs["error"] == "'timeout' in the log of Helion's autotuner"
