"""Programs that run an encoder: torch itself, or another one that reads the exported encoder."""

from .runtime import RUNTIMES, TORCH, lift_by

__all__ = ["RUNTIMES", "TORCH", "lift_by"]
