"""Tasks by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from benchmarks.tasks.base import BudgetExhausted, Evaluator, Params, Reference, Task
from benchmarks.tasks.kernels import ENCODINGS, SUFFIX, KernelTask, load_table

__all__ = [
    "BudgetExhausted",
    "Evaluator",
    "Params",
    "Reference",
    "Task",
    "load_task",
    "task_names",
]


def task_names(tables: Path | None) -> list[str]:
    """Names every task; those of kernel tables need the folder that holds them."""
    paths = sorted(tables.glob(f"*{SUFFIX}")) if tables else []
    stems = [path.name.removesuffix(SUFFIX) for path in paths]
    return [f"kernel/{stem}/{encoding}" for stem in stems for encoding in ENCODINGS]


@cache
def load_task(name: str, tables: Path | None) -> Task:
    """Loads a task once a process.

    Raises:
        ValueError: no task has this name.
    """
    group, _, rest = name.partition("/")
    if group == "kernel" and tables is not None:
        stem, _, encoding = rest.rpartition("/")
        for known in ENCODINGS:
            if known == encoding:
                return KernelTask(load_table(tables / f"{stem}{SUFFIX}"), known)
    raise ValueError(f"task is {name!r}, but must be one of {task_names(tables)}")
