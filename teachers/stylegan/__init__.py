"""The StyleGAN2 layers that the teachers share (Karras et al., CVPR 2020), in plain PyTorch."""
