"""Any folder of photographs, without a reference: reconstruction of the input view, and cycle
consistency.
"""

import dataclasses
import functools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.captures.camera_fit import fit_camera
from pipeline.evaluation.captures.registration import (
    by_landmarks,
    by_pictures,
    laid_on,
    landmarks_in,
)
from pipeline.evaluation.captures.similarity import Similarity
from pipeline.evaluation.items import Item, ItemViews, Observation, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.resizing import resized
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.portraits.face import LandmarkDetector
from pipeline.portraits.front_door import Portrait, PortraitSettings
from teachers.rendering.camera import Camera

from .coverage import coverage_table
from .cycle import cycle_of
from .invariance import Invariance, invariance_table
from .lazy_items import LazyItems
from .lp3d_protocol import protocol_table
from .photographs import Photograph, Photographs
from .suite import Suite

OWN_METRICS = {
    "cycle": Metric(
        "cycle PSNR",
        "dB",
        True,
        "lifted, rendered from the side, lifted again, rendered at the input's camera: against"
        " the first lift's rendering",
        2,
    ),
    "cycle_photo": Metric("cycle PSNR, photo", "dB", True, "cycle PSNR against the photograph", 2),
    "aligned_turn": Metric(
        "aligned by", "°", False, "angle by which a prediction was rotated before it was scored", 2
    ),
    "aligned_shift": Metric(
        "aligned by", "% of the side", False, "distance by which its centre was shifted", 2
    ),
    "by_landmarks": Metric(
        "by landmarks", "", True, "1 where landmarks gave the alignment, 0 where the images did"
    ),
    "camera_fit": Metric(
        "camera fit",
        "",
        False,
        "RMS difference of small images at the estimated camera; none where the camera is known",
        4,
    ),
}


