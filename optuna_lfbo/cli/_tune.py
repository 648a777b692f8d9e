"""``optuna-lfbo tune``."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from optuna_lfbo._note import decorator_line
from optuna_lfbo._trials import status_of
from optuna_lfbo._winner import winner_of
from optuna_lfbo.cli._errors import INTERRUPTED, WRONG_ARGUMENTS, CommandError, storage_errors
from optuna_lfbo.cli._objects import arguments, called, found

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from optuna_lfbo.helion import TuneResult


def run(options: argparse.Namespace) -> int:
    """Tune, and print the result."""
    with tuning_errors(), storage_errors(options.storage):
        result = _tuned(options)
    if options.quiet:
        print(_code(result))
    else:
        _report(result, options.storage)
    return INTERRUPTED if result.stop_reason == "interrupted" else 0


@contextlib.contextmanager
def tuning_errors() -> Iterator[None]:
    """Turn what kernels, arguments and studies that do not do raise into a `CommandError`."""
    try:
        from optuna_lfbo.helion import KernelError, UnusableDeviceError
    except ImportError as error:
        raise CommandError(str(error)) from error
    try:
        yield
    except (KernelError, UnusableDeviceError, TypeError, ValueError) as error:
        raise CommandError(str(error)) from error


def _tuned(options: argparse.Namespace) -> TuneResult[Any]:
    from optuna_lfbo.helion import tune
    from optuna_lfbo.helion._compat import Kernel

    target = found(options.kernel, "KERNEL")
    choices = {
        "seed": options.seed,
        "storage": options.storage,
        "study_name": options.study,
        "n_trials": options.trials,
        "timeout": options.timeout,
        "devices": options.devices,
        "show_progress_bar": not options.quiet,
    }
    if isinstance(target, Kernel):
        return tune(target, arguments(options.args), **choices)
    result: TuneResult[Any] = _objective(target, options).tune(**choices)
    return result


def _objective(target: Any, options: argparse.Namespace) -> Any:
    from optuna_lfbo.helion._objective import Objective

    if options.args is not None:
        raise CommandError(
            f"--args={options.args!r}: only a Helion kernel takes arguments, and {options.kernel} "
            f"is {target!r}",
            WRONG_ARGUMENTS,
        )
    objective = called(target, options.kernel, "KERNEL") if callable(target) else target
    if not isinstance(objective, Objective):
        raise CommandError(
            f"KERNEL={options.kernel!r}: expected a Helion kernel, an objective of "
            "triton_objective or callable_objective, or a function that returns one; got "
            f"{objective!r}",
            WRONG_ARGUMENTS,
        )
    return objective


def _report(result: TuneResult[Any], storage: str) -> None:
    counts = Counter(status_of(trial) for trial in result.study.get_trials(deepcopy=False))
    print(f"study:    {result.study.study_name} in {storage}")
    print(f"stopped:  {result.stop_reason}")
    print("outcomes: " + ", ".join(f"{n} {status}" for status, n in counts.most_common()))
    if result.default_latency_ms is not None and result.speed_up is not None:
        print(f"default:  {result.default_latency_ms:.4g} ms")
        print(f"best:     {result.latency_ms:.4g} ms, {result.speed_up:.2f} x as fast")
    else:
        print(f"best:     {result.latency_ms:.4g} ms")
    print(f"\n{_code(result)}")


def _code(result: TuneResult[Any]) -> str:
    winner = winner_of(result.study)
    assert winner is not None, "there is no result without one"
    return decorator_line(winner.configuration, result.study.user_attrs)
