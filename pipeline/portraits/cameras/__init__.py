"""Cameras of other programs, read and written: EG3D's labels, OpenGL, Blender, NeRF's
transforms.json, COLMAP's text files.
"""
