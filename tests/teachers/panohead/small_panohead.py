"""A small PanoHead generator with random weights, and its snapshot."""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from teachers.panohead.configuration import PanoHeadConfiguration
from teachers.panohead.generator import PanoHeadGenerator
from teachers.rendering.triplane import ORTHOGONAL_AXES

AXES = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    ],
    dtype=torch.float32,
)


def small_generator(**changes: Any) -> PanoHeadGenerator:
    """With every one of its networks; planes of 16², images of 128²."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "z_dim": 8,
        "w_dim": 16,
        "plane_resolution": 16,
        "plane_channels": 4,
        "channel_base": 128,
        "channel_max": 8,
        "depth_samples": 6,
        "importance_samples": 6,
        "super_resolution": "2X",
        "sr_latent": "teacher_w",
        "image_resolution": 128,
        "render_resolution": 8,
        "background_resolution": 64,
        "camera_pivot": (0.0, 0.0, 0.0),
        "plane_axes": ORTHOGONAL_AXES,
    }
    generator = PanoHeadGenerator(PanoHeadConfiguration(**{**sizes, **changes}))
    for name, value in generator.state_dict().items():
        if name.endswith(("noise_strength", "w_avg", "bias")):
            value.add_(torch.randn_like(value) * 0.1)
    return generator.eval().requires_grad_(False)


def write_snapshot(
    official: ModuleType, path: Path, generator: PanoHeadGenerator, **settings: Any
) -> Path:
    """Its snapshot as the official code writes it, `settings` among the rendering options."""
    config = generator.config
    options = official.published_settings(
        superresolution_module="training.superresolution.SuperresolutionHybrid2X",
        depth_resolution=6,
        depth_resolution_importance=6,
        **{
            "triplane_depth": config.plane_depth,
            "decoder_activation": config.color_activation,
            "use_torgb_raw": config.has_raw_rgb,
            "use_background": bool(config.background_resolution),
            **settings,
        },
    )
    snapshot = official.official_snapshot(
        official.official_weights(generator),
        rendering_kwargs=options,
        init_kwargs={
            "channel_base": 128,
            "channel_max": 8,
            "img_resolution": 128,
            "sr_num_fp16_res": 4,
            "conv_clamp": None,
        },
        resolution=8,
        superresolution_class="SuperresolutionHybrid2X",
        plane_axes=AXES,
    )
    path.write_bytes(official.official_pickle(snapshot))
    return path
