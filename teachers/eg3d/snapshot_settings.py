"""The configuration of a generator, from an official snapshot's settings and shapes."""

import re
from typing import Any

import numpy as np

from teachers.plain_values import is_number, misfit, shown
from teachers.rendering.triplane import EG3D_AXES

from .configuration import EG3DConfiguration
from .snapshot import Snapshot

KNOWN_SOURCES = (
    # EG3D: networks_stylegan2, superresolution, triplane, dual_discriminator
    *("820c206d1ee0", "59b91db53b33", "8cfd3ad210f0", "59e2e10442fc"),
    # PanoHead: the same without superresolution, which is EG3D's, renderer, ray_marcher
    *("d42a4c6fb137", "1bce9137f63a", "9029b86bdb94", "985cb500b210", "58976a1e008b"),
)
"""How the sha256 of published module texts begin."""

SUPER_RESOLUTIONS = {
    "SuperresolutionHybrid8XDC": "8XDC",
    "SuperresolutionHybrid8X": "8X",
    "SuperresolutionHybrid4X": "4X",
    # the same layers; its resize lacks the filter, which enlarging doesn't use
    "SuperresolutionHybridDeepfp32": "4X",
    "SuperresolutionHybrid2X": "2X",
}

REQUIRED = ("ray_start", "ray_end", "box_warp", "depth_resolution", "depth_resolution_importance")

PUBLISHED_FOCALS = {2.7: 4.2647, 1.7: 1.7074}
"""Focal length of the published models' cameras (faces and animals; cars) by the radius of their
orbit.
"""


def configuration_of(
    snapshot: Snapshot, *, sr_latent: str, focal: float | None = None
) -> tuple[EG3DConfiguration, list[str]]:
    """The configuration of a snapshot's generator, and warnings about what is unusual in it.

    Sizes come from the weights' shapes, rendering from the pickled options with the official
    defaults for missing ones.

    Args:
        snapshot: as read.
        sr_latent: which latent the super-resolution will be given.
        focal: normalised focal length of the training cameras, which snapshots don't state; None:
            the published one.

    Raises:
        ValueError: settings are missing or of a kind that the project doesn't reproduce.
    """
    options = snapshot.rendering_kwargs
    _require_supported(options)
    super_resolution, warnings = _super_resolution(snapshot)
    near, far = _limits(options["ray_start"], options["ray_end"])
    radius = _number(options, "avg_camera_radius", 2.7)
    if focal is None:
        focal = PUBLISHED_FOCALS.get(radius, 4.2647)
        if radius not in PUBLISHED_FOCALS:
            warnings.append(
                f"snapshots don't state their focal length: {focal} is assumed (focal=… sets"
                " another)"
            )
    axes, axes_warnings = _plane_axes(snapshot)
    config = EG3DConfiguration(
        **_sizes(snapshot),
        label_scale=_number(options, "c_scale", 0),
        condition_is_zero=bool(options.get("c_gen_conditioning_zero", False)),
        plane_axes=axes,
        box_size=_number(options, "box_warp"),
        decoder_learning_rate=_number(options, "decoder_lr_mul", 1),
        near=near,
        far=far,
        depth_samples=int(_number(options, "depth_resolution")),
        importance_samples=int(_number(options, "depth_resolution_importance")),
        in_disparity=bool(options.get("disparity_space_sampling", False)),
        render_resolution=snapshot.neural_rendering_resolution,
        image_resolution=int(
            snapshot.init_kwargs.get("img_resolution", options.get("image_resolution", 512))
        ),
        background="white" if options.get("white_back", False) else "black",
        super_resolution=super_resolution,
        sr_latent=sr_latent,  # type: ignore[arg-type]  # checked by the super-resolution
        sr_antialias=bool(options.get("sr_antialias", True)),
        conv_clamp=clamp_of(snapshot.init_kwargs),
        sr_conv_clamp=256.0 if snapshot.init_kwargs.get("sr_num_fp16_res", 0) > 0 else None,
        focal=focal,
        camera_radius=radius,
        camera_pivot=_pivot(options),
    )
    return config, [
        *warnings,
        *axes_warnings,
        *_source_warnings(snapshot),
        *_option_warnings(options),
    ]


def _number(options: dict[str, Any], name: str, default: int | float | None = None) -> float:
    value = options.get(name, default)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not is_number(number):
        raise ValueError(
            f"the rendering option {name} is {shown(value)}, not a number: damaged, or a fork that"
            " is not supported"
        )
    return number


def _pivot(options: dict[str, Any]) -> tuple[float, float, float]:
    value = options.get("avg_camera_pivot", (0, 0, 0))
    if wrong := misfit(value, tuple[float, float, float], "the rendering option avg_camera_pivot"):
        raise ValueError(f"{wrong}: damaged, or a fork that is not supported")
    x, y, z = value
    return float(x), float(y), float(z)


def _require_supported(options: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if name not in options]
    if missing:
        raise ValueError(
            f"the snapshot's rendering options lack {', '.join(missing)}: it is not an EG3D"
            " generator, or a fork of it"
        )
    if options.get("clamp_mode", "softplus") != "softplus":
        raise ValueError(
            f"density activation {options['clamp_mode']!r} is not EG3D's softplus: a fork that is"
            " not supported"
        )


def clamp_of(settings: dict[str, Any]) -> float | None:
    """The limit on a network's features, if it has one."""
    value = settings.get("conv_clamp")
    return None if value is None else float(value)


