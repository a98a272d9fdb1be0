"""A procedural world of human heads on the free body model *anny*, with exact images, depth,
normals, labels and landmarks.

The world has the axes and the camera of `teachers.rendering.camera`; a neutral head sits where
EG3D's crop of its photograph puts it. Lengths of a head are decimetres until `frame` places it.
"""
