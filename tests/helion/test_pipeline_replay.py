"""The pipeline in virtual time, on a machine whose timings are a table."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from benchmarks.gpu.replay.clock import Seats, VirtualClock, VirtualFuture
from benchmarks.gpu.replay.crew import Generations, VirtualCrew
from benchmarks.gpu.replay.engine import VirtualProcesses
from benchmarks.gpu.replay.machine import Answer, Costs
from benchmarks.gpu.replay.task import VirtualTask
from optuna_lfbo import LFBOSampler
from optuna_lfbo._winner import FINAL, winner_of
from optuna_lfbo.helion import _stop
from optuna_lfbo.helion._identity import Identity
from optuna_lfbo.helion._outcome import Outcome, key_of
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion._task import Task
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._crew import Crew

SPACE = {
    "log2_block": IntDistribution(0, 9),
    "log2_warps": IntDistribution(0, 4),
    "stages": IntDistribution(1, 4),
    "order": CategoricalDistribution(["rows", "columns"]),
}
COSTS = Costs(start_s=5.0)


def answer(block: int, warps: int, stages: int, order: str) -> Answer:
    """A kernel that is fast for blocks of 2**6 and 4 warps, and has every fault somewhere."""
    latency = 0.2 * 1.25 ** abs(block - 6) * 1.1 ** abs(warps - 2) * (1.0 + 0.01 * stages)
    latency *= 1.5 if order == "columns" else 1.0
    compile_s = 0.4 + 0.1 * stages + 0.05 * block
    # Without a loop to speak of, stages make no difference to the code.
    source = f"{block}/{warps}/{stages if block > 2 else 0}/{order}"
    if block == 9 and warps == 4:
        return Answer(source, compile_s, latency, "out_of_resources")
    if block == 8 and warps == 0:
        return Answer(source, compile_s, latency, "crash")
    if block == 9 and warps == 0:
        return Answer(source, compile_s, latency, "compile_timeout")
    if block == 0 and warps == 4:
        return Answer(source, compile_s, latency, "compile_error")
    if block == 7 and stages == 4:
        return Answer(source, compile_s, 0.5 * latency, "wrong_result")
    if block == 5 and warps == 4 and stages == 4:
        return Answer(source, compile_s, latency, "benchmark_timeout")
    return Answer(source, compile_s, latency)


TABLE = {
    point: answer(*point)
    for point in product(range(10), range(5), range(1, 5), SPACE["order"].choices)
}
DEFAULT = {"log2_block": 5, "log2_warps": 2, "stages": 1, "order": "columns"}


def steps(configuration: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return tabled({**configuration, name: configuration[name] + step} for step in (-1, 1))


def tabled(configurations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [other for other in configurations if tuple(other[name] for name in SPACE) in TABLE]


class TableTask(VirtualTask, Task):
    def __init__(self, processes: VirtualProcesses) -> None:
        self.processes = processes
        identity = Identity("python", "table", "0", [], "a table", {})
        super().__init__(identity, SPACE, [DEFAULT], DEFAULT)

    def configuration(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        return params

    def params(self, configuration: Mapping[str, object]) -> dict[str, Any]:
        return dict(configuration)

    def config(self, configuration: Mapping[str, Any]) -> Any:
        return configuration

    def neighbours(self, configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [step for name in list(SPACE)[:3] for step in steps(configuration, name)]

    def reshaped(self, configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, second, *_ = SPACE
        pairs = [
            {first: configuration[first] + i, second: configuration[second] - i} for i in (-1, 1)
        ]
        return tabled({**configuration, **pair} for pair in pairs)

    def reaccessed(self, configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
        return steps(configuration, "stages")

    def steps_from_both(
        self, configuration: Mapping[str, Any], other: Mapping[str, Any]
    ) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        both = [
            zip(*[steps(start, name) for start in (configuration, other)], strict=True)
            for name in ("log2_block", "log2_warps")
        ]
        return [pair for pairs in both for pair in pairs]

    def sampler(self, seed: int | None = None) -> LFBOSampler:
        return LFBOSampler(seed=seed)


class Run:
    """One tuning of the table in virtual time.

    Args:
        first: Configurations to measure first.
        n_trials: At most.
        timeout: In virtual seconds.
        in_generations: Whether without the pipeline.
        sampler: In place of the task's.
    """

    def __init__(
        self,
        first: Sequence[tuple[int, int, int, str]] = (),
        n_trials: int | None = None,
        timeout: float | None = None,
        in_generations: bool = False,
        sampler: BaseSampler | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.asked: list[Answer] = []
        processes = VirtualProcesses(self.clock, self._machine, COSTS, n_compilers=4, seed=0)
        crew: Crew = VirtualCrew(self.clock)
        if in_generations:
            crew = Generations(self.clock, processes)
        task = TableTask(processes)
        self.study = open_study("table", None, sampler or task.sampler(0))
        task.enqueue(self.study, [DEFAULT, *(config(*point) for point in first)], "seed")
        self.told: list[tuple[float, int]] = []
        stop = StopRule(n_trials, timeout, self.clock)
        self.task = task
        self.reason = conduct(task, self.study, stop, 0, told=self._tell, crew=crew)
        self.trials = self.study.get_trials(deepcopy=False)

    def _machine(self, configuration: Mapping[str, Any]) -> Answer:
        self.asked.append(TABLE[tuple(configuration[name] for name in SPACE)])
        return self.asked[-1]

    def _tell(self, trial: FrozenTrial) -> None:
        self.told.append((self.clock(), trial.number))

    def of(self, *point: Any) -> FrozenTrial:
        """The first trial of a configuration."""
        wanted = key_of(config(*point))
        return next(t for t in self.trials if key_of(t.user_attrs["config"]) == wanted)

    @property
    def story(self) -> list[object]:
        """All that there is to know of it, but the worker's name and the host's time."""
        trials = [
            (t.number, t.state, t.value, t.params, {**t.user_attrs, "worker": None})
            for t in self.trials
        ]
        return [self.reason, self.clock(), self.told, trials, self.study.user_attrs]


def config(block: int, warps: int, stages: int, order: str) -> dict[str, Any]:
    return dict(zip(SPACE, (block, warps, stages, order), strict=True))


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Less of it than the table has entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stop, "_PATIENCE", 300)
        yield


@pytest.fixture(scope="module")
def whole() -> Run:
    return Run()


def test_the_same_seed_gives_the_same_study(whole: Run) -> None:
    assert whole.story == Run().story


def test_a_patient_search_finds_the_best_and_ends(whole: Run) -> None:
    assert re.fullmatch(r"no improvement in \d+ trials", whole.reason)
    right = [answer for answer in TABLE.values() if answer.fault is None]
    winner = winner_of(whole.study)
    assert winner is not None
    found = TABLE[tuple(winner.configuration.values())]
    assert found.latency_ms <= 1.02 * min(answer.latency_ms for answer in right)


def test_nothing_close_to_the_best_is_untried_when_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_stop, "_PATIENCE", 30)
    run = Run(sampler=RandomSampler(seed=4))
    assert run.reason.startswith("no improvement")
    best = run.study.best_trial.user_attrs["config"]
    tried = [trial.user_attrs["config"] for trial in run.trials]
    assert all(neighbour in tried for neighbour in run.task.neighbours(best))
    assert run.task.reshaped(best)
    assert all(shape in tried for shape in run.task.reshaped(best))
    known = {key_of(trial.user_attrs["config"]): trial for trial in run.trials}
    detours = [
        same_step
        for other in run.task.reaccessed(best)
        if (known[key_of(other)].value or math.inf) < 1.05 * run.study.best_value
        for step, same_step in run.task.steps_from_both(best, other)
        if (known[key_of(step)].value or math.inf) > 1.1 * run.study.best_value
    ]
    assert detours
    assert all(detour in tried for detour in detours)
    origins = [trial.user_attrs.get("origin") for trial in run.trials]
    assert {"neighbour", "shape", "detour"} <= set(origins[len(origins) // 2 :])


def test_the_final_comparison_has_the_default_and_the_winner(whole: Run) -> None:
    final = whole.study.user_attrs[FINAL]
    assert [entry["config"] for entry in final if entry["is_default"]] == [DEFAULT]
    assert whole.study.user_attrs["default_latency_ms"] > min(e["latency_ms"] for e in final)
    assert whole.clock() > whole.told[-1][0]


def test_what_is_clearly_slower_gets_a_first_look_and_less_time() -> None:
    ahead = [(6, warps, stages, "rows") for warps in (1, 2, 3) for stages in (1, 2)]
    run = Run(first=[*ahead, (1, 4, 1, "columns")], n_trials=40)
    good, slow = run.of(6, 2, 2, "rows"), run.of(1, 4, 1, "columns")
    assert not good.user_attrs.get("first_look")
    assert slow.user_attrs["first_look"]
    assert slow.state == TrialState.COMPLETE
    assert slow.value == pytest.approx(TABLE[1, 4, 1, "columns"].latency_ms, rel=0.02)
    assert slow.user_attrs["measure_s"] < 0.5 * good.user_attrs["measure_s"]


@pytest.mark.parametrize(
    ("point", "status"),
    [
        ((9, 4, 1, "rows"), "runtime_error"),
        ((8, 0, 1, "rows"), "runtime_error"),
        ((9, 0, 1, "rows"), "compile_timeout"),
        ((0, 4, 1, "rows"), "compile_error"),
        ((7, 2, 4, "rows"), "wrong_result"),
        ((5, 4, 4, "rows"), "benchmark_timeout"),
    ],
)
def test_a_fault_is_recorded_and_the_rest_goes_on(
    point: tuple[int, int, int, str], status: str
) -> None:
    run = Run(first=[point], n_trials=30)
    trial = run.of(*point)
    assert (trial.state, trial.user_attrs["status"]) == (TrialState.FAIL, status)
    assert run.reason == "30 trials"
    assert sum(t.state == TrialState.COMPLETE for t in run.trials) >= 20


def test_others_do_not_wait_for_a_compiler_that_hangs() -> None:
    run = Run(first=[(9, 0, 1, "rows")], n_trials=30)
    hung = run.of(9, 0, 1, "rows")
    (ended,) = [at for at, number in run.told if number == hung.number]
    assert hung.user_attrs["compile_s"] == 15.0
    assert sum(at < ended for at, _ in run.told) >= 20


def test_the_compile_limit_is_learned() -> None:
    quick = [(block, warps, 1, "rows") for block in range(3, 8) for warps in range(5)]
    run = Run(first=[*quick, (9, 0, 1, "rows")], n_trials=40)
    assert run.of(9, 0, 1, "rows").user_attrs["compile_s"] == 3.0


def test_configurations_of_one_program_are_measured_once() -> None:
    points = [(2, 2, stages, "rows") for stages in (1, 2, 3, 4)]
    run = Run(first=points, n_trials=30)
    trials = [run.of(*point) for point in points]
    assert sorted(t.user_attrs["status"] for t in trials) == ["duplicate"] * 3 + ["ok"]
    assert len({t.value for t in trials}) == 1
    assert [t.user_attrs["measure_s"] > 0.0 for t in trials].count(True) == 1


def test_the_timeout_is_one_of_virtual_seconds() -> None:
    run = Run(timeout=20.0)
    assert run.reason == "timeout"
    assert 20.0 < run.clock() < 60.0


def test_the_pipeline_is_faster_than_generations() -> None:
    pipeline, barrier = Run(n_trials=60), Run(n_trials=60, in_generations=True)
    assert pipeline.reason == barrier.reason == "60 trials"
    assert pipeline.clock() < 0.8 * barrier.clock()


def test_a_generation_is_told_when_its_last_one_is_measured() -> None:
    run = Run(n_trials=24, in_generations=True)
    # Four compilers have two more trials each in flight beside them.
    assert Counter(Counter(at for at, _ in run.told).values()) == {6: 4}


def test_seats_are_given_in_the_order_in_which_they_were_wanted() -> None:
    clock, order = VirtualClock(), []
    seats = Seats(clock, 2)

    def work(name: int) -> None:
        with seats.taken():
            clock.sleep(1.0 + 0.1 * name)
            order.append((name, clock()))

    for name in range(4):
        clock.start(functools.partial(work, name))
    clock.sleep(10.0)
    assert order == [(0, 1.0), (1, 1.1), (2, 2.2), (3, 2.4000000000000004)]
    assert clock() == 10.0


def test_what_can_never_happen_is_an_error() -> None:
    clock = VirtualClock()
    with pytest.raises(RuntimeError, match="never"):
        VirtualFuture[int](clock).result()
    crew = VirtualCrew(clock)
    futures = [crew.submit(lambda: VirtualFuture[Outcome](clock).result())]
    with pytest.raises(RuntimeError, match="never"):
        crew.wait(futures, 1.0)


def test_an_error_of_a_measurement_comes_out_with_its_result() -> None:
    clock = VirtualClock()
    crew = VirtualCrew(clock)

    def fail() -> Outcome:
        clock.sleep(1.0)
        raise ValueError("no")

    (future,) = crew.wait([crew.submit(fail)], 2.0)
    assert clock() == 1.0
    with pytest.raises(ValueError, match="no"):
        future.result()
