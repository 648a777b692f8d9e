from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from benchmarks.gpu import __main__ as command_line
from benchmarks.gpu import child, ours, processes, records, tuners
from benchmarks.gpu import run as run_module
from benchmarks.gpu.lanes import lanes_on
from benchmarks.gpu.records import Job, Run
from benchmarks.gpu.run import run_all, run_one
from benchmarks.gpu.tuners import Tuned
from benchmarks.gpu.utilization import Samples
from tests.benchmarks.gpu_runs import failed, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.gpu.lanes import Lane

JOB = Job("matmul", "ours", 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Replaces runs by made-up ones and lists what was asked for."""
    jobs: list[Job] = []

    def fake(job: Job, *_: Any, **__: Any) -> Run:
        jobs.append(job)
        return run(*job, process_seconds=50.0)

    monkeypatch.setattr(run_module, "run_one", fake)
    monkeypatch.setattr(run_module, "warm_up", lambda lane: None)
    return jobs


def do(
    folder: Path,
    job: Job = JOB,
    *,
    limit: float = 30.0,
    devices: Sequence[int] = (),
) -> Run:
    """Does one run in a lane, and keeps what it prints."""
    (lane,) = lanes_on(devices)
    with (folder / "log").open("wb") as log:
        return run_one(job, lane, threading.Event(), limit=limit, log=log)


def start(raw: Path, *, budget: float = 1000.0, seeds: Sequence[int] = (0, 1)) -> None:
    run_all(raw, ["matmul", "softmax"], ["ours", "quick"], seeds, budget=budget, guess=100.0)


def test_tuners_take_turns_and_known_runs_are_skipped(tmp_path: Path, asked: list[Job]) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run("matmul", "quick", 0))
    start(raw)
    assert list(map(str, asked)) == [
        "matmul/ours/0",
        "matmul/ours/1",
        "matmul/quick/1",
        "softmax/ours/0",
        "softmax/quick/0",
        "softmax/ours/1",
        "softmax/quick/1",
    ]
    asked.clear()
    start(raw)
    assert asked == []


def test_failed_runs_come_again_after_the_others(tmp_path: Path, asked: list[Job]) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, failed("matmul", "ours", 0))
    start(raw, seeds=[0])
    assert list(map(str, asked)) == [
        "matmul/quick/0",
        "softmax/ours/0",
        "softmax/quick/0",
        "matmul/ours/0",
    ]


def test_what_does_not_fit_the_budget_is_left_out(tmp_path: Path, asked: list[Job]) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run("matmul", "quick", 7, process_seconds=30.0))
    records.append(raw, run("softmax", "quick", 7, process_seconds=900.0))
    start(raw, budget=80.0, seeds=[0])
    # Of ours nothing is known, so it is taken to need the guess.
    assert list(map(str, asked)) == ["matmul/quick/0"]


def test_without_known_runs_of_a_kernel_the_slowest_other_counts(
    tmp_path: Path, asked: list[Job]
) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run("softmax", "ours", 7, process_seconds=90.0))
    records.append(raw, run("softmax", "quick", 7, process_seconds=10.0))
    start(raw, budget=60.0, seeds=[0])
    assert list(map(str, asked)) == ["matmul/quick/0", "softmax/quick/0"]


def test_of_what_failed_only_a_run_that_took_long_says_how_long(
    tmp_path: Path, asked: list[Job]
) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run("matmul", "quick", 7, process_seconds=10.0))
    records.append(raw, failed("matmul", "ours", 0))
    records.append(raw, dataclasses.replace(failed("softmax", "quick"), process_seconds=200.0))
    start(raw, budget=60.0, seeds=[0])
    # The other one of ours failed after a few seconds, and the guess is more than is left.
    assert list(map(str, asked)) == ["matmul/quick/0"]


def test_helions_searches_are_chosen_by_its_variables(tmp_path: Path) -> None:
    variables = tuners.environment("pattern", 3, tmp_path)
    assert variables["HELION_AUTOTUNER"] == "PatternSearch"
    assert variables["HELION_AUTOTUNE_EFFORT"] == "full"
    assert variables["HELION_AUTOTUNE_RANDOM_SEED"] == "3"
    assert tuners.environment("ours", 3, tmp_path) == {}


def test_a_search_of_helion_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Profiling by jax takes minutes, and is of no use on a processor.
    monkeypatch.setenv("HELION_AUTOTUNE_PALLAS_RANK_BY", "wall_time")
    found = do(tmp_path, Job("long_reduction", "quick", 5), limit=300.0)
    assert found.error is None, (tmp_path / "log").read_text()
    assert found.config == {"block_sizes": [8]}
    assert found.outcomes == {"ok": 1}
    assert found.latency_ms is not None
    assert found.seconds is not None
    assert found.process_seconds is not None
    assert found.measuring_seconds is not None
    assert 0 < found.measuring_seconds < found.points[0].seconds < found.seconds
    assert found.seconds < found.process_seconds
    assert found.versions["helion"]
    assert "random seed: 5" in (tmp_path / "log").read_text()


def in_this_process(job: Job, folder: Path) -> Run:
    before = signal.getsignal(signal.SIGINT)
    try:
        child.main(job, time.time() - 1.0, folder)
    finally:
        signal.signal(signal.SIGINT, before)
    return records.runs([folder / child.RESULT_NAME])[job]


def test_ours(tmp_path: Path) -> None:
    found = in_this_process(Job("long_reduction", "ours", 0), tmp_path)
    assert found.error is None
    assert found.config == {"block_sizes": [8]}
    assert found.stop_reason
    assert found.seconds is not None
    assert found.process_seconds is not None
    assert found.process_seconds > found.seconds + 1
    assert found.outcomes["ok"] >= 1
    times = [point.seconds for point in found.points]
    assert all(point.compile_s for point in found.points if point.status == "ok")
    assert all(point.measure_s for point in found.points if point.status == "ok")
    assert all(point.ask_s for point in found.points)
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] < found.seconds + 0.1


def test_ours_interrupted_has_no_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, storage: Any, study_name: str, **__: Any) -> Any:
        study = optuna.create_study(storage=storage, study_name=study_name)
        study.add_trial(optuna.trial.create_trial(value=2.0, user_attrs={"config": {"x": 1}}))
        return SimpleNamespace(study=study, stop_reason="interrupted", config={"x": 1})

    monkeypatch.setattr(ours, "tune", interrupted)
    found = in_this_process(Job("softmax", "ours", 0), tmp_path)
    assert found.error == "stopped: its time was over, or somebody interrupted"
    assert found.config is None
    assert [(point.latency_ms, point.config) for point in found.points] == [(2.0, {"x": 1})]


class Broken:
    """A tuner that ends with an exception after one measurement."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def run(self, kernel: Any, args: Sequence[object], seed: int) -> None:
        if self._error is not None:
            raise self._error

    def result(self, folder: Path, started: float) -> Tuned:
        return Tuned(run().points[:1], None, None, 0.5)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "stopped: its time was over, or somebody interrupted"),
        (ValueError("odd"), "ValueError: odd"),
        (None, "it returned without saying which configuration has won"),
    ],
)
def test_a_failure_is_recorded_with_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, message: str
) -> None:
    monkeypatch.setattr(tuners, "load", lambda name: Broken(error))
    found = in_this_process(Job("softmax", "ours", 0), tmp_path)
    assert found.error == message
    assert len(found.points) == 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the process of a run do something else."""

    def use(code: str) -> None:
        original = subprocess.Popen

        def popen(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
            if command[0] != sys.executable:
                return original(command, **options)
            return original([sys.executable, "-c", code, *command[4:]], **options)

        monkeypatch.setattr(subprocess, "Popen", popen)

    return use


RECORD = """
import json, signal, sys, time
# It is ignored where a shell started all this in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from benchmarks.gpu import records
def write(error, **fields):
    run = records.Run(*json.loads(sys.argv[1]), error=error, **fields)
    records.append(Path(sys.argv[3]) / "result.jsonl", run)
