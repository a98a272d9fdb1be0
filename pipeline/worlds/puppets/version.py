"""The version of the puppet world's images."""

WORLD_VERSION = 1
"""Raised whenever a change alters the images, depth, normals or labels of a puppet. Evaluations and
cached renderings of different versions are kept apart.
"""
