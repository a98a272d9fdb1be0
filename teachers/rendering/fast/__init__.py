"""Volume rendering on a CPU in numba kernels: what `teachers.rendering` computes, faster.

Chosen by `teachers.kernels`; each part equals the readable code within the tolerances of its tests.
"""
