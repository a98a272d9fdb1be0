"""A procedural world of identities with exact images, depth, normals and labels.

Identity, expression, light and background are separate seeded factors. The world has the axes and
the camera of `teachers.rendering.camera`: faces point along +z, y is up, everything lies within 0.5
of the origin.
"""
