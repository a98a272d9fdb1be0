"""Conversion of a PanoHead snapshot: configuration and weights.

Class path, argument names and most settings are EG3D's: `teachers.conversion` tells the two apart.
"""

import dataclasses
import re
from typing import Any

from teachers.eg3d.snapshot import Snapshot
from teachers.eg3d.snapshot_settings import configuration_of, named_axes
from teachers.eg3d.teacher import EG3DTeacher, passport_of
from teachers.eg3d.training_sets import training_data_of
from teachers.eg3d.weights import ImportedTeacher, fitted, latent_warnings, provenance
from teachers.rendering.triplane import ORTHOGONAL_AXES

from .configuration import PanoHeadConfiguration
from .decoder import ACTIVATIONS
from .generator import PanoHeadGenerator

LICENCE = (
    "Converted from a PanoHead snapshot, which derives from EG3D: NVIDIA's non-commercial source"
    " licence and the terms of PanoHead's authors apply."
)

NO_DISCRIMINATOR = (
    "the discriminator is left out: PanoHead's reads a mask beside the two images, which this"
    " version doesn't make; a student of this teacher can't be trained with an adversary"
)

BACKGROUND = re.compile(r"bcg_synthesis\.b(\d{1,4})\.torgb\.weight")

UNSUPPORTED = {
    "cull_clouds": "culling of thin matter",
    "binarize_clouds": "binarised densities",
}
"""Options that are off in the published recipe."""


def panohead_configuration(
    snapshot: Snapshot, *, sr_latent: str, focal: float | None = None
) -> tuple[PanoHeadConfiguration, list[str]]:
    """The configuration of a snapshot's generator, and warnings about what is unusual in it (see
    `configuration_of`).

    Raises:
        ValueError: settings are missing or of a kind that the project doesn't reproduce.
    """
    options, state = snapshot.rendering_kwargs, snapshot.generator_state
    for name, what in UNSUPPORTED.items():
        if options.get(name):
            raise ValueError(f"{name} is {options[name]!r}: {what} is not supported")
    base, warnings = configuration_of(snapshot, sr_latent=sr_latent, focal=focal)
    depth = int(options.get("triplane_depth", 1))
    if depth < 2 or base.plane_channels % depth:
        raise ValueError(
            f"a PanoHead generator of triplane_depth={depth} with {base.plane_channels} channels a"
            " plane: only stacks of at least 2 planes are supported (the published recipe has 3)"
        )
    activation = options.get("decoder_activation", "sigmoid")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"decoder_activation is {activation!r}: {', '.join(ACTIVATIONS)} are supported"
        )
    axes = None if snapshot.plane_axes is None else named_axes(snapshot.plane_axes)
    warnings = [text for text in warnings if not text.startswith("plane axes")]
    if axes not in (None, ORTHOGONAL_AXES):
        warnings.append(
            f"the snapshot's plane axes {axes} are not those of PanoHead's code: {ORTHOGONAL_AXES}"
            " are used"
        )
    changes: dict[str, Any] = {
        "plane_axes": ORTHOGONAL_AXES,
        "plane_channels": base.plane_channels // depth,
        # Its scripts turn about the origin, whatever avg_camera_pivot says.
        "camera_pivot": (0.0, 0.0, 0.0),
    }
    values = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    background = [int(found[1]) for name in state if (found := BACKGROUND.fullmatch(name))]
    config = PanoHeadConfiguration(
        **{**values, **changes},
        plane_depth=depth,
        color_activation=activation,
        has_raw_rgb="torgb.weight" in state,
        background_resolution=max(background, default=0),
        shifts_camera="t_mapping.fc0.weight" in state,
    )
    return config, warnings


FURTHER_IMAGES = {"name": "further images of PanoHead's training set", "licence": "unknown"}
"""Views of backs of heads, which its authors added to FFHQ."""


def import_panohead(
    snapshot: Snapshot, *, name: str, sr_latent: str = "w_mean", focal: float | None = None
) -> ImportedTeacher:
    """Builds the networks of a snapshot and gives them its weights (see `import_pickle`)."""
    config, warnings = panohead_configuration(snapshot, sr_latent=sr_latent, focal=focal)
    passport = dataclasses.replace(
        passport_of(config, name=name, source_hash=snapshot.file_sha256, licence=LICENCE),
        training_data=(*training_data_of(snapshot.training_set_kwargs), FURTHER_IMAGES),
    )
    generator = fitted(PanoHeadGenerator, config, snapshot.generator_state)
    assert isinstance(generator, PanoHeadGenerator)
    return ImportedTeacher(
        EG3DTeacher(generator, passport),
        None,
        {},
        (*warnings, NO_DISCRIMINATOR, *latent_warnings(sr_latent)),
        provenance(snapshot),
    )
