"""Inference: a photograph is lifted once, then rendered, filmed and saved."""

from .reconstructor import LiftedPortrait, Reconstructor

__all__ = ["LiftedPortrait", "Reconstructor"]