@dataclass(frozen=True, kw_only=True)
class WildSuite(Suite):
    """Photographs, framed as `trilift lift` frames them. A file that can't be read or shows no face
    still counts as an item.

    The only target is the input's camera: from landmarks, or, without any, the camera at which the
    lifted subject is most similar to the input. Predictions are aligned with the input by a rigid
    motion in the image plane before they are scored (LP3D, supplement A3), and are black outside.
    The paper doesn't align methods whose scores the alignment lowers.

    Args:
        context: its teacher's background and resolution are used.
        path: an image, a folder, a zip or webdataset shards.
        portraits: how photographs are read and framed.
        alignment: "landmarks" (Procrustes on the landmarks that the detector of `portraits` finds
            in both images; without any, as "pictures"), "pictures" (the rigid motion with the least
            difference), or "none".
        rounds: of the search for an unknown camera.
        side_yaw_deg: yaw between the input and the second input of the cycle, towards the front.
        cycle_methods: names of the methods whose cycle is measured.
        licence: of the photographs.
        invariance: settings of the invariance table, which takes one photograph of each subject.
        manifest_file: what `trilift manifest` wrote about the photographs: its crops and cameras
            are taken, and nothing is detected in the input.
        track: whether the faces of a film are followed and their squares smoothed over time, as
            `trilift lift` does; otherwise each frame is framed like a photograph.
        protocol: "lp3d": a table says how far the evaluation is from the paper's; None: no table.
        cache: folder in which packed suites are unpacked.
    """

    name = "wild"

    context: SuiteContext
    path: str
    portraits: PortraitSettings
    alignment: str = "pictures"
    rounds: int = 6
    side_yaw_deg: int | float = 25.0
    cycle_methods: list[str] | tuple[str, ...] = ("student", "untrained")
    licence: str = "not stated"
    invariance: Invariance = field(default_factory=Invariance)
    manifest_file: str | None = None
    track: bool = False
    protocol: str | None = None
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.alignment not in ("landmarks", "pictures", "none"):
            raise ValueError(f"alignment is {self.alignment!r}: use landmarks, pictures or none")
        if self.protocol not in (None, "lp3d"):
            raise ValueError(f"protocol is {self.protocol!r}: use lp3d, or null for none")
        if self.alignment == "landmarks" and self._detector is None:
            raise ValueError(
                "alignment=landmarks needs a landmark detector: give"
                " portraits@suite.portraits=facemesh, or suite.alignment=pictures"
            )

    def settings(self) -> dict[str, Any]:
        """What decides the scores, except the files, which the manifest lists."""
        names = ("alignment", "rounds", "side_yaw_deg", "cycle_methods", "licence")
        chosen = {name: getattr(self, name) for name in names}
        chosen |= {} if self.protocol is None else {"protocol": self.protocol}
        return {
            **chosen,
            "cycle_methods": list(self.cycle_methods),
            "portraits": self._photographs.settings(),
            "invariance": self.invariance.as_dict(),
        }

    def manifest(self) -> dict[str, Any]:
        """Files, hashes, crops and cameras. It reads the photographs, to count the faces."""
        return {
            "licence": self.licence,
            "split": "all",
            "crop": self._photographs.settings(),
            "cameras": "by landmarks, or none",
            "items": self._photographs.records(),
        }

    def items(self) -> Sequence[Item]:
        """One face each."""
        return LazyItems(len(self._photographs), self._item)

    def targets(self, item: Item, portrait: LiftedPortrait) -> Camera:
        """The known camera, or the one that fits the lift best."""
        if item.camera is not None or item.image is None:
            self._last.update(fit=math.nan, camera=item.targets)
        else:
            fit = fit_camera(portrait, item.image, rounds=self.rounds)
            self._last.update(fit=fit.error, camera=fit.camera)
        camera: Camera = self._last["camera"]
        return camera

    def adjusted(self, item: Item, prediction: Observation) -> Observation:
        """The prediction aligned with the photograph; depth and opacity move with the image."""
        if self.alignment == "none" or item.reference is None:
            self._last["motion"] = ("none", Similarity.identity(2))
            return prediction
        kind, motion = self._motion(item, prediction.image[0].clamp(-1, 1))
        self._last["motion"] = (kind, motion)
        image, covered = laid_on(prediction.image[0], motion)
        depth, opacity = (
            laid_on(values[0].expand(3, -1, -1) - 1, motion)[0][:1] + 1
            for values in (prediction.depth, prediction.opacity)
        )
        return Observation(
            image[None],
            torch.where(covered, depth, 0)[None],
            torch.where(covered, opacity, 0)[None],
        )

    def own_metrics(self) -> Mapping[str, Metric]:
        """Cycle consistency, the alignment, and the fit of an unknown camera."""
        return OWN_METRICS

    def own_scores(
        self, item: Item, method: MethodEntry, portrait: LiftedPortrait, prediction: Observation
    ) -> Mapping[str, Sequence[float]]:
        """One number each: there is one view."""
        kind, motion = self._last["motion"]
        middle = torch.full((2,), 0.5, dtype=torch.float64)
        found = {"camera_fit": self._last["fit"]}
        if kind != "none":
            shift = 100 * (motion(middle) - middle).norm().item()
            found |= {
                "aligned_turn": motion.angle_deg,
                "aligned_shift": shift,
                "by_landmarks": float(kind == "landmarks"),
            }
        if item.reference is not None and method.name in self.cycle_methods:
            cycle = cycle_of(
                method,
                portrait,
                self._last["camera"],
                item.reference.image,
                side_yaw_deg=self.side_yaw_deg,
            )
            found |= {"cycle": cycle.own, "cycle_photo": cycle.photograph}
        return {name: [found.get(name, math.nan)] for name in OWN_METRICS}

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Camera coverage and invariance."""
        found: dict[str, Any] = {}
        if self.context.sampler is not None:
            labels = [
                photograph.portrait.camera.label().float()
                for photograph in self._photographs
                if photograph.portrait.camera is not None
            ]
            cameras = Camera.from_label(torch.cat([torch.zeros(0, 25), *labels]))
            prior = self.context.sampler.cameras.reference
            found["coverage"] = coverage_table(
                cameras, prior, without=len(self._photographs) - len(labels)
            )
        faces = self._first_of_each_subject()[: self.invariance.items]
        if faces:
            pictures = [image for face in faces if (image := face.image) is not None]
            found["invariance"] = invariance_table(methods, pictures, self.invariance)
        return found

    def results_table(self, results: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """The distance from a paper's protocol."""
        if self.protocol is None:
            return None
        frozen = self._photographs.frozen
        portraits = [photograph.portrait for photograph in self._photographs]
        drawn = None if frozen is None else frozen.content.get("drawn")
        detector = getattr(self._detector, "name", "no detector")
        facts = {
            "items": len(portraits),
            "cropped": sum(portrait.crop is not None for portrait in portraits),
            "faces": sum(portrait.face_found for portrait in portraits),
            "cameras": sum(portrait.camera is not None for portrait in portraits),
            "drawn": f"drawn of {drawn['of']}" if drawn else "all of a folder",
            "detector": detector if frozen is None else frozen.content["detector"]["name"],
            "alignment": self.alignment,
            "side": self.context.passport.image_resolution,
        }
        return "protocol", protocol_table(facts, results["metrics"])

    def _item(self, index: int) -> Item:
        photograph = self._photographs[index]
        name, portrait, image = photograph.name, photograph.portrait, photograph.image
        camera = (
            None
            if portrait.camera is None
            else Camera(portrait.camera.cam_to_world.float(), portrait.camera.intrinsics.float())
        )
        return Item(
            name=name,
            image=image,
            targets=camera or orbit_of(self.context.passport, [0.0], [0.0]),
            subject=_subject(photograph),
            camera=camera,
            reference=(
                None
                if image is None
                else ItemViews(resized(image[None], self.context.passport.image_resolution))
            ),
            face_found=portrait.face_found,
            note=portrait.note,
            sequence=self._sequences[index],
        )

    def _first_of_each_subject(self) -> list[Photograph]:
        """One photograph of each subject: the first with a face, or else the first that can be
        read. Neighbouring frames of a film would be taken for people who are much alike.
        """
        found: dict[str, Photograph] = {}
        for photograph in self._photographs:
            if photograph.pixels is None:
                continue
            first = found.setdefault(_subject(photograph), photograph)
            if photograph.portrait.face_found and not first.portrait.face_found:
                found[_subject(photograph)] = photograph
        return list(found.values())

    def _motion(self, item: Item, image: Float[Tensor, "3 side side"]) -> tuple[str, Similarity]:
        assert item.reference is not None
        if self.alignment == "landmarks" and self._detector is not None:
            points = [
                landmarks_in(picture, self._detector)
                for picture in (image, item.reference.image[0])
            ]
            if points[0] is not None and points[1] is not None:
                return "landmarks", by_landmarks(points[0], points[1])
        return "pictures", by_pictures(image, item.reference.image[0])

    @functools.cached_property
    def _sequences(self) -> list[str | None]:
        """By photograph the video whose neighbouring items are neighbouring frames of one face;
        None: not of a film, or no face was found in the frame. A face that was away goes on in
        another video, named after the frame in which it returns.
        """
        found: list[str | None] = []
        frames: dict[Path, dict[int, int]] = defaultdict(dict)  # film → frame → its place
        latest: dict[str, tuple[int, str]] = {}
        for portrait in (photograph.portrait for photograph in self._photographs):
            face = _filmed(portrait)
            if face is None or portrait.frame is None:
                found.append(None)
                continue
            places = frames[portrait.source]
            place = places.setdefault(portrait.frame, len(places))
            if not portrait.face_found:
                found.append(None)
                continue
            before, sequence = latest.get(face, (place - 1, face))
            if place > before + 1:
                sequence = f"{face}+frame{portrait.frame:05d}"
            latest[face] = place, sequence
            found.append(sequence)
        return found

    @property
    def _detector(self) -> LandmarkDetector | None:
        return self._photographs.detector

    @functools.cached_property
    def _photographs(self) -> Photographs:
        passport = self.context.passport
        return Photographs(
            self.path,
            dataclasses.replace(self.portraits, track=self.track),
            manifest_file=self.manifest_file,
            side=max(passport.image_resolution, self.context.image_size),
            background=background_of(passport),
            cache=self.cache,
        )

    @functools.cached_property
    def _last(self) -> dict[str, Any]:
        """What the hooks found about the latest lift."""
        return {}


def _subject(photograph: Photograph) -> str:
    """Whom a photograph shows, as far as its name says: all frames of one film's face are one."""
    return _filmed(photograph.portrait) or photograph.name


def _filmed(portrait: Portrait) -> str | None:
    """The film and, after the first, the number of the face in it, as portraits are named
    (`clip.mp4`, `clip.mp4+face2`); None: not a frame of a film.
    """
    if portrait.frame is None:
        return None
    _, _, face = portrait.name.partition(f"+frame{portrait.frame:05d}")
    return f"{portrait.source.name}{face}"
