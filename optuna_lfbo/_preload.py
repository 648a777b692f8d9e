"""Imports what worker processes need, in the process that they are forked from, and prepares it.

Nothing of what an import makes is garbage, and looking for it all the same takes a quarter of
the time. Frozen, it is not looked at in the forked processes either, so their memory stays
shared: by Python's own advice on ``gc.freeze``.
"""

import atexit
import gc
import sys

gc.disable()
# Helion goes without it where it is not installed. Only its searches use it, and with SciPy and
# pandas it would take a fifth of the time.
sys.modules["sklearn"] = None  # type: ignore[assignment]
import optuna_lfbo.helion._jobs  # noqa: E402, F401
from optuna_lfbo.helion._fork_server import outlive_clients, spare_programs  # noqa: E402

outlive_clients()
spare_programs()
del sys.modules["sklearn"]
gc.freeze()
gc.enable()
# nanobind, which Triton is made with, reports what has not been released at the end.
atexit.register(gc.unfreeze)
