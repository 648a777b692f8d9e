from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.gpu import pauses, retime
from benchmarks.gpu.records import Point
from tests.benchmarks.gpu_runs import run

if TYPE_CHECKING:
    from typing import Any

    import pytest


def line(kernel: str = "matmul", **latencies: list[float]) -> dict[str, Any]:
    return {"kernel": kernel, "config": {}, **latencies}


def test_the_fastest_of_each_run_of_ours_and_few_that_are_alike() -> None:
    points = [Point(1.0, 1.0 + i, "ok", {"num_warps": 4, "x": i}) for i in range(10)]
    points += [Point(1.0, 9.5, "ok", {"num_warps": 8}), Point(1.0, None, "error", {"x": 99})]
    runs = [run(points=points), run(seed=1, points=points[:2]), run("softmax"), run(tuner="quick")]
    chosen = list(pauses.best_of(runs, "matmul"))
    assert chosen == [*({"num_warps": 4, "x": i} for i in range(6)), {"num_warps": 8}]


def test_every_way_is_measured_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes would do the same, after seconds of importing.
    monkeypatch.setattr(retime, "_pool", lambda n_tasks: ThreadPoolExecutor(1))
    configs = [{"block_sizes": [n]} for n in (4, 8)]
    lines = pauses.measured("long_reduction", [*configs, {"block_sizes": [8, 8]}])
    assert [line["config"] for line in lines] == configs
    for line in lines:
        assert all(min(line[way]) > 0 for way in line if way not in ("kernel", "config"))
    assert pauses.IN_TURN not in pauses.table(lines).splitlines()[-1]


def test_a_way_is_as_good_as_what_it_ranks_first() -> None:
    in_turn = pauses.IN_TURN
    lines = [
        line(**{"right": [1.0, 9.0, 1.1], "wrong": [3.0], in_turn: [1.0]}),
        line(**{"right": [2.0], "wrong": [2.0], in_turn: [1.1]}),
        line(**{"right": [3.0], "wrong": [1.0], in_turn: [1.5]}),
    ]
    *_, right, wrong = pauses.table(lines).splitlines()
    assert right == "| right | 1.00 | 1.000 | 1.000 |"
    assert wrong == "| wrong | -1.00 | 1.500 | 1.000 |"
