"""PanoHead (An et al., CVPR 2023): EG3D with stacks of planes and a background network of its own,
for heads seen from all round.
"""
