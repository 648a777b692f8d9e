"""From programs to engines that are ready to measure them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna_lfbo.helion._engine import Engine
from optuna_lfbo.helion._processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from optuna_lfbo.helion._jobs import Program, Reference


@dataclass(frozen=True)
class Setup:
    """A program and what there is to know for measuring it.

    Attributes:
        program: What is tuned.
        device: Where it runs.
        reference: Returns what configurations are called with and compared with.
        compile_limit_s: Seconds that a compilation may take.
        measure_limit_s: Seconds that running, checking and timing a configuration may take.
    """

    program: Program
    device: torch.device
    reference: Callable[[], Reference]
    compile_limit_s: float
    measure_limit_s: float


def engines(setups: Sequence[Setup], n_compilers: int | None = None) -> list[Engine]:
    """Return an engine for each program, which share their processes.

    References are computed while the processes start.

    Args:
        setups: The programs, which run on the same device.
        n_compilers: Processes to start at once; by default all that there may be.

    Raises:
        KernelError: A program or its arguments cannot be sent to another process.
        Exception: What computing a reference raises.
    """
    processes = Processes([setup.program for setup in setups], setups[0].device)
    try:
        processes.start(n_compilers)
        references = [setup.reference() for setup in setups]
        processes.send(references)
    except BaseException:
        processes.close()
        raise
    return [
        Engine(setup, path, processes)
        for setup, path in zip(setups, processes.references, strict=True)
    ]
