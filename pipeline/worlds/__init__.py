"""Procedural worlds with exact 3D: training photographs for a teacher and ground truth for a score."""
