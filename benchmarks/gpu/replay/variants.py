"""The tuner, and the tuner without one of its parts."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from benchmarks.gpu.replay.crew import Generations, VirtualCrew
from optuna_lfbo import _kernel, _labels, _moves, _search
from optuna_lfbo.helion import _compat_space, _jobs, _ledger, _pipeline, _starts, _stop
from optuna_lfbo.helion._ledger import RANDOM, is_free
from optuna_lfbo.helion._stop import StopRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from benchmarks.gpu.replay.clock import VirtualClock
    from benchmarks.gpu.replay.engine import VirtualProcesses
    from optuna_lfbo.helion._crew import Crew
    from optuna_lfbo.helion._task import Task

FACTORS = (0.5, 1.0, 2.0)
"""Of the tuner's patience, its number of trials and its share of all alike."""
_MOST = 3


@dataclass(frozen=True)
class Variant:
    """A tuner to replay.

    Attributes:
        meaning: what is different, for the report.
        constants: attributes of the tuner's modules that it needs to be others.
        generation: configurations that are compiled together and then measured together; None
            for the pipeline.
        has_seeds: whether the compiler's seeds and the default come first.
        goes_on: whether it goes on to three times the trials.
    """

    meaning: str
    constants: Mapping[tuple[Any, str], object] = field(default_factory=dict)
    generation: int | None = None
    has_seeds: bool = True
    goes_on: bool = False

    @contextlib.contextmanager
    def applied(self, task: Task, n_compilers: int) -> Iterator[None]:
        """Changes the task and, as long as it lasts, the tuner's constants."""
        if not self.has_seeds:
            task.seeds, task.default = [], None
        constants = dict(self.constants)
        if self.generation is not None:
            constants[_pipeline, "_WAITING_SHARE"] = self.generation / n_compilers - 1.0
        with contextlib.ExitStack() as stack:
            for (module, name), value in constants.items():
                stack.enter_context(mock.patch.object(module, name, value))
            yield

    def crew(self, processes: VirtualProcesses) -> Crew:
        """Makes what waits for the processes."""
        if self.generation is None:
            return VirtualCrew(processes.clock)
        return Generations(processes.clock, processes)

    def stop_rule(self, clock: VirtualClock) -> StopRule:
        """Makes its stop rule."""
        return Endless(clock) if self.goes_on else StopRule(None, None, clock)


class Endless(StopRule):
    """Goes on to three times the trials, and notes where shorter patiences would have ended.

    Attributes:
        stops: seconds and trials by the factor that the tuner's patience is multiplied by.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(None, None, clock)
        self.stops: dict[float, tuple[float, int]] = {}

    @property
    def reason(self) -> str | None:
        """Why no further configuration should be started, or None to go on."""
        for factor in FACTORS:
            if self._n_vain >= factor * self._patience:
                self.stops.setdefault(factor, (self.clock(), self._n_finished))
        _, n_usual = self.stops.get(1.0, (0.0, math.inf))
        if self._n_finished >= _MOST * n_usual:
            return f"{_MOST} times the trials"
        return "nothing new to try" if self._n_known >= _stop._EXHAUSTION else None


def _no_copies(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(len(losses), dtype=bool)


_COPIES_COUNT: dict[tuple[Any, str], object] = {
    **{(module, "originals"): _no_copies for module in (_kernel, _labels, _moves, _search)},
    (_labels, "shares"): lambda losses: np.ones(len(losses)),
}

VARIANTS = {
    "full": Variant("the tuner"),
    "generations": Variant(
        "generations of 21 in place of the pipeline: compiled, then measured", generation=21
    ),
    "no_early_stop": Variant(
        "every candidate measured to the end", {(_jobs, "_CLEARLY_SLOWER"): math.inf}
    ),
    "no_seeds": Variant("without the compiler's seeds and the default", has_seeds=False),
    "no_starts": Variant("without random configurations first", {(_starts, "_MOST"): 0}),
    "fewer_starts": Variant("100 of them in place of 200", {(_starts, "_MOST"): 100}),
    "starts_count": Variant(
        "the random ones count as trials in vain",
        {
            (_pipeline, "is_free"): lambda trial: (
                is_free(trial) and trial.user_attrs["origin"] != RANDOM
            )
        },
    ),
    "copies_count": Variant(
        "every trial counts, also one of several with the same value", _COPIES_COUNT
    ),
    "no_surrounding": Variant(
        "no neighbours of the best when patience runs out", {(_stop, "_IMPATIENCE"): math.inf}
    ),
    "no_shapes": Variant(
        "no tiles of other shapes when patience runs out",
        {(_compat_space, "reshaped"): lambda generation, flat: ()},
    ),
    "shapes_of_best": Variant(
        "tiles of other shapes for the best only, and no neighbours of these",
        {(_ledger, "_HARDLY_SLOWER"): 1.0, (_ledger.Ledger, "rival"): lambda ledger, shapes: None},
    ),
    "no_detours": Variant(
        "no detours by another way to access memory when patience runs out",
        {(_compat_space, "reaccessed"): lambda generation, flat: ()},
    ),
    "none_of_these": Variant(
        "without the first four",
        {(_jobs, "_CLEARLY_SLOWER"): math.inf, (_starts, "_MOST"): 0},
        generation=21,
        has_seeds=False,
    ),
    "endless": Variant("three times the trials", goes_on=True),
}
