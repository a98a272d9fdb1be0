"""The numbers of an EG3D that is searched in no time."""

TINY = {
    "z_dim": 8,
    "w_dim": 8,
    "plane_resolution": 16,
    "plane_channels": 4,
    "channel_base": 128,
    "channel_max": 8,
    "render_resolution": 12,
    "image_resolution": 12,
    "super_resolution": "none",
    "sr_latent": "none",
    "depth_samples": 6,
    "importance_samples": 6,
    "density_gain": 20.0,
    "has_noise": False,
}
