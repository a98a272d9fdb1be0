"""Calibrated captures: one view of a subject is lifted, the others are scored. The head's pose in
the capture's world is estimated and reported.
"""

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.captures.camera_fit import fit_camera
from pipeline.evaluation.captures.camera_frame import (
    convergence,
    frame_of_cameras,
    frame_of_given,
    scale_of_depths,
)
from pipeline.evaluation.captures.capture_source import (
    SOURCE,
    CaptureSource,
    export_captures,
    require_same_source,
)
from pipeline.evaluation.captures.captures import Capture, find_captures
from pipeline.evaluation.captures.similarity import Similarity, rotation_angle_deg
from pipeline.evaluation.items import NAME, Item, ItemViews, Observation, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.resizing import nearest_to_side, resized
from pipeline.evaluation.suite_files import as_folder, read_manifest
from pipeline.evaluation.tables import CellValue, table
from pipeline.inference.background import background_of
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera

from .coverage import coverage_table
from .invariance import Invariance, invariance_table
from .lazy_items import LazyItems
from .suite import Suite

log = logging.getLogger(__name__)

SAYS = "the capture's own frame (without one: a guess from its cameras)"

OWN_METRICS = {
    "frame_fit": Metric(
        "frame fit",
        "",
        False,
        "RMS difference of small images: the input, and the lift at the input's estimated camera",
        4,
    ),
    "frame_turn": Metric(
        "frame turn", "°", False, f"angle between the estimated frame and {SAYS}", 2
    ),
    "frame_scale": Metric(
        "frame scale",
        "",
        False,
        f"|log| of the factor between the estimated units and those of {SAYS}",
        4,
    ),
    "frame_shift": Metric(
        "frame shift",
        "units",
        False,
        f"distance between the origins of the estimated frame and of {SAYS}",
        4,
    ),
}


