"""Tune a plain Triton kernel and print the launch that makes it fast.

    python examples/tune_triton_kernel.py --trials 50

Without a CUDA device Triton's interpreter runs the kernel on the CPU, small and slow; its
latencies say nothing about any real device. The study is kept in an SQLite file: each run
adds ``--trials`` configurations to those that are there.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import optuna
import torch
from optuna.distributions import CategoricalDistribution

ON_GPU = torch.cuda.is_available()
if not ON_GPU:
    # Read by Triton when it is imported, here and in the processes that measure.
    os.environ["TRITON_INTERPRET"] = "1"
try:
    import triton
    import triton.language as tl
except ImportError:
    raise SystemExit("This example needs Triton: pip install triton") from None

from optuna_lfbo.triton import triton_objective  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = (8192, 1000) if ON_GPU else (64, 100)
DEVICE = "cuda" if ON_GPU else "cpu"
SPACE = {
    "ROWS": CategoricalDistribution([1, 2, 4, 8, 16, 32, 64]),
    "num_warps": CategoricalDistribution([1, 2, 4, 8, 16]),
    "num_stages": CategoricalDistribution([1, 2, 3, 4]),
}


@triton.heuristics({"COLUMNS": lambda args: triton.next_power_of_2(args["n_columns"])})
@triton.jit
def softmax_kernel(  # type: ignore[no-untyped-def]
    x_ptr,
    out_ptr,
    n_rows,
    n_columns,
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
):
    """Exponentiate each row and divide it by its sum."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    columns = tl.arange(0, COLUMNS)[None, :]
    mask = (rows < n_rows) & (columns < n_columns)
    offsets = rows * n_columns + columns
    x = tl.load(x_ptr + offsets, mask=mask, other=-float("inf"))
    # Rows beyond the last one must not become NaN.
    x = tl.where(rows < n_rows, x, 0.0)
    powers = tl.exp(x - tl.max(x, axis=1)[:, None])
    tl.store(out_ptr + offsets, powers / tl.sum(powers, axis=1)[:, None], mask=mask)


def grid(meta: dict[str, Any]) -> tuple[int]:
    """One program for every ``ROWS`` rows."""
    return (triton.cdiv(SHAPE[0], meta["ROWS"]),)


def reference(x: torch.Tensor, out: torch.Tensor, n_rows: int, n_columns: int) -> None:
    """Write what the kernel should write."""
    out.copy_(torch.softmax(x, dim=1))


def fits(params: dict[str, Any]) -> bool:
    """Whether a program's rows are not too many for its threads' registers."""
    columns = triton.next_power_of_2(SHAPE[1])
    return bool(params["ROWS"] * columns <= 512 * 32 * params["num_warps"])


def main(argv: Sequence[str] | None = None) -> None:
    """Tune a softmax."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=40, help="to run now (%(default)s)")
    parser.add_argument("--timeout", type=float, help="stop after this many seconds")
    parser.add_argument("--storage", default="sqlite:///triton_tuning.db", help="%(default)s")
    options = parser.parse_args(argv)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    x = torch.randn(SHAPE, device=DEVICE)
    args = (x, torch.zeros_like(x), *SHAPE)
    default = {"ROWS": 1, "num_warps": 4, "num_stages": 3}
    objective = triton_objective(
        softmax_kernel, grid, args, SPACE, reference=reference, constraint=fits, seeds=[default]
    )
    print(f"tuning on {torch.cuda.get_device_name() if ON_GPU else 'the CPU (interpreter)'}")
    result = objective.tune(
        storage=options.storage,
        n_trials=options.trials,
        timeout=options.timeout,
        show_progress_bar=True,
    )
    statuses = Counter(trial.user_attrs.get("status") for trial in result.study.trials)
    print("\noutcomes: " + ", ".join(f"{n} {status}" for status, n in statuses.most_common()))
    print(f"best:     {result.latency_ms:10.4f} ms")
    if result.speed_up is not None:
        print(f"default:  {result.default_latency_ms:10.4f} ms")
        print(f"speed-up: {result.speed_up:10.2f} x")
    launch = "".join(f", {name}={value!r}" for name, value in result.config.all_kwargs().items())
    print(f"\nsoftmax_kernel[grid](x, out, n_rows, n_columns{launch})")


# The worker processes import this file again.
if __name__ == "__main__":
    main()
