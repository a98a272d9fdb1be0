"""Conversion of an official snapshot to a teacher: weights and configuration.

Our networks have the published parameter names but for two prefixes. Fixed filters and training
statistics are dropped; filters that differ from the built-in ones raise ValueError.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .configuration import EG3DConfiguration
from .discriminator import Discriminator
from .generator import Generator
from .snapshot import Snapshot
from .snapshot_settings import clamp_of, configuration_of
from .teacher import EG3DTeacher, passport_of
from .training_sets import training_data_of

LICENCE = (
    "Converted from an EG3D snapshot: to NVIDIA's weights and what derives from them, NVIDIA's"
    " non-commercial source licence applies."
)

PREFIXES = {
    "decoder.": "renderer.decoder.",
    "superresolution.": "renderer.super_resolution.",
    # PanoHead's
    "torgb.": "renderer.to_rgb.",
    "bcg_synthesis.": "renderer.background_network.",
    "t_mapping.": "camera_shift.",
}
"""Published beginnings of names, and ours."""

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@dataclass(frozen=True)
class ImportedTeacher:
    """A snapshot's networks, ready to be used or saved.

    Attributes:
        teacher: G_ema.
        discriminator: D, if the snapshot has one of the published form.
        discriminator_arguments: what `Discriminator` was constructed with.
        warnings: unusual properties of the snapshot, a sentence each.
        provenance: settings and hashes as the snapshot had them.
    """

    teacher: EG3DTeacher
    discriminator: Discriminator | None
    discriminator_arguments: dict[str, Any]
    warnings: tuple[str, ...]
    provenance: dict[str, Any]


def import_snapshot(
    snapshot: Snapshot, *, name: str, sr_latent: str = "w_mean", focal: float | None = None
) -> ImportedTeacher:
    """Builds the networks of a snapshot and gives them its weights (see
    `teachers.conversion.import_pickle`).
    """
    config, warnings = configuration_of(snapshot, sr_latent=sr_latent, focal=focal)
    teacher = EG3DTeacher(
        fitted(Generator, config, snapshot.generator_state),
        passport_of(
            config,
            name=name,
            source_hash=snapshot.file_sha256,
            licence=LICENCE,
            training_data=training_data_of(snapshot.training_set_kwargs),
        ),
    )
    discriminator, arguments, more = _discriminator(snapshot)
    return ImportedTeacher(
        teacher,
        discriminator,
        arguments,
        (*warnings, *more, *latent_warnings(sr_latent)),
        provenance(snapshot),
    )


def provenance(snapshot: Snapshot) -> dict[str, Any]:
    """What the snapshot said about itself, for the record."""
    plain = dataclasses.asdict(
        dataclasses.replace(snapshot, generator_state={}, discriminator_state=None)
    )
    for name in ("generator_state", "discriminator_state"):
        del plain[name]
    return {
        **plain,
        "plane_axes": None if snapshot.plane_axes is None else snapshot.plane_axes.tolist(),
    }


def fitted(
    build: Callable[[Any], Generator], config: EG3DConfiguration, state: dict[str, np.ndarray]
) -> Generator:
    """The generator of a configuration with a snapshot's weights.

    Raises:
        ValueError: lists all that is missing, unknown, or of another shape or type.
    """
    with torch.device("meta"):
        generator = build(config)
    wanted = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    means = [name for name in wanted if name.endswith(".w_mean")]
    tensors = _fitting(
        {name: shape for name, shape in wanted.items() if name not in means}, state, "G_ema"
    )
    for mean in means:
        tensors[mean] = tensors["backbone.mapping.w_avg"].clone()
    generator.load_state_dict(tensors, assign=True)
    return generator


def _discriminator(snapshot: Snapshot) -> tuple[Discriminator | None, dict[str, Any], list[str]]:
    state = snapshot.discriminator_state
    if state is None:
        return (
            None,
            {},
            [
                "the snapshot has no discriminator: a student of this teacher can't be trained with"
                " an adversary"
            ],
        )
    try:
        arguments = _discriminator_arguments(state, snapshot.discriminator_init_kwargs)
        with torch.device("meta"):
            discriminator = Discriminator(**arguments)
        wanted = {name: tuple(value.shape) for name, value in discriminator.state_dict().items()}
        discriminator.load_state_dict(_fitting(wanted, state, "D"), assign=True)
    except ValueError as error:
        return None, {}, [f"the discriminator is left out: {error}"]
    return discriminator.eval().requires_grad_(False), arguments, []


def _discriminator_arguments(
    state: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, Any]:
    first_blocks = [
        found for name in state if (found := re.fullmatch(r"b(\d{1,4})\.fromrgb\.weight", name))
    ]
    if len(first_blocks) != 1:
        raise ValueError("it has no single first block: another architecture")
    resolution, image_channels = int(first_blocks[0][1]), state[first_blocks[0][0]].shape[1]
    return {
        "resolution": resolution,
        "image_channels": image_channels,
        "label_dim": (
            state["mapping.embed.weight"].shape[-1] if "mapping.embed.weight" in state else 0
        ),
        "channel_base": int(settings.get("channel_base", 32768)),
        "channel_max": int(settings.get("channel_max", 512)),
        "num_mapping_layers": sum(
            bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in state
        ),
        "conv_clamp": clamp_of(settings),
        "group": int(settings.get("epilogue_kwargs", {}).get("mbstd_group_size", 4)),
    }


def _fitting(
    wanted: dict[str, tuple[int, ...]], state: dict[str, np.ndarray], network: str
) -> dict[str, Tensor]:
    """The weights by our names, copied.

    Raises:
        ValueError: lists all that is missing, unknown, or of another shape or type.
    """
    given = {
        _renamed(name): array for name, array in state.items() if not _is_left_out(name, array)
    }
    common = {name: given[name] for name in wanted if name in given}
    problems = {
        "missing": [name for name in wanted if name not in given],
        "unknown": [name for name in given if name not in wanted],
        "of another shape": [
            f"{name} {list(a.shape)} instead of {list(wanted[name])}"
            for name, a in common.items()
            if a.shape != wanted[name]
        ],
        "not of floats": [name for name, array in common.items() if array.dtype.kind != "f"],
        "not finite": [
            name
            for name, array in common.items()
            if array.dtype.kind == "f" and not np.isfinite(array).all()
        ],
    }
    found = [
        f"{len(names)} {what}: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}"
        for what, names in problems.items()
        if names
    ]
    if found:
        raise ValueError(
            f"the weights of {network} do not fit the EG3D network that its settings describe:"
            f" {'; '.join(found)}. A fork that is not supported?"
        )
    return {name: torch.from_numpy(np.array(given[name], np.float32, order="C")) for name in wanted}


def _renamed(name: str) -> str:
    for official, ours in PREFIXES.items():
        if name.startswith(official):
            return ours + name.removeprefix(official)
    return name


def _is_left_out(name: str, array: np.ndarray) -> bool:
    if name.endswith("resample_filter"):
        if array.shape != FILTER.shape or np.abs(array - FILTER).max() > 1e-6:
            raise ValueError(
                f"{name} is not the [1 3 3 1] filter of the published networks: a fork that is not"
                " supported"
            )
        return True
    return name == "dataset_label_std"


def latent_warnings(sr_latent: str) -> list[str]:
    """What a super-resolution with another latent than the original's means, a sentence each."""
    if sr_latent == "w_mean":
        return [
            "the super-resolution is given the mean latent (sr_latent=w_mean), since a student has"
            " no w of its own: images differ a little from the original's, which has"
            " sr_latent=teacher_w"
        ]
    if sr_latent == "constant_one":
        return [
            "this super-resolution was not trained for sr_latent=constant_one: expect wrong colours"
            " until it is fine-tuned"
        ]
    return []


