"""One configuration of a kernel, measured with several sets of arguments."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._engine import is_too_good
from optuna_lfbo.helion._outcome import Outcome, one_line
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna_lfbo.helion._engine import BestLatency, Engine

SAME_SOURCE = "generates the same sources as earlier configurations"


class MultiEngine:
    """Measures with one engine for each set of arguments, which share their processes.

    The value of a configuration is the geometric mean of its latencies over those of each
    set's own default, measured at the beginning.

    Args:
        engines: One for each set.
        defaults: The default configuration of each set.
        names: Names of the sets for messages.

    Attributes:
        default_latencies_ms: Of the defaults.
        unit_ms: Their sum.

    Raises:
        KernelError: A default does not work.
    """

    unit = "x the default latency"

    def __init__(
        self,
        engines: Sequence[Engine],
        defaults: Sequence[Mapping[str, Any]],
        names: Sequence[str],
    ) -> None:
        self._engines = engines
        self._defaults = defaults
        self._names = names
        self._default_outcomes = [
            engine.measure(default) for engine, default in zip(engines, defaults, strict=True)
        ]
        self.default_latencies_ms = [
            _latency(outcome, name)
            for outcome, name in zip(self._default_outcomes, names, strict=True)
        ]
        self.unit_ms = math.fsum(self.default_latencies_ms)

    @property
    def n_compilers(self) -> int:
        """The number of compiling processes at most."""
        return self._engines[0].n_compilers

    @property
    def busy_s(self) -> float:
        """Seconds that the measuring process has worked."""
        return sum(engine.busy_s for engine in self._engines)

    def close(self) -> None:
        """End the processes."""
        for engine in self._engines:
            engine.close()

    def measure(self, config: Mapping[str, object], best_ms: BestLatency | None = None) -> Outcome:
        """Compile, check and time one configuration with one set after the other.

        Blocks, and is meant to be called from several threads.

        Args:
            config: The configuration.
            best_ms: Called for the best value so far: one that is much better is confirmed. No
                first look is taken, as what is slow with one set may be fast with the others.

        Raises:
            UnusableDeviceError: The measuring process hangs and cannot be killed.
        """
        outcomes: list[Outcome] = []
        for position, name in enumerate(self._names):
            outcome = self._measure_one(position, config)
            outcomes.append(outcome)
            if outcome.latency_ms is None:
                return _failed(outcomes, name)
        combined = self._combined(outcomes)
        if best_ms is None or not is_too_good(combined, best_ms()):
            return combined
        return self._confirmed(config, outcomes)

    def _confirmed(self, config: Mapping[str, object], outcomes: Sequence[Outcome]) -> Outcome:
        again = [
            engine.again(config, outcome)
            for engine, outcome in zip(self._engines, outcomes, strict=True)
        ]
        for outcome, name in zip(again, self._names, strict=True):
            if outcome.latency_ms is None:
                others = [other for other in again if other is not outcome]
                return _failed([*others, outcome], name)
        return self._combined(again)

    def retime(
        self, configs: Sequence[Mapping[str, object]], rounds: int, repeat: int
    ) -> list[list[float]]:
        """Time several configurations in turn, with one set after the other.

        Returns:
            For each configuration its value in each round.

        Raises:
            RuntimeError: One of them fails, or all take too long.
        """
        by_set = [engine.retime(configs, rounds, repeat) for engine in self._engines]
        return [
            [self._value(latencies) for latencies in zip(*samples, strict=True)]
            for samples in zip(*by_set, strict=True)
        ]

    def code(self, config: Mapping[str, object]) -> str | None:
        """There is one for each set."""
        return None

    def _measure_one(self, position: int, config: Mapping[str, object]) -> Outcome:
        # The default has been measured, and would be taken for its own duplicate.
        if config == self._defaults[position]:
            return self._default_outcomes[position]
        return self._engines[position].measure(config)

    def _combined(self, outcomes: Sequence[Outcome]) -> Outcome:
        latencies = tuple(outcome.latency_ms or math.nan for outcome in outcomes)
        is_known = all(outcome.status == "duplicate" for outcome in outcomes)
        return Outcome(
            "duplicate" if is_known else "ok",
            self._value(latencies),
            error=SAME_SOURCE if is_known else None,
            compile_s=_sum(outcomes, "compile_s"),
            measure_s=_sum(outcomes, "measure_s"),
            latencies_ms=latencies,
        )

    def _value(self, latencies: Sequence[float]) -> float:
        logs = [
            math.log(latency / default)
            for latency, default in zip(latencies, self.default_latencies_ms, strict=True)
        ]
        return math.exp(math.fsum(logs) / len(logs))


def _latency(outcome: Outcome, name: str) -> float:
    if outcome.latency_ms is None:
        raise KernelError(
            f"The default configuration does not work with {name}, so that there is nothing to "
            f"compare latencies with: {outcome.status}: {outcome.error}"
        )
    return outcome.latency_ms


def _failed(outcomes: Sequence[Outcome], name: str) -> Outcome:
    last = outcomes[-1]
    return dataclasses.replace(
        last,
        error=one_line(f"with {name}: {last.error}"),
        compile_s=_sum(outcomes, "compile_s"),
        measure_s=_sum(outcomes, "measure_s"),
    )


def _sum(outcomes: Sequence[Outcome], seconds: str) -> float:
    return math.fsum(getattr(outcome, seconds) for outcome in outcomes)
