"""Tuning of Helion kernels by Optuna studies."""
