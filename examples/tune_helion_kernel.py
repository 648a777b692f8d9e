"""Tune a Helion kernel and print the decorator line that makes it fast.

    python examples/tune_helion_kernel.py                      # a matmul
    python examples/tune_helion_kernel.py layer_norm --trials 100

With a CUDA device the kernel runs through Triton; without one it runs on the CPU, small and
slow, through the interpreter of Helion's Pallas backend, whose latencies say little about any
real device. The study is kept in an SQLite file:
each run adds ``--trials`` trials to those that are there, an interrupted one is not lost, and
several processes may work on the same study at once.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

import helion
import helion.language as hl
import optuna
import torch

from optuna_lfbo.helion import tune

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_lfbo.helion import TuneResult

ON_GPU = torch.cuda.is_available()
SETTINGS: dict[str, Any] = {"static_shapes": True}
if not ON_GPU:
    SETTINGS |= {"backend": "pallas", "pallas_interpret": True}


@helion.kernel(**SETTINGS)
def matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Multiply two matrices."""
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


@helion.kernel(**SETTINGS)
def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Normalise each row to mean 0 and variance 1, then scale and shift it."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        centred = rows - rows.mean(dim=-1, keepdim=True)
        scale = torch.rsqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-5)
        out[tile, :] = (centred * scale * weight[:] + bias[:]).to(x.dtype)
    return out


@helion.kernel(**SETTINGS)
def softmax(x: torch.Tensor) -> torch.Tensor:
    """Exponentiate each row and divide it by its sum."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.nn.functional.softmax(x[tile, :], dim=1)
    return out


KERNELS = {"matmul": matmul, "layer_norm": layer_norm, "softmax": softmax}
GPU_SHAPES = {
    "matmul": [(4096, 4096), (4096, 4096)],
    "layer_norm": [(8192, 4096), (4096,), (4096,)],
    "softmax": [(8192, 4096)],
}
CPU_SHAPES = {
    "matmul": [(256, 256), (256, 256)],
    "layer_norm": [(512, 1024), (1024,), (1024,)],
    "softmax": [(512, 1024)],
}


def arguments_of(kernel: str) -> tuple[torch.Tensor, ...]:
    """Return random arguments of a size that suits the device."""
    if ON_GPU:
        shapes, device, dtype = GPU_SHAPES[kernel], "cuda", torch.bfloat16
    else:
        shapes, device, dtype = CPU_SHAPES[kernel], "cpu", torch.float32
    return tuple(torch.randn(shape, device=device, dtype=dtype) for shape in shapes)


def report(result: TuneResult) -> None:
    """Print what has been found."""
    statuses = Counter(
        trial.user_attrs.get("status", trial.state.name.lower()) for trial in result.study.trials
    )
    print(f"\nstopped:  {result.stop_reason}")
    print("outcomes: " + ", ".join(f"{n} {status}" for status, n in statuses.most_common()))
    if result.default_latency_ms is not None:
        print(f"default:  {result.default_latency_ms:10.4f} ms")
    print(f"best:     {result.latency_ms:10.4f} ms")
    if result.speed_up is not None:
        print(f"speed-up: {result.speed_up:10.2f} x")
    settings = "".join(f", {name}={value!r}" for name, value in SETTINGS.items())
    print(f"\n@helion.kernel(config={result.config!r}{settings})")


def main(argv: Sequence[str] | None = None) -> None:
    """Tune the kernel that the command line names."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kernel", nargs="?", choices=KERNELS, default="matmul")
    parser.add_argument("--trials", type=int, default=40, help="to run now (%(default)s)")
    parser.add_argument("--timeout", type=float, help="stop after this many seconds")
    parser.add_argument("--storage", default="sqlite:///helion_tuning.db", help="%(default)s")
    parser.add_argument("--seed", type=int, help="of the sampler")
    options = parser.parse_args(argv)

    device = torch.cuda.get_device_name() if ON_GPU else "the CPU (Pallas interpreter)"
    print(f"tuning {options.kernel} on {device}, with the study in {options.storage}")
    # Failed trials are counted at the end; logged, each would break the progress line.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result = tune(
        KERNELS[options.kernel],
        arguments_of(options.kernel),
        n_trials=options.trials,
        timeout=options.timeout,
        storage=options.storage,
        seed=options.seed,
        show_progress_bar=True,
    )
    report(result)


# The processes that compile and measure import this file again.
if __name__ == "__main__":
    main()
