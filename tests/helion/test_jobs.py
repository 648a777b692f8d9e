"""How long and in what way configurations are timed; the clock is made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import torch

from optuna_lfbo.helion import _jobs
from optuna_lfbo.helion._jobs import MeasureJob, Measurement, Reference, RetimeJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Ready:
    """A program that takes so long; its launches, unless from a graph, so much longer."""

    latency_ms: float
    late_ms: float = 0.0

    @property
    def source(self) -> str:
        return repr(self)

    def load(self) -> Ready:
        return self

    def unload(self, fn: object) -> None:
        pass

    def __call__(self) -> None:
        pass

    def timed(self, *, graph: bool) -> float:
        return self.latency_ms + (0.0 if graph else self.late_ms)


@dataclass
class Clock:
    """Tells what programs take.

    Attributes:
        graphs: Whether it was a graph that was replayed, each time.
    """

    graphs: list[bool] = field(default_factory=list)

    def one(self, call: Any, *, graph: bool = False, **_: object) -> float:
        self.graphs.append(graph)
        timed: float = call.func.timed(graph=graph)
        return timed

    def several(self, calls: Sequence[Any], *, graph: bool = False, **_: object) -> list[float]:
        return [self.one(call, graph=graph) for call in calls]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_jobs.compat, "milliseconds", clock.one)
    monkeypatch.setattr(_jobs.compat, "milliseconds_interleaved", clock.several)
    return clock


@pytest.fixture
def reference(tmp_path: Path) -> Callable[..., str]:
    def path(*, events: bool = True) -> str:
        file = tmp_path / f"reference_{events}"
        torch.save(Reference((), (), None, None, None, events), file)
        return str(file)

    return path


def test_short_kernels_are_timed_without_their_launches(
    clock: Clock, reference: Callable[..., str]
) -> None:
    built = Ready(0.012, late_ms=0.02)
    assert MeasureJob(built, reference(), None)() == Measurement(0.012, first_look=False)
    assert MeasureJob(built, reference(), 0.011)() == Measurement(0.012, first_look=False)
    assert MeasureJob(built, reference(), 0.009)() == Measurement(0.012, first_look=True)
    assert RetimeJob([built, Ready(0.2)], reference(), 2, 5)() == [[0.012] * 2, [0.2] * 2]


def test_longer_ones_are_not_replayed_from_graphs(
    clock: Clock, reference: Callable[..., str]
) -> None:
    assert MeasureJob(Ready(0.2), reference(), 0.2)() == Measurement(0.2, first_look=False)
    assert RetimeJob([Ready(0.2), Ready(0.3)], reference(), 1, 5)() == [[0.2], [0.3]]
    assert not any(clock.graphs)


def test_the_clock_of_the_host_has_no_graphs(clock: Clock, reference: Callable[..., str]) -> None:
    built, path = Ready(0.01), reference(events=False)
    assert MeasureJob(built, path, None)() == Measurement(0.01, first_look=False)
    assert RetimeJob([built], path, 1, 5)() == [[0.01]]
    assert not any(clock.graphs)
