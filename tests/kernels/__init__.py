"""Helion kernels for the tests, each decorated anew for the backend that a test wants."""
