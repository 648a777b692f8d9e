"""The code that is measured, and the code that a user's call would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._kernel_task import task_of
from optuna_lfbo.helion._program import program_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import helion


def sources(kernel: helion.Kernel, args: Sequence[Any], n: int) -> Iterator[tuple[str, str]]:
    """Both codes, of random configurations that compile."""
    task, program = task_of(kernel, args), program_of(kernel, args)
    for config in task.space.random_configs(n, seed=0):
        try:
            mine = program.build(config.config).source
        except Exception:  # Compilers raise all sorts of things; others are looked at.
            continue
        yield mine.strip(), task.code(config.config).strip()
