"""Tasks by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmarks.tasks import functions, hpo, kernels, surrogate
from benchmarks.tasks.base import (
    BudgetExhaustedError,
    Evaluator,
    FlatTask,
    Params,
    Reference,
    Task,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BudgetExhaustedError",
    "Evaluator",
    "FlatTask",
    "Params",
    "Reference",
    "Task",
    "load_task",
    "task_names",
]


def task_names(tables: Path | None) -> list[str]:
    """Names every task.

    ``kernel`` tasks keep the constraints of the kernel from the sampler and ``known`` ones
    declare them; both need the folder that holds the tables.
    """
    paths = sorted(tables.glob(f"*{kernels.SUFFIX}")) if tables else []
    stems = [path.name.removesuffix(kernels.SUFFIX) for path in paths]
    return [
        *(f"kernel/{stem}/{encoding}" for stem in stems for encoding in kernels.ENCODINGS),
        *(f"known/{stem}" for stem in stems),
        *(f"hpo/{dataset}" for dataset in hpo.TABLES),
        *(f"continuous/{function}" for function in functions.FUNCTIONS),
        functions.ConditionalTask.name,
        *(f"surrogate/{kernel}" for kernel in surrogate.KERNELS),
    ]


@cache
def load_task(name: str, tables: Path | None) -> Task:
    """Loads a task once a process.

    Raises:
        ValueError: no task has this name.
    """
    if name not in task_names(tables):
        raise ValueError(f"task is {name!r}, but must be one of {task_names(tables)}")
    match name.split("/"):
        case ["kernel" | "known", stem, *rest]:
            assert tables is not None
            encoding = kernels.ENCODINGS[rest == ["cat"]]
            table = kernels.load_table(tables / f"{stem}{kernels.SUFFIX}")
            return kernels.KernelTask(name, table, encoding)
        case ["hpo", dataset]:
            return hpo.HPOTask(dataset)
        case ["continuous", function]:
            return functions.FunctionTask(function)
        case ["surrogate", kernel]:
            return surrogate.SurrogateTask(kernel)
        case _:
            return functions.ConditionalTask()
