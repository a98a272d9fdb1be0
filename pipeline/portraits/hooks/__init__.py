"""Hooks: 2D functions on the crop, between cutting it and lifting it."""
