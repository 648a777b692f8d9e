"""Likelihood-free Bayesian optimization with pattern search for Optuna."""
