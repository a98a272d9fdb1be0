"""The version of the images of the world of heads."""

WORLD_VERSION = 7
"""Raised whenever a change alters the images, depth, normals or labels of a person."""
