"""What each process of torchrun does in the tests: joins the study of a storage.

Its arguments are the storage and the kind of device, ``cpu`` or ``cuda``.
"""

from __future__ import annotations

import os
import sys

import torch

from optuna_lfbo.helion import tune
from tests.kernels.suite import pallas, softmax, triton

if __name__ == "__main__":
    storage, kind = sys.argv[1:]
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    x = torch.randn((1024, 4096) if kind == "cuda" else (64, 128), device=kind)
    kernel = triton(softmax) if kind == "cuda" else pallas(softmax)
    result = tune(kernel, (x,), storage=storage, n_trials=30)
    print("config", dict(result.config), flush=True)
