"""Tuners of Helion kernels against each other on one GPU."""
