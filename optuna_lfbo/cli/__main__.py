"""Runs the command line as ``python -m optuna_lfbo.cli``."""

from __future__ import annotations

import sys

from optuna_lfbo.cli import main

# The processes that compile and measure import this file again.
if __name__ == "__main__":
    sys.exit(main())
