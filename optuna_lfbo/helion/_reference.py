"""The right result of a program, from a function that its author knows to be right."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from optuna_lfbo.helion import _compat_worker as compat
from optuna_lfbo.helion._jobs import Reference
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_ATOL = 1e-2
"""The same as Helion's."""


def reference_of(
    args: Sequence[object],
    fn: Callable[..., object] | None,
    *,
    returns: bool,
    atol: float | None,
    rtol: float,
) -> Reference:
    """Call ``fn`` on a copy of ``args``.

    Args:
        args: The arguments of the program.
        fn: Does what the program shall do; None for no check.
        returns: Whether the program returns its result, or part of it.
        atol: Absolute tolerance. None for exactly the same integers, and for other numbers
            0.01, or as much of their root mean square if that is above 1.
        rtol: Relative tolerance.

    Raises:
        KernelError: ``fn`` fails.
        ValueError: ``fn`` neither returns a result nor changes an argument.
    """
    events = compat.device_of(args).type != "cpu"
    if fn is None:
        return Reference(args, (), None, None, None, events)
    before, structure = tree_flatten(tuple(args))
    tensors = [i for i, leaf in enumerate(before) if isinstance(leaf, torch.Tensor)]
    after, _ = tree_flatten(compat.clone_args(tuple(args), tensors))
    returned = _called(fn, tree_unflatten(after, structure))
    output = returned if returns else None
    mutated = [i for i in tensors if _differ(before[i], after[i])]
    if output is None and not mutated:
        where = "return a result or change" if returns else "change"
        raise ValueError(
            f"reference={fn!r} has to {where} at least one of the tensors among its arguments, "
            "so that there is something to compare with; it does not."
        )
    known = [after[i] if i in mutated else leaf for i, leaf in enumerate(before)]
    check = functools.partial(_check, atol=atol, rtol=rtol)
    return Reference(args, mutated, output, tree_unflatten(known, structure), check, events)


def _called(fn: Callable[..., object], args: Sequence[object]) -> object:
    try:
        output = fn(*args)
        compat.synchronize_device()
    except Exception as error:  # It is the user's.
        raise KernelError(
            "The reference function fails, so that nothing can be compared with it: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from error
    return output


def _differ(before: torch.Tensor, after: torch.Tensor) -> bool:
    # By their bytes, as memory that has not been written yet may hold NaNs.
    return not torch.equal(_bytes(before), _bytes(after))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _check(actual: object, expected: object, *, atol: float | None, rtol: float) -> None:
    if expected is None:
        return
    if atol is not None:
        compat.assert_close(actual, expected, atol=atol, rtol=rtol, scale_atol=False)
        return
    compat.assert_close(actual, expected, atol=_ATOL, rtol=rtol, scale_atol=True)
    _check_exact(actual, expected)


def _check_exact(actual: object, expected: object) -> None:
    for ours, theirs in zip(tree_leaves(actual), tree_leaves(expected), strict=True):
        is_tensor = isinstance(theirs, torch.Tensor)
        if is_tensor and not (theirs.is_floating_point() or theirs.is_complex()):
            torch.testing.assert_close(ours, theirs, atol=0, rtol=0)
