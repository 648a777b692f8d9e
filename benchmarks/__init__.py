"""Measures samplers and autotuners on the same tasks; see ``python -m benchmarks --help``."""
