"""Let Helion tune a kernel through an Optuna study, at the kernel's first call.

    python examples/inside_helion.py             # tunes
    python examples/inside_helion.py             # Helion remembers the best configuration
    python examples/inside_helion.py --trials 60 --force    # the study goes on

With a CUDA device the kernel runs through Triton; without one it runs on the CPU, small and
slow, through the interpreter of Helion's Pallas backend, whose latencies say little about any
real device.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import helion
import helion.language as hl
import optuna
import torch

from optuna_lfbo.helion import autotuner

if TYPE_CHECKING:
    from collections.abc import Sequence

ON_GPU = torch.cuda.is_available()
SETTINGS: dict[str, Any] = {"static_shapes": True}
if not ON_GPU:
    SETTINGS |= {"backend": "pallas", "pallas_interpret": True}


def softmax(x: torch.Tensor) -> torch.Tensor:
    """Exponentiate each row and divide it by its sum."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.nn.functional.softmax(x[tile, :], dim=1)
    return out


def argument() -> torch.Tensor:
    """Return a random matrix of a size that suits the device."""
    if ON_GPU:
        return torch.randn((8192, 4096), device="cuda", dtype=torch.bfloat16)
    return torch.randn((32, 256))


def main(argv: Sequence[str] | None = None) -> None:
    """Call the kernel twice and say what the study knows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=20, help="in all (%(default)s)")
    parser.add_argument("--storage", default="sqlite:///helion_tuning.db", help="%(default)s")
    parser.add_argument("--force", action="store_true", help="do not ask Helion's cache")
    options = parser.parse_args(argv)

    # The same arguments fit the decorator: @helion.kernel(autotuner_fn=autotuner(...)).
    kernel = helion.kernel(
        softmax,
        autotuner_fn=autotuner(storage=options.storage, n_trials=options.trials),
        force_autotune=options.force,
        **SETTINGS,
    )
    x = argument()
    for call in ("first", "second"):
        started = time.perf_counter()
        kernel(x)
        print(f"{call} call: {time.perf_counter() - started:8.3f} s")

    for study in optuna.get_all_study_summaries(options.storage):
        if study.user_attrs.get("kernel") == "softmax" and study.best_trial is not None:
            print(f"{study.study_name}: {study.n_trials} trials, best {study.best_trial.value} ms")


# Helion's worker processes import this file again.
if __name__ == "__main__":
    main()
