"""Losses of the distillation, one file each, and the published networks that some of them use."""
