"""Configurations that are not the sampler's, which the workers go through together."""

from __future__ import annotations

import itertools
import math
import random
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna_lfbo.helion._ledger import DETOUR, SHAPE
from optuna_lfbo.helion._stop import IMPROVEMENT
from optuna_lfbo.helion._task import NEIGHBOUR, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import optuna

    from optuna_lfbo.helion._ledger import Ledger
    from optuna_lfbo.helion._stop import StopRule
    from optuna_lfbo.helion._task import Configuration, Task

_KEY: Final = "lfbo:starts"
_MOST: Final = 200
"""The seeds are good, but where they are is often not where the best ones are. With a pipeline a
hundred trials are some seconds, and in a large space half of them fail."""
_SHARE: Final = 3
_SEED_LIMIT: Final = 2**32


@dataclass(frozen=True)
class Start:
    """What a new trial is to be.

    Attributes:
        configuration: What it measures.
        params: Its parameters.
        origin: Where it is from.
    """

    configuration: Configuration
    params: Mapping[str, Any]
    origin: str


def plan_starts(study: optuna.Study, n_trials: int | None, seed: int | None) -> None:
    """Record in a study without trials how many starts it has and how they are drawn.

    They do not wait in the queue: a storage may read all that waits with every ask.

    Args:
        study: The study.
        n_trials: Configurations to measure at most.
        seed: Of the starts.
    """
    is_new = not any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
    if is_new and _planned(study) is None:
        n = _MOST if n_trials is None else min(_MOST, n_trials // _SHARE)
        seed = secrets.randbelow(_SEED_LIMIT) if seed is None else seed % _SEED_LIMIT
        study._storage.set_study_system_attr(study._study_id, _KEY, {"n": n, "seed": seed})


class Starts:
    """The starts that have had no trial yet, and what is to be tried later on.

    Args:
        task: What is tuned.
        study: Tells which starts it has.
    """

    def __init__(self, task: Task, study: optuna.Study) -> None:
        self._task = task
        n, seed = _planned(study) or (0, 0)
        self._left: deque[tuple[str, Configuration]] = deque(task.starts(n, seed) if n else ())
        self._best: Configuration | None = None
        self._n_extensions = 0
        self._limit_ms = math.inf
        self._shapes: list[Configuration] = []

    def next(self, ledger: Ledger, *, has_company: bool) -> Start | None:
        """Return one that ``ledger`` does not know, or None if there is none left.

        Args:
            ledger: What is measured or on its way.
            has_company: Whether others go through them at the same time; those who do not all
                begin at the same end seldom meet.
        """
        while self._left:
            if has_company:
                self._left.rotate(random.randrange(len(self._left)))
            origin, configuration = self._left.popleft()
            is_known = ledger.outcome(configuration) or ledger.claimant(configuration) is not None
            if not is_known and (start := self._start(configuration, origin)) is not None:
                return start
        return None

    def _start(self, configuration: Configuration, origin: str) -> Start | None:
        """None for one that no trial can have, or that is not worth compiling."""
        if (params := self._task.params_of_start(configuration)) is None:
            return None
        try:
            self._task.configuration(params)
        except RejectedError:
            return None
        return Start(configuration, params, origin)

    def extend(self, ledger: Ledger, stop: StopRule) -> None:
        """Have more around the best, the longer there was nothing better.

        Leaves nothing that is close to it untried before patience ends: what a model says of it
        may be wrong, and then nothing would ever correct it.
        """
        if ledger.best is not self._best:
            self._best, self._n_extensions = ledger.best, 0
        if self._best is None or ledger.best_ms is None:
            return
        if self._n_extensions == 0 and stop.is_impatient:
            self._extend(NEIGHBOUR, self._task.neighbours, [self._best])
        if self._n_extensions == 1 and stop.is_half_over:
            self._reshape(self._best, ledger)
        # Those that are on their way may be fast.
        if self._n_extensions == 2 and not (self._left or self._is_reshaping(ledger)):
            rival = ledger.rival(self._shapes)
            self._extend(SHAPE, self._task.neighbours, [] if rival is None else [rival])
        # The neighbours of the best are known by then.
        if self._n_extensions == 3 and not self._left:
            self._extend(DETOUR, lambda best: self._detours(best, ledger), [self._best])

    def _extend(
        self,
        origin: str,
        around: Callable[[Configuration], Iterable[Configuration]],
        bases: Iterable[Configuration],
    ) -> list[Configuration]:
        self._n_extensions += 1
        usable = (base for base in bases if self._task.params_of_start(base) is not None)
        more = [configuration for base in usable for configuration in around(base)]
        self._left.extend((origin, configuration) for configuration in more)
        return more

    def _reshape(self, best: Configuration, ledger: Ledger) -> None:
        """Have tiles of other shapes, unless the best is hardly better than when it was last done.

        They start from the best, and from the one of its equals with the fewest changes to the
        default: what the best has besides may suit its own tiles only.
        """
        if ledger.best_ms is None or ledger.best_ms >= self._limit_ms:
            self._n_extensions += 1
            return
        self._limit_ms = (1.0 - IMPROVEMENT) * ledger.best_ms
        default = self._task.default or {}
        plainest = min(ledger.leaders(), key=lambda leader: _n_changes(leader, default))
        self._shapes = self._extend(SHAPE, self._task.reshaped, [plainest, best])

    def _is_reshaping(self, ledger: Ledger) -> bool:
        return any(ledger.claimant(shape) is not None for shape in self._shapes)

    def _detours(self, best: Configuration, ledger: Ledger) -> Iterator[Configuration]:
        """Steps that were bad, from where memory is accessed in another way that is as fast.

        That may need other settings, which the model has learnt to leave alone.
        """
        for other in filter(ledger.is_as_fast, self._task.reaccessed(best)):
            for step, same_step in self._task.steps_from_both(best, other):
                if ledger.is_bad(step):
                    yield same_step

    def put_back(self, start: Start) -> None:
        """Have one that no trial has been given after all."""
        self._left.appendleft((start.origin, start.configuration))


def _n_changes(configuration: Configuration, default: Configuration) -> int:
    """In how many values two configurations differ."""
    return sum(
        ours != theirs
        for key in configuration.keys() | default.keys()
        for ours, theirs in itertools.zip_longest(
            *(_values(one.get(key)) for one in (configuration, default))
        )
    )


def _values(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else [entry]


def _planned(study: optuna.Study) -> tuple[int, int] | None:
    """Number and seed of the starts; another process wrote them, perhaps another program."""
    noted = study._storage.get_study_system_attrs(study._study_id).get(_KEY)
    if not isinstance(noted, dict):
        return None
    match noted.get("n"), noted.get("seed"):
        case int(n), int(seed) if 0 <= n <= _MOST and 0 <= seed < _SEED_LIMIT:
            return n, seed
    return None
