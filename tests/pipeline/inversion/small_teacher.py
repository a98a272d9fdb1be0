"""The numbers of an EG3D that is searched in no time."""

from tests.builders import eg3d_settings

TINY = eg3d_settings(
    12,
    plane_channels=4,
    channel_base=128,
    depth_samples=6,
    importance_samples=6,
    density_gain=20.0,
    has_noise=False,
)
