"""Runs one sampler on one task, whatever library the sampler comes from."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from benchmarks.spec import Spec, parse

if TYPE_CHECKING:
    from benchmarks.tasks import Evaluator

MODULES = {
    "optuna_samplers": ("random", "tpe", "gp", "cmaes", "lfbo"),
    "helion_searches": ("helion_lfbo_pattern", "helion_lfbo_tree", "helion_pattern"),
    "kernel_tuner_strategies": (
        "kt_random_sample",
        "kt_genetic_algorithm",
        "kt_greedy_ils",
        "kt_dual_annealing",
        "kt_bayes_opt",
    ),
    "smac_facade": ("smac",),
}
"""The families that each module of this package runs."""

PACKAGES = {
    "optuna_samplers": ("optuna", "scikit-learn"),
    "helion_searches": ("helion", "scikit-learn"),
    "kernel_tuner_strategies": ("kernel-tuner",),
    "smac_facade": ("smac",),
}
"""The packages whose versions are kept with a module's results."""

GROUPS = {
    "optuna_samplers": ("kernel", "hpo", "continuous", "conditional"),
    "helion_searches": ("kernel",),
    "kernel_tuner_strategies": ("known",),
    "smac_facade": ("kernel", "hpo", "continuous"),
}
"""The groups of tasks that a module can run."""


CONSTRAINED = ("lfbo",)
"""Optuna's samplers that can be told a constraint, and so run on ``known`` tasks, too."""


def supports(family: str, task: str) -> bool:
    """Whether a family of samplers can run on a task."""
    group = task.partition("/")[0]
    return group in GROUPS[module_of(family)] or (group == "known" and family in CONSTRAINED)


def module_of(family: str) -> str:
    """Names the module that runs a family of samplers.

    Raises:
        ValueError: no module does.
    """
    for module, families in MODULES.items():
        if family in families:
            return module
    known = [family for families in MODULES.values() for family in families]
    raise ValueError(f"sampler is {family!r}, but must be one of {known}")


def run(text: str, evaluate: Evaluator, seed: int) -> dict[str, float]:
    """Spends the evaluator's budget and returns what the runner wants to keep about the run.

    Arguments that the module's ``run`` names itself are the harness's, the rest the sampler's.
    """
    spec = parse(text)
    runner = import_module(f"benchmarks.runners.{module_of(spec.family)}").run
    own = {
        name: spec.kwargs[name]
        for name in inspect.signature(runner).parameters
        if name in spec.kwargs
    }
    rest = {name: value for name, value in spec.kwargs.items() if name not in own}
    notes: dict[str, float] = runner(Spec(spec.text, spec.family, rest), evaluate, seed, **own)
    return notes


def versions(text: str) -> dict[str, str]:
    """Versions of the packages that a sampler's results depend on."""
    found = {}
    for package in PACKAGES[module_of(parse(text).family)]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
