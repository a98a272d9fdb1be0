"""EG3D (Chan et al., CVPR 2022), written from the paper's equations and the published checkpoints'
facts.
"""
