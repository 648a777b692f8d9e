"""Tuning in virtual time, on a machine that answers from records."""
