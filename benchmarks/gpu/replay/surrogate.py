"""A machine that answers from records, and from forests where there are none."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from benchmarks.gpu.replay.machine import Answer, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution

    from benchmarks.gpu.replay.records import Record
    from optuna_lfbo.helion.space import KernelSpace

_N_TREES = 50
_COMPILE_S = 1.5
"""Of everything, where no compile time is on record."""
_WORKS = "works"


class Surrogate:
    """Knows faults, latencies and compile times of all configurations of a space.

    What is on record is answered as recorded. For the rest forests of randomized trees have
    learned whether and how a configuration fails, the logarithm of its latency, and that of its
    compile time. The same records give the same answers.

    Args:
        space: the search space.
        records: configurations of it; those outside are left out.

    Attributes:
        best_ms: the lowest latency on record. No answer is below it.
    """

    def __init__(self, space: KernelSpace, records: Sequence[Record]) -> None:
        self._space = space
        inside = [(record, x) for record in records if (x := self._inside(record)) is not None]
        self._known = {_key(record.config): record for record, _ in inside}
        self._fault = ExtraTreesClassifier(_N_TREES, min_samples_leaf=2, random_state=0)
        self._fault.fit([x for _, x in inside], [record.fault or _WORKS for record, _ in inside])
        self._latency = _fitted([(x, r.latency_ms) for r, x in inside if r.fault is None])
        timed = [(x, r.compile_s) for r, x in inside if r.compile_s]
        self._compile = _fitted(timed or [(x, _COMPILE_S) for _, x in inside])
        self.best_ms = min(r.latency_ms for r, _ in inside if r.latency_ms is not None)

    def answer(self, config: Mapping[str, Any], source: str) -> Answer:
        """Tells what becomes of a configuration.

        Args:
            config: the configuration.
            source: what is generated for it.
        """
        x = [self._features(config)]
        record = self._known.get(_key(config))
        fault = self._guessed_fault(x) if record is None else record.fault
        return Answer(
            source=source,
            compile_s=(record and record.compile_s) or _predicted(self._compile, x),
            latency_ms=(record and record.latency_ms) or _predicted(self._latency, x),
            fault=fault,
        )

    def _guessed_fault(self, x: Sequence[NDArray[np.float64]]) -> Fault | None:
        name = str(self._fault.predict(x)[0])
        return None if name == _WORKS else name  # type: ignore[return-value]

    def _inside(self, record: Record) -> NDArray[np.float64] | None:
        try:
            return self._features(record.config)
        except Exception:  # Whatever Helion does with what another version has recorded.
            return None

    def _features(self, config: Mapping[str, Any]) -> NDArray[np.float64]:
        return features(self._space.distributions, self._space.params(config))


def features(
    distributions: Mapping[str, BaseDistribution], params: Mapping[str, Any]
) -> NDArray[np.float64]:
    """A number for each parameter; of a categorical the index of its choice."""
    return np.array([d.to_internal_repr(params[name]) for name, d in distributions.items()])


def _fitted(pairs: Sequence[tuple[NDArray[np.float64], float | None]]) -> ExtraTreesRegressor:
    forest = ExtraTreesRegressor(_N_TREES, max_features=0.5, random_state=0)
    return forest.fit([x for x, _ in pairs], [math.log(y) for _, y in pairs if y is not None])


def _predicted(forest: ExtraTreesRegressor, x: Sequence[NDArray[np.float64]]) -> float:
    return float(math.exp(forest.predict(x)[0]))


def _key(config: Mapping[str, Any]) -> str:
    return json.dumps(dict(config), sort_keys=True)
