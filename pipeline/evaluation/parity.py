"""Parity of a generator with a reference dump: the largest error of every quantity against a
tolerance.

A dump holds what the official EG3D code computes from the same weights and ray jitter, as arrays by
name. A tolerance is a few times the difference of the official code between two versions of
PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from teachers.eg3d.generator import Generator
from teachers.panohead.generator import PanoHeadGenerator

from .parity_panohead import PanoHeadQuantities
from .parity_quantities import STRIDED, Dump, Quantities, read_meta

OPACITY_THRESHOLD = 1e-3
"""Depths are compared where the opacity of a ray exceeds this: an empty ray has no depth."""


@dataclass(frozen=True)
class Tolerance:
    """Limits on the largest and the mean absolute difference."""

    largest: float
    mean: float | None = None


PICTURES = Tolerance(5e-4, 1e-5)
WEIGHTS = Tolerance(2e-4)

TOLERANCES = {
    "ws_psi1": Tolerance(1e-5),
    "ws": Tolerance(1e-5),
    "ws_psi07_nocutoff": Tolerance(1e-5),
    "planes_stride4": Tolerance(1e-4),
    "planes_ch0_full": Tolerance(1e-4),
    "planes_mean": Tolerance(1e-4),
    "planes_std": Tolerance(1e-4),
    "plane_proj_of_123": Tolerance(1e-6),
    "pts_sigma": Tolerance(2e-4),
    "pts_rgb": Tolerance(5e-4),
    "ray_origins": Tolerance(1e-5),
    "ray_directions": Tolerance(1e-5),
    "depths_coarse": Tolerance(1e-5),
    "sigma_coarse": Tolerance(2e-4),
    "weights_coarse": WEIGHTS,
    "depths_all_sorted": Tolerance(5e-4),
    "weights_final": WEIGHTS,
    "weight_total": WEIGHTS,
    "features": PICTURES,
    "sr_in_rgb": PICTURES,
    "image_raw": PICTURES,
    "image_depth": PICTURES,
    "sr_block0_x": PICTURES,
    "sr_block0_img": PICTURES,
    "image": PICTURES,
    **{f"tiny_{case}features": PICTURES for case in ("", "auto_", "disp_", "miss_")},
    # No mean for these depths: through thin matter it is made of the official code's own rounding.
    **{f"tiny_{case}depth": Tolerance(5e-4) for case in ("", "auto_", "disp_", "miss_")},
    **{f"tiny_{case}wtot": WEIGHTS for case in ("", "auto_", "miss_")},
    "native_rgb_before_sr": PICTURES,
    "native_image_raw_returned": PICTURES,
    "native_image": PICTURES,
}
"""By the dump's name, in the order of the computation."""

FIELDS = Tolerance(2e-5)
"""Features of planes of unit spread."""

PANOHEAD_TOLERANCES = {
    **{name: limits for name, limits in TOLERANCES.items() if not name.startswith("tiny_")},
    "delta_c_psi1": Tolerance(1e-5),
    "delta_c": Tolerance(1e-5),
    "delta_c_psi07_nocutoff": Tolerance(1e-5),
    "c_shifted": Tolerance(1e-5),
    "pts_planefeat": Tolerance(1e-4),
    **{f"tiny_{name}_feat": FIELDS for name in ("d1", "d2", "d3", "box16_d3")},
    "sigma_coarse_uncropped": Tolerance(2e-4),
    "sigma_all_sorted": Tolerance(5e-3),
    "features_fg": PICTURES,
    "bcg_full_stride2": PICTURES,
    "bcg_resized_ch0_3": PICTURES,
    "sr_block0_x_stride4": PICTURES,
    "image_mask": WEIGHTS,
    "native_image_mask": WEIGHTS,
    "forward_ray_origins": Tolerance(1e-5),
    "forward_ws": Tolerance(1e-5),
    "forward_image_raw": PICTURES,
    "forward_image_mask": WEIGHTS,
    "forward_image_stride4": PICTURES,
    **{
        f"{case}_{name}": PICTURES
        for case in ("sigmoid", "lrelu")
        for name in ("features_fg", "features", "image_raw", "image_stride4")
    },
    "otherbcg_image_raw": PICTURES,
    "otherbcg_features": PICTURES,
    "notorgb_image_raw": PICTURES,
    "notorgb_image_stride4": PICTURES,
    "nobcg_image_raw": PICTURES,
    "whiteback_nobcg_image_raw": PICTURES,
}
"""Those of a dump of PanoHead. A logit between two slices moves by what its point is rounded by."""