"""


def test_a_run_is_interrupted_in_time_and_its_record_kept(
    tmp_path: Path, scripted: Callable[[str], None]
) -> None:
    scripted(
        RECORD
        + """
try:
    print("here", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    write("interrupted")
"""
    )
    found = do(tmp_path, limit=5.0)
    assert found.error == "interrupted"
    assert (tmp_path / "log").read_text() == "here\n"


def test_a_run_that_heeds_nothing_is_killed(
    tmp_path: Path, scripted: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    scripted("import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)")
    found = do(tmp_path, limit=0.5)
    assert found.error == "the process ended with -9 and without a result"
    assert found.config is None


def test_a_run_leaves_no_processes_behind(tmp_path: Path, scripted: Callable[[str], None]) -> None:
    left_behind = "import time; time.sleep(60)"
    note = tmp_path / "pid"
    scripted(
        f"""
import subprocess, sys
other = subprocess.Popen([sys.executable, "-c", {left_behind!r}])
open({str(note)!r}, "w").write(str(other.pid))
"""
    )
    do(tmp_path)
    status = Path(f"/proc/{note.read_text()}/stat")
    deadline = time.monotonic() + 10
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_run_has_empty_caches(tmp_path: Path, scripted: Callable[[str], None]) -> None:
    note = tmp_path / "environment"
    scripted(f"import json, os; json.dump(dict(os.environ), open({str(note)!r}, 'w'))")
    seen = []
    for _ in range(2):
        do(tmp_path)
        seen.append(json.loads(note.read_text()))
    for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "HELION_CACHE_DIR", "TMPDIR"):
        assert seen[0][name] != seen[1][name] != os.environ.get(name)
        assert not Path(seen[0][name]).exists()


def test_the_utilization_of_the_lanes_gpu_is_sampled_while_the_tuner_runs(
    tmp_path: Path, scripted: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho '[N/A]'\nwhile :; do echo ${4#--id=}; sleep 0.02; done\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,30")
    scripted(
        RECORD
        + """
started = time.time()
time.sleep(0.5)
write(None, seconds=0.5, process_seconds=time.time() - started)
"""
    )
    found = do(tmp_path, devices=[1])
    assert found.gpu_utilization == pytest.approx(0.3)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs of a machine that has more, and a processor of at least two cores."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two lanes need two cores")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5")
    monkeypatch.setattr(run_module, "warm_up", lambda lane: None)


def start_two(raw: Path, kernels: Sequence[str], seeds: Sequence[int] = (0,)) -> None:
    run_all(raw, kernels, ["ours", "quick"], seeds, budget=100.0, guess=1.0, devices=[0, 1])


@pytest.mark.usefixtures("two_gpus")
def test_lanes_take_whole_kernels_and_have_a_gpu_and_cores_each(
    tmp_path: Path, scripted: Callable[[str], None]
) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.touch()
    scripted(
        RECORD
        + f"""
import os
kernel, tuner, seed = json.loads(sys.argv[1])
deadline = time.monotonic() + 60
# The first kernel is still at work when the other lane is done with the second one.
while kernel == "matmul" and "rms_norm" not in Path({str(raw)!r}).read_text():
    assert time.monotonic() < deadline
    time.sleep(0.01)
print(kernel, tuner, flush=True)
cores, jobs = os.sched_getaffinity(0), os.environ["HELION_AUTOTUNE_PRECOMPILE_JOBS"]
seen = {{"cores": " ".join(map(str, cores)), "jobs": jobs}}
write(None, device=os.environ["CUDA_VISIBLE_DEVICES"], versions=seen)
"""
    )
    cores = os.sched_getaffinity(0)
    start_two(raw, ["matmul", "softmax", "rms_norm"])
    found = records.runs([raw])
    assert len(found) == len(raw.read_text().splitlines()) == 6
    assert os.sched_getaffinity(0) == cores

    of_device: dict[str, list[Run]] = {}
    for one in found.values():
        of_device.setdefault(one.device, []).append(one)
    kernels = {device: [one.kernel for one in runs] for device, runs in of_device.items()}
    assert set(kernels) == {"4", "GPU-5"}
    assert sorted(kernels.values()) == [["matmul"] * 2, ["softmax"] * 2 + ["rms_norm"] * 2]

    half = len(cores) // 2
    shares = [{one.versions["cores"] for one in runs} for runs in of_device.values()]
    first, second = ({int(core) for core in "".join(share).split()} for share in shares)
    assert [len(share) for share in shares] == [1, 1]
    assert len(first) == len(second) == half
    assert not first & second
    assert {one.versions["jobs"] for one in found.values()} == {str(half)}

    logs = [(tmp_path / f"raw.{device}.log").read_text() for device in (0, 1)]
    assert sorted(log.count("rms_norm quick\n") for log in logs) == [0, 1]
    assert sorted(log.count("matmul quick\n") for log in logs) == [0, 1]


@pytest.mark.usefixtures("two_gpus")
def test_an_interrupt_reaches_all_lanes_and_what_they_had_is_recorded(
    tmp_path: Path, scripted: Callable[[str], None]
) -> None:
    raw = tmp_path / "raw.jsonl"
    kernels = ["matmul", "softmax"]
    scripted(
        RECORD
        + f"""
try:
    (Path({str(tmp_path)!r}) / json.loads(sys.argv[1])[0]).touch()
    time.sleep(60)
except KeyboardInterrupt:
    write("interrupted")
"""
    )
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while not all((tmp_path / kernel).exists() for kernel in kernels):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    # It is ignored where a shell started all this in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            start_two(raw, [*kernels, "rms_norm"])
    finally:
        interrupter.join()
        signal.signal(signal.SIGINT, before)
    found = records.runs([raw])
    assert sorted(map(str, found)) == ["matmul/ours/0", "softmax/ours/0"]
    assert {one.error for one in found.values()} == {"interrupted"}


@pytest.mark.usefixtures("two_gpus")
def test_an_error_in_a_lane_is_raised_when_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw.jsonl"
    broken = threading.Event()

    def fake(job: Job, *_: Any, **__: Any) -> Run:
        if job.kernel == "matmul":
            broken.set()
            raise OSError("no space left")
        assert broken.wait(30)
        return run(*job)

    monkeypatch.setattr(run_module, "run_one", fake)
    with pytest.raises(OSError, match="no space left"):
        start_two(raw, ["matmul", "softmax", "rms_norm"])
    assert list(map(str, records.runs([raw]))) == [
        "softmax/ours/0",
        "softmax/quick/0",
        "rms_norm/ours/0",
        "rms_norm/quick/0",
    ]


@pytest.mark.usefixtures("two_gpus")
def test_in_each_lane_what_failed_comes_again_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw.jsonl"
    kernels = ["matmul", "softmax"]
    for kernel in kernels:
        records.append(raw, failed(kernel, "ours", 0))
    together = threading.Barrier(2, timeout=30)
    asked: dict[int | None, list[str]] = {0: [], 1: []}

    def fake(job: Job, lane: Lane, *_: Any, **__: Any) -> Run:
        asked[lane.device].append(str(job))
        together.wait()
        return run(*job)

    monkeypatch.setattr(run_module, "run_one", fake)
    start_two(raw, kernels, [0, 1])
    order = ["quick/0", "ours/1", "quick/1", "ours/0"]
    assert sorted(asked.values()) == [[f"{kernel}/{end}" for end in order] for kernel in kernels]


def test_no_samples_have_no_mean() -> None:
    samples = Samples()
    samples.read(["30\n", "[N/A]\n", "50\n"])
    assert samples.mean(0.0, time.time()) == pytest.approx(0.4)
    assert samples.mean(0.0, 1.0) is None


def test_a_machine_on_which_nothing_runs_is_found_out_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = subprocess.CompletedProcess("", 1)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: broken)
    with pytest.raises(RuntimeError, match="does not run on this machine"):
        start(tmp_path / "raw.jsonl")


@pytest.mark.parametrize(
    ("option", "value"), [("--kernels", "matmul,nope"), ("--tuners", "nope"), ("--seeds", "1,x")]
)
def test_unknown_names_are_refused(
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["gpu", "run", "--raw", "raw", "--budget", "1", option, value]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        command_line.main()
    assert value.split(",")[-1] in capsys.readouterr().err


def test_fields_of_a_result_are_fields_of_a_run() -> None:
    names = {field.name for field in dataclasses.fields(Run)}
    assert {field.name for field in dataclasses.fields(Tuned)} <= names