def named_axes(matrices: np.ndarray) -> tuple[str, str, str]:
    """The axes of the planes (`Triplane.axes`), from the three matrices that snapshots carry.

    A point p (a row) lies at the first two components of p times the inverse matrix.

    Raises:
        ValueError: a plane isn't spanned by two of the world's axes.
    """
    try:
        projections = np.linalg.inv(matrices)[:, :, :2]
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "the snapshot's plane_axes are not invertible: damaged, or a fork with another plane"
            " layout"
        ) from error
    rounded = projections.round()
    is_axis = (
        np.abs(projections - rounded).max() < 1e-5
        and (rounded.sum(1) == 1).all()
        and (rounded >= 0).all()
    )
    names = ["".join("xyz"[index] for index in plane.argmax(0)) for plane in rounded]
    if not is_axis or any(name[0] == name[1] for name in names):
        shown = projections.round(3).tolist()
        raise ValueError(
            f"the snapshot's planes are not spanned by world axes (projections {shown}): a fork"
            " that is not supported"
        )
    return names[0], names[1], names[2]


def _plane_axes(snapshot: Snapshot) -> tuple[tuple[str, str, str], list[str]]:
    if snapshot.plane_axes is None:
        return EG3D_AXES, [
            f"the snapshot carries no plane_axes: the published {EG3D_AXES} are assumed"
        ]
    axes = named_axes(snapshot.plane_axes)
    return axes, (
        []
        if axes == EG3D_AXES
        else [f"plane axes {axes} differ from the published {EG3D_AXES}: a fork; its own are used"]
    )


def _sizes(snapshot: Snapshot) -> dict[str, Any]:
    """Sizes from the shapes of the weights."""
    shapes = {name: array.shape for name, array in snapshot.generator_state.items()}
    needed = (
        "backbone.mapping.w_avg",
        "backbone.mapping.fc0.weight",
        "decoder.net.0.weight",
        "decoder.net.2.weight",
    )
    resolutions = [
        int(found[1])
        for name in shapes
        if (found := re.fullmatch(r"backbone\.synthesis\.b(\d{1,4})\.torgb\.weight", name))
    ]
    lacking = [name for name in needed if name not in shapes or not shapes[name]]
    if lacking or not resolutions:
        what = ", ".join(lacking) or "the blocks of backbone.synthesis"
        raise ValueError(f"the snapshot's G_ema lacks {what}: it is not an EG3D generator")
    plane_resolution = max(resolutions)
    w_dim = shapes["backbone.mapping.w_avg"][0]
    label_dim = shapes.get("backbone.mapping.embed.weight", (0, 0))[-1]
    return {
        "z_dim": shapes["backbone.mapping.fc0.weight"][-1] - (w_dim if label_dim else 0),
        "w_dim": w_dim,
        "label_dim": label_dim,
        "mapping_layers": sum(
            bool(re.fullmatch(r"backbone\.mapping\.fc\d+\.weight", name)) for name in shapes
        ),
        "plane_resolution": plane_resolution,
        "plane_channels": shapes[f"backbone.synthesis.b{plane_resolution}.torgb.weight"][0] // 3,
        "channel_base": int(snapshot.init_kwargs.get("channel_base", 32768)),
        "channel_max": int(snapshot.init_kwargs.get("channel_max", 512)),
        "hidden_channels": shapes["decoder.net.0.weight"][0],
        "feature_channels": shapes["decoder.net.2.weight"][0] - 1,
    }


def _super_resolution(snapshot: Snapshot) -> tuple[str, list[str]]:
    option = str(snapshot.rendering_kwargs.get("superresolution_module", "")).rpartition(".")[2]
    name = snapshot.superresolution_class or option
    if name not in SUPER_RESOLUTIONS:
        raise ValueError(
            f"super-resolution {name or 'nothing'!r} is not known:"
            f" {', '.join(SUPER_RESOLUTIONS)} are"
        )
    if option and option != name:
        return SUPER_RESOLUTIONS[name], [
            f"the options name super-resolution {option}, the pickled module is {name}: the module"
            " counts"
        ]
    return SUPER_RESOLUTIONS[name], []


def _limits(start: Any, end: Any) -> tuple[float | None, float | None]:
    if start == end == "auto":
        return None, None
    numbers = [
        value
        for value in (start, end)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if len(numbers) != 2 or not 0 < numbers[0] < numbers[1]:
        raise ValueError(
            f"ray limits {start!r} to {end!r} are neither two increasing distances nor both 'auto'"
        )
    return float(numbers[0]), float(numbers[1])


def _source_warnings(snapshot: Snapshot) -> list[str]:
    unknown = sorted(
        name
        for name, digest in snapshot.source_hashes.items()
        if not digest.startswith(KNOWN_SOURCES)
    )
    if not unknown:
        return []
    shown = ", ".join(unknown[:4]) + (", …" if len(unknown) > 4 else "")
    return [
        f"the source text of {shown} is not the published one (a fork, another version, or"
        " removed). The renderer is not part of a snapshot: compare its images with the"
        " original's (trilift check reference=…)"
    ]


def _option_warnings(options: dict[str, Any]) -> list[str]:
    warnings = []
    if options.get("superresolution_noise_mode", "none") != "none":
        warnings.append(
            f"superresolution_noise_mode is {options['superresolution_noise_mode']!r}; here the"
            " super-resolution adds no noise"
        )
    if options.get("density_noise", 0):
        warnings.append("density_noise is not zero; here no noise is added to the density")
    return warnings
