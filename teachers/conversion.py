"""Snapshots of EG3D and its forks → teachers.

Neither the class path nor the pickled axes say which one a file is (PanoHead and SphereHead share
EG3D's path and argument names): settings and names of weights do.
"""

from pathlib import Path

from .eg3d.snapshot import Snapshot, read_snapshot
from .eg3d.weights import ImportedTeacher, import_snapshot
from .panohead.weights import import_panohead

PANOHEAD_WEIGHTS = ("bcg_synthesis.", "t_mapping.", "torgb.")

REFUSED = {
    "SphereHead": (
        ("ConvA.", "ConvB."),
        "its two rotated spherical tri-planes are not supported",
    ),
    "Next3D": (
        ("texture_backbone.", "mouth_backbone.", "toRGB.", "neural_blending."),
        "it needs the FLAME head model, which is not free, to draw its texture planes",
    ),
    "GenHead (Portrait4D)": (
        ("flame.", "deformation_net.", "dynamic_texture_modules"),
        "it needs the FLAME head model, which is not free",
    ),
}
"""Forks that aren't read: beginnings of names of their weights, and why."""

FLAME_LABEL = 400
"""Labels with more numbers hold the coefficients of a face model; EG3D's have 25."""


def import_pickle(
    path: Path, *, sr_latent: str = "w_mean", focal: float | None = None
) -> ImportedTeacher:
    """Reads an official pickle of EG3D or PanoHead (without unpickling it) as a teacher.

    Args:
        path: the .pkl.
        sr_latent: which latent the super-resolution is given: "w_mean", "teacher_w" or
            "constant_one".
        focal: see `configuration_of`.

    Raises:
        ValueError: the file isn't such a snapshot, or of a form that isn't supported; the message
            says which.
    """
    snapshot = read_snapshot(path)
    try:
        _refuse_known(snapshot)
        read = import_panohead if is_panohead(snapshot) else import_snapshot
        return read(snapshot, name=path.stem, sr_latent=sr_latent, focal=focal)
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{path}: a setting of an unexpected kind ({error}): damaged, or a fork that is not"
            " supported"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def is_panohead(snapshot: Snapshot) -> bool:
    """Whether it has what only PanoHead has: stacks of planes, or one of its three networks."""
    return int(snapshot.rendering_kwargs.get("triplane_depth", 1)) > 1 or any(
        name.startswith(PANOHEAD_WEIGHTS) for name in snapshot.generator_state
    )


def _refuse_known(snapshot: Snapshot) -> None:
    names = list(snapshot.generator_state)
    for fork, (beginnings, why) in REFUSED.items():
        # Sub-networks may sit in the backbone.
        if any(part in name for name in names for part in beginnings):
            raise ValueError(f"a snapshot of {fork}: {why}. EG3D and PanoHead are read")
    embed = snapshot.generator_state.get("backbone.mapping.embed.weight")
    if embed is not None and embed.ndim == 2 and embed.shape[1] > FLAME_LABEL:
        raise ValueError(
            f"its camera labels have {embed.shape[1]} numbers (EG3D's have 25): a snapshot of"
            " GenHead (Portrait4D) or another generator driven by a face model, which is not"
            " supported"
        )