KINDS = {"eg3d": "An EG3D", "panohead": "A PanoHead"}
"""How a card names a kind of teacher."""


def card(imported: ImportedTeacher, file_name: str) -> str:
    """The text of card.md."""
    config, passport = imported.teacher.configuration, imported.teacher.passport
    parameters = sum(p.numel() for p in imported.teacher.generator.parameters())
    limits = "from the box" if config.near is None else f"{config.near} to {config.far}"
    axes = ", ".join(config.plane_axes)
    depth = passport.plane_depth
    stacks = "planes" if depth == 1 else f"stacks of {depth} planes"
    lines = [
        f"# {passport.name}",
        "",
        f"{KINDS[passport.kind]} generator, converted from `{file_name}`.",
        "",
        f"**Licence.** {passport.licence} The conversion changes nothing about that.",
        "",
        (
            f"- {parameters:,} parameters; {stacks} {config.plane_channels} ×"
            f" {config.plane_resolution}², axes {axes}, box {config.box_size}"
        ),
        (
            f"- rays {limits}, {config.depth_samples} + {config.importance_samples} samples,"
            f" {config.background} background"
        ),
        f"- volume rendering {config.render_resolution}², image {config.image_resolution}²",
        f"- super-resolution {config.super_resolution}, its latent: {config.sr_latent}",
        f"- discriminator: {'included' if imported.discriminator else 'none'}",
        f"- sha256 of the snapshot: `{passport.source_hash}`",
        "",
        (
            "`provenance.json` has the snapshot's own settings and the hashes of the sources that"
            " it carried."
        ),
    ]
    warnings = [f"- {warning}." for warning in imported.warnings]
    return "\n".join(
        [*lines, *(["", "## Warnings of the conversion", "", *warnings] if warnings else []), ""]
    )


def records(imported: ImportedTeacher, file_name: str) -> dict[str, str]:
    """The text files of the teacher folder beyond those that every teacher has."""
    texts = {
        "card.md": card(imported, file_name),
        "provenance.json": json.dumps(imported.provenance, indent=2),
    }
    if imported.discriminator is not None:
        texts["discriminator.json"] = json.dumps(imported.discriminator_arguments, indent=2)
    return texts