INPUTS = (
    *("z", "c", "c_cond", "u_coarse", "u_fine", "pts", "native_u_coarse", "native_u_fine"),
    *("tiny_planes", "tiny_u_coarse", "tiny_u_fine", "tiny_miss_c"),
    *("forward_u_coarse", "forward_u_fine", "act_u_coarse", "act_u_fine", "plane_axes"),
    *("tiny_pts", "tiny_d1_planes", "tiny_d2_planes", "tiny_d3_planes"),
)

NOT_COMPARED = (*INPUTS, "meta_json", "image_raw_equals_sr_in_rgb")


@dataclass(frozen=True)
class ParityComparison:
    """Errors and verdict of a quantity. If it wasn't compared, `largest` is None, see `note`."""

    quantity: str
    passed: bool
    largest: float | None = None
    mean: float | None = None
    scale: float | None = None
    tolerance: Tolerance | None = None
    note: str = ""


@dataclass(frozen=True)
class ParityReport:
    """All comparisons, the dump's unknown quantities, and differences between its settings and the
    checkpoint's.
    """

    comparisons: tuple[ParityComparison, ...]
    ignored: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def compared(self) -> tuple[ParityComparison, ...]:
        """The comparisons that were made."""
        return tuple(
            comparison for comparison in self.comparisons if comparison.largest is not None
        )

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing failed; absent quantities and those without
        their inputs don't count.
        """
        return bool(self.compared) and not self._failed

    @property
    def _failed(self) -> list[str]:
        uncounted = (ABSENT, NOT_COMPARABLE)
        return [c.quantity for c in self.comparisons if not c.passed and c.note not in uncounted]

    def table(self) -> str:
        """One line for each quantity."""
        lines = [
            f"{'quantity':28}{'largest error':>15}{'mean error':>13}{'tolerance':>12}"
            f"{'largest value':>15}"
        ]
        lines += [_line(comparison) for comparison in self.comparisons]
        absent = sum(c.note == ABSENT for c in self.comparisons)
        without = sum(c.note == NOT_COMPARABLE for c in self.comparisons)
        lines += [
            f"the reference differs from the checkpoint: {difference}"
            for difference in self.differences
        ]
        if self.ignored:
            lines.append(f"not compared, unknown: {', '.join(self.ignored)}")
        verdict = (
            "PASSED"
            if self.passed
            else f"FAILED: {', '.join(self._failed) or 'nothing could be compared'}"
        )
        return "\n".join(
            [
                *lines,
                (
                    f"{len(self.compared)} quantities compared, {without} not comparable, {absent}"
                    f" not in the reference: {verdict}"
                ),
            ]
        )


ABSENT = "not in the reference"
NOT_COMPARABLE = "not comparable: its inputs (latents, cameras, jitter) are not in the reference"


def _line(comparison: ParityComparison) -> str:
    if comparison.largest is None or comparison.tolerance is None:
        return f"{comparison.quantity:28}{comparison.note}"
    mean = "" if comparison.tolerance.mean is None else f" mean {comparison.tolerance.mean:.0e}"
    verdict = "" if comparison.passed else "  BEYOND THE TOLERANCE"
    note = f"  ({comparison.note})" if comparison.note else ""
    numbers = (
        f"{comparison.largest:15.2e}{comparison.mean:13.1e}"
        f"{comparison.tolerance.largest:12.0e}{comparison.scale:15.4g}"
    )
    return f"{comparison.quantity:28}{numbers}{mean}{verdict}{note}"


def read_dump(path: Path) -> dict[str, np.ndarray]:
    """Reads a reference dump; arrays of Python objects are refused.

    Raises:
        ValueError: the file is missing, damaged, or no .npz.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file: give the .npz of a reference dump")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy lets zip, zlib, header and type errors through as they are
        raise ValueError(f"{path} can't be read as a reference dump (.npz): {error}") from error


