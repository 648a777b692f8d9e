"""A kernel whose configurations fail in every way there is, and what makes them do it."""

from __future__ import annotations

import os
import signal
import time

import helion
import helion.language as hl
import torch
from helion.autotuner import EnumFragment

FAULTS = ("none", "wrong", "raises", "loses_device", "crashes", "hangs")


def faulty(x: torch.Tensor) -> torch.Tensor:
    fault = hl.register_tunable("fault", EnumFragment((0, 1, 2, 3, 4, 5)))
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = x[tile, :] + fault
    return out


def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Runs in the measuring process, where it does what the configuration asks for."""
    fault = FAULTS[round(float((actual - expected).mean()))]
    if fault == "wrong":
        raise AssertionError("off by one")
    if fault == "raises":
        raise RuntimeError("the device \x1b[31mcaught\x1b[0m fire")
    if fault == "loses_device":
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    if fault == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hangs":
        time.sleep(3600.0)


def kernel(backend: str = "pallas", **settings: object) -> helion.Kernel:
    if backend == "pallas":
        settings["pallas_interpret"] = True
    return helion.kernel(
        faulty,
        backend=backend,
        static_shapes=True,
        autotune_baseline_fn=lambda x: x,
        autotune_baseline_accuracy_check_fn=check,
        **settings,
    )
