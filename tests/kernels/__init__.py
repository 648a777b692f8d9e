"""Helion kernels of every kind, and stand-ins for the devices that they are bound to."""
