"""EG3D (Chan et al., CVPR 2022), from the paper's equations and the published checkpoints."""
