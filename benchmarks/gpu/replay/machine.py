"""What a recorded machine does with a configuration, and how long that takes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, TypeAlias

Fault: TypeAlias = Literal[
    "compile_error",
    "compile_timeout",
    "out_of_resources",
    "crash",
    "benchmark_timeout",
    "wrong_result",
]


@dataclass(frozen=True)
class Answer:
    """One configuration on a machine.

    Attributes:
        source: what is generated for it; the same text is the same program.
        compile_s: seconds to compile it; infinite for a compiler that hangs.
        latency_ms: what it takes, as far as it runs.
        fault: what is wrong with it.
    """

    source: str
    compile_s: float
    latency_ms: float
    fault: Fault | None = None


Machine: TypeAlias = Callable[[Mapping[str, Any]], Answer]
"""Answers for every configuration, and the same one each time."""


@dataclass(frozen=True)
class Costs:
    """Seconds that everything but compiling takes.

    The defaults are those of `tune` on an H200 with 16 cores and the attention kernel.

    Attributes:
        start_s: until the first configuration can be compiled.
        ask_s: to choose a trial and to enter it.
        queued_s: to enter one that waits in the queue.
        generate_s: to generate code that has been compiled before.
        compiler_start_s: for a new compiling process to take the place of a killed one.
        meter_start_s: for a new measuring process to take the place of a killed one.
        first_look_s: for a candidate that is clearly slower, besides its calls.
        first_look_calls: calls of such a candidate.
        full_s: to check a candidate and to time it to the end, besides some of its calls.
        full_calls: those calls.
        noise: standard deviation of a measured latency's logarithm.
        final_noise: that of one in the final comparison.
    """

    start_s: float = 17.0
    ask_s: float = 0.030
    queued_s: float = 0.004
    generate_s: float = 0.08
    compiler_start_s: float = 1.5
    meter_start_s: float = 3.0
    first_look_s: float = 0.025
    first_look_calls: int = 3
    full_s: float = 0.068
    full_calls: int = 6
    noise: float = 0.003
    final_noise: float = 0.001

    def measured(self, answer: Answer, kind: str, seed: int) -> float:
        """The latency in milliseconds that a measurement shows, the same each time.

        Args:
            answer: what is measured.
            kind: of measurement; each has other noise.
            seed: another one gives other noise.
        """
        digest = hashlib.sha256(f"{seed}/{kind}/{answer.source}".encode()).digest()
        uniform = (int.from_bytes(digest[:6], "big") + 0.5) / 2.0**48
        deviation = self.final_noise if kind.startswith("final") else self.noise
        return answer.latency_ms * math.exp(deviation * NormalDist().inv_cdf(uniform))
