"""Procedural worlds with exact 3D: photographs to train a teacher, ground truth for scores."""