@dataclass(frozen=True, kw_only=True)
class MultiviewSuite(Suite):
    """Captures in the folder format of `captures.py`; the first frame is the input.

    Args:
        context: the planes have the frame of its teacher.
        path: a folder of captures, a zip of one, or webdataset shards.
        frame: how a capture's world is aligned with the planes': "estimated" from the input alone
            (`fit_camera`; the scale from its depth, or, without one, from the point where the
            optical axes meet), "cameras" from all cameras alone, "known" as the captures give it.
        rounds: of the search for the input's camera.
        source: exported to `path` if that doesn't exist; a folder that was exported with other
            settings is refused. None exports nothing and takes the folder as it is.
        invariance: settings of the invariance table.
        cache: folder in which packed suites are unpacked.
    """

    name = "multiview"

    context: SuiteContext
    path: str
    frame: str = "estimated"
    rounds: int = 8
    source: CaptureSource | None = None
    invariance: Invariance = field(default_factory=Invariance)
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.frame not in ("estimated", "cameras", "known"):
            raise ValueError(f"frame is {self.frame!r}: use estimated, cameras or known")

    def settings(self) -> dict[str, Any]:
        """What decides the scores, except the files, which the manifest lists."""
        return {"frame": self.frame, "rounds": self.rounds, "invariance": self.invariance.as_dict()}

    def manifest(self) -> dict[str, Any]:
        """The captures and the hashes of their files."""
        about = {
            "licence": None,
            "split": None,
            "crop": "as in the files",
            "cameras": "as in the files",
            **self._files,
        }
        files = about.pop("files")
        items = [
            {
                "name": name,
                "views": len(capture.frames),
                "group": capture.group,
                "files": {
                    file: digest
                    for file, digest in files.items()
                    if file.startswith(f"{capture.name}/")
                },
            }
            for name, capture in zip(self._names, self._captures, strict=True)
        ]
        # Hashes of the files say what the captures are, also those of folders without a source.
        hidden = ("schema", SOURCE)
        return {key: value for key, value in about.items() if key not in hidden} | {"items": items}

    def items(self) -> Sequence[Item]:
        """One capture each, in the teacher's frame if the capture gives it, else in a guess."""
        return LazyItems(len(self._captures), self._item)

    def targets(self, item: Item, portrait: LiftedPortrait) -> Camera:
        """The capture's cameras in the frame of one lift's planes."""
        return self._frame(item, portrait)[0].camera(item.targets)

    def adjusted(self, item: Item, prediction: Observation) -> Observation:
        """Depths in the units of the item, after `targets` of the same lift."""
        if self.frame == "known":
            return prediction
        return Observation(
            prediction.image, prediction.depth / self._last["scale"], prediction.opacity
        )

    def own_metrics(self) -> Mapping[str, Metric]:
        """The quality of the estimated frame."""
        return OWN_METRICS

    def own_scores(
        self, item: Item, method: MethodEntry, portrait: LiftedPortrait, prediction: Observation
    ) -> Mapping[str, Sequence[float]]:
        """Of the item as a whole: equal for all views."""
        motion, error = self._frame(item, portrait)
        found = {"frame_fit": error}
        if self.frame != "known":
            shift = motion.translation.norm().item()
            found |= {
                "frame_turn": motion.angle_deg,
                "frame_scale": abs(math.log(motion.scale)),
                "frame_shift": shift,
            }
        return {name: [found.get(name, math.nan)] * len(item.targets) for name in OWN_METRICS}

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Alignment, camera coverage and invariance."""
        found: dict[str, Any] = {"alignment": self._alignment_table()}
        items = self.items()
        if self.context.sampler is not None:
            labels = [
                capture.head.camera(capture.camera[:1]).label()
                for capture in self._captures
                if capture.head is not None
            ]
            cameras = Camera.from_label(torch.cat([torch.zeros(0, 25), *labels]))
            prior = self.context.sampler.cameras.reference
            found["coverage"] = coverage_table(cameras, prior, without=len(items) - len(labels))
        if self.invariance.items:
            pictures = [
                item.image for item in items[: self.invariance.items] if item.image is not None
            ]
            found["invariance"] = invariance_table(methods, pictures, self.invariance)
        return found

    def _item(self, index: int) -> Item:
        capture, passport = self._captures[index], self.context.passport
        if self.frame == "known" and capture.head is None:
            raise ValueError(
                f"{capture.folder} doesn't give the head's pose: use suite.frame=estimated"
            )
        loaded, frame = capture.load(), capture.head or frame_of_cameras(capture.camera, passport)
        side = passport.image_resolution
        image, depth, opacity = loaded.image, loaded.depth, loaded.opacity
        if opacity is not None:
            image = on_background(
                image, opacity, old=capture.background, new=background_of(passport)
            )
        depth = None if depth is None else nearest_to_side(depth, side) * frame.scale
        opacity = None if opacity is None else nearest_to_side(opacity, side)
        cameras = frame.camera(capture.camera)
        return Item(
            name=self._names[index],
            image=image[0],
            targets=cameras,
            group=capture.group,
            camera=None if capture.head is None else cameras[:1],
            first_is_given=True,
            reference=ItemViews(resized(image, side), depth, opacity),
        )

    def _frame(self, item: Item, portrait: LiftedPortrait) -> tuple[Similarity, float]:
        """The transform from an item's frame to the planes', and the error of the fit; computed
        once for each lift.
        """
        if self.frame == "known" or item.image is None:
            return Similarity.identity(), math.nan
        if self.frame == "cameras":
            motion, error = frame_of_cameras(item.targets, self.context.passport), math.nan
        elif self._last.get("item") == item.name and self._last["portrait"] is portrait:
            motion, error = self._last["frame"]
        else:
            motion, error = self._estimate(item, portrait)
            self._last.update(item=item.name, portrait=portrait, frame=(motion, error))
        self._last["scale"] = motion.scale
        return motion, error

    def _estimate(self, item: Item, portrait: LiftedPortrait) -> tuple[Similarity, float]:
        assert item.image is not None
        given = item.targets[:1]
        fit = fit_camera(portrait, item.image, intrinsics=given.intrinsics, rounds=self.rounds)
        distance = (given.cam_to_world[0, :3, 3].double() - convergence(item.targets)).norm()
        scale, reference = (
            float(fit.camera.cam_to_world[0, :3, 3].norm() / distance),
            item.reference,
        )
        if reference is not None and reference.depth is not None and reference.opacity is not None:
            rendering = portrait.render(fit.camera)
            depth, opacity = (
                nearest_to_side(value.float().cpu(), reference.depth.shape[-1])[0]
                for value in (rendering.depth, rendering.opacity)
            )
            scale = scale_of_depths(
                depth,
                reference.depth[0],
                (opacity > 0.9) & (reference.opacity[0] > 0.9),
                fallback=scale,
            )
        return frame_of_given(given, fit.camera, scale), fit.error

    def _alignment_table(self) -> dict[str, Any]:
        """The captures' own frames, independent of any method."""
        rows: list[list[CellValue]] = []
        for name, capture in zip(self._names, self._captures, strict=True):
            guess = frame_of_cameras(capture.camera, self.context.passport)
            off = (math.nan, math.nan) if capture.head is None else _distance(guess, capture.head)
            has_depth = all(frame.depth for frame in capture.frames)
            says = "no" if capture.head is None else "yes"
            rows.append(
                [
                    name,
                    len(capture.frames),
                    says,
                    "depth" if has_depth else "axes",
                    guess.scale,
                    *off,
                ]
            )
        columns = [
            "item",
            "views",
            "says its frame",
            "scale from",
            "guess: planes' units a unit",
            "guess off, °",
            "guess off, |log scale|",
        ]
        notes = [
            (
                "the guess: optical axes meet in the origin, the input's camera is frontal at the"
                " teacher's distance"
            ),
            (
                f"suite.frame={self.frame}; frame_fit, frame_turn, frame_scale and frame_shift of"
                " each subject and method are among the scores"
            ),
        ]
        return table("frames of the captures", columns, rows, notes)

    @functools.cached_property
    def _folder(self) -> Path:
        path = Path(self.path)
        if not path.exists() and self.source is not None:
            log.info("%s doesn't exist: exporting captures to it", path)
            export_captures(self.source, path, self.context)
        return as_folder(path, None if self.cache is None else Path(self.cache))

    @functools.cached_property
    def _files(self) -> dict[str, Any]:
        manifest = read_manifest(self._folder)
        if self.source is not None:
            require_same_source(Path(self.path), manifest, self.source, self.context)
        return manifest

    @functools.cached_property
    def _captures(self) -> list[Capture]:
        return find_captures(self._folder)

    @functools.cached_property
    def _names(self) -> list[str]:
        """Of the captures' items; where only replaced characters tell folders apart, the later ones
        are numbered, past the names of others.
        """
        wanted = [_plain(capture.name) for capture in self._captures]
        names: list[str] = []
        for plain in wanted:
            name, number = plain, 2
            while name in names or (name != plain and name in wanted):
                name, number = f"{plain}.{number}", number + 1
            names.append(name)
        return names

    @functools.cached_property
    def _last(self) -> dict[str, Any]:
        """The frame of the latest lift, which three hooks use in turn."""
        return {}


def _distance(one: Similarity, other: Similarity) -> tuple[float, float]:
    """Angle in degrees and |log| of the factor between two frames."""
    return rotation_angle_deg(one.rotation @ other.rotation.mT), abs(
        math.log(one.scale / other.scale)
    )


def on_background(
    image: Float[Tensor, "view 3 height width"],
    opacity: Float[Tensor, "view 1 height width"],
    *,
    old: float | None,
    new: float,
) -> Float[Tensor, "view 3 height width"]:
    """Images composited on the grey level `new` in [0, 1], instead of the grey level `old`, or of
    an unknown background (None).
    """
    if old is not None:
        return image + (1 - opacity) * (new - old) * 2
    return opacity * image + (1 - opacity) * (new * 2 - 1)


def _plain(name: str) -> str:
    """A folder's name as an item's."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in ".-") else "-"
        for letter in name
    )
    return plain if NAME.fullmatch(plain) else f"p{plain}"