def compare(generator: Generator, dump: Dump) -> ParityReport:
    """Computes and compares every quantity whose inputs are in the dump.

    Args:
        generator: the checkpoint's networks.
        dump: reference arrays by name (see `TOLERANCES` and `INPUTS`).

    Raises:
        ValueError: the dump was made in a way that can't be repeated, or its inputs have wrong
            shapes.
    """
    is_panohead = isinstance(generator, PanoHeadGenerator)
    quantities = PanoHeadQuantities if is_panohead else Quantities
    tolerances = PANOHEAD_TOLERANCES if is_panohead else TOLERANCES
    try:
        ours = quantities(generator, dump).compute()
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(
            f"the reference's inputs do not fit this checkpoint ({error}): was it made from another"
            " one?"
        ) from error
    names = [
        *tolerances,
        *sorted(name for name in dump if name not in tolerances and _tolerance(name, tolerances)),
    ]
    comparisons = tuple(_compare(name, ours, dump, tolerances) for name in names)
    ignored = tuple(sorted(set(dump) - set(names) - set(NOT_COMPARED)))
    return ParityReport(comparisons, ignored, tuple(_differences(generator, dump)))


def _tolerance(name: str, tolerances: dict[str, Tolerance]) -> Tolerance | None:
    """That of a quantity, of every k-th pixel of it (`NAME_strideK`) as well."""
    whole = {STRIDED.sub(r"\1", known): limits for known, limits in tolerances.items()}
    return tolerances.get(name) or whole.get(STRIDED.sub(r"\1", name))


def _compare(
    name: str, ours: dict[str, Tensor], dump: Dump, tolerances: dict[str, Tolerance]
) -> ParityComparison:
    if name not in dump:
        return ParityComparison(name, False, note=ABSENT)
    if name not in ours:
        return ParityComparison(name, False, note=NOT_COMPARABLE)
    theirs = torch.from_numpy(np.array(dump[name], np.float32))
    mine = ours[name]
    if name.startswith("sr_block0_x"):
        mine = mine[: len(theirs)]
    if mine.shape != theirs.shape:
        return ParityComparison(
            name, False, note=f"shape {list(mine.shape)}, the reference has {list(theirs.shape)}"
        )
    errors, note = (mine - theirs).abs(), ""
    if name.endswith("depth"):
        visible = _opacity(name, ours, dump) > OPACITY_THRESHOLD
        errors, theirs, note = (
            errors[visible],
            theirs[visible],
            f"{visible.float().mean():.0%} of the rays are not empty",
        )
    if name == "features":
        errors, note = _or_altered_in_place(errors, theirs, ours)
    tolerance = _tolerance(name, tolerances)
    assert tolerance is not None
    return _judge(name, errors, theirs, tolerance, note)


def _judge(
    name: str, errors: Tensor, theirs: Tensor, tolerance: Tolerance, note: str
) -> ParityComparison:
    if not errors.numel():
        return ParityComparison(name, False, note="nothing to compare: every ray is empty")
    largest, mean = errors.max().item(), errors.double().mean().item()
    passed = largest <= tolerance.largest and (
        tolerance.mean is None or mean <= tolerance.mean
    )  # False for NaN
    return ParityComparison(name, passed, largest, mean, theirs.abs().max().item(), tolerance, note)


def _opacity(name: str, ours: dict[str, Tensor], dump: Dump) -> Tensor:
    weight = "weight_total" if name == "image_depth" else f"{name.removesuffix('depth')}wtot"
    return torch.from_numpy(np.array(dump[weight], np.float32)) if weight in dump else ours[weight]


def _or_altered_in_place(
    errors: Tensor, theirs: Tensor, ours: dict[str, Tensor]
) -> tuple[Tensor, str]:
    """The official code may have altered the first three channels in place before they were written
    down (see `image_raw`).
    """
    altered = (ours["image_raw"] - theirs[:, :3]).abs()
    if altered.max() < errors[:, :3].max() and not torch.equal(
        ours["image_raw"], ours["features"][:, :3]
    ):
        return torch.cat([altered, errors[:, 3:]], 1), "first 3 channels as altered in place"
    return errors, ""


def _differences(generator: Generator, dump: Dump) -> list[str]:
    """Settings that the dump names and the checkpoint has otherwise."""
    options, config = read_meta(dump).get("rendering_kwargs", {}), generator.config
    limits = {"ray_start": config.near, "ray_end": config.far}
    values = {
        "box_warp": config.box_size,
        "white_back": config.background == "white",
        "disparity_space_sampling": config.in_disparity,
        "decoder_lr_mul": config.decoder_learning_rate,
        "c_scale": config.label_scale,
        "c_gen_conditioning_zero": config.condition_is_zero,
        "depth_resolution": config.depth_samples,
        "depth_resolution_importance": config.importance_samples,
        **{name: "auto" if value is None else value for name, value in limits.items()},
    }
    return [
        f"{name} is {options[name]!r}, here {value!r}"
        for name, value in values.items()
        if name in options and options[name] != value
    ]
