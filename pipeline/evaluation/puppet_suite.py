"""Test puppets seen from a fixed set of cameras, with exact pictures, depth and silhouettes."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm

import pipeline.worlds.puppets.world as world_module
from pipeline.inference.background import background_of
from pipeline.inference.tensor_file import write_tensors
from pipeline.sampling.random_streams import stream
from pipeline.worlds.puppets.splits import PuppetSeeds, Split
from pipeline.worlds.puppets.world import PuppetWorld
from teachers.passport import Passport
from teachers.rendering.camera import Camera

from .metrics import Observation
from .seen_people import SeenPeople

log = logging.getLogger(__name__)

CHUNK = 8
"""Pictures rendered together."""

SPLIT = Split.TEST
"""Whom the suite shows. Neither a teacher nor a student has ever been trained or chosen on them."""


@dataclass(frozen=True, kw_only=True)
class PuppetSuite:
    """The first people of the test split, before the teacher's background, each from one camera that is given and others.

    The given camera stands within ± `input_yaw_deg`; the others at yaw gaps that go through the bins between `gaps_deg` one
    after another, on the side where they stay within ± `limit_deg`. Nothing but the seed decides.

    Args:
        people: how many.
        views: pictures of each, the given one counted.
        supersampling: each pixel is the mean of this many squared samples.
        input_yaw_deg: largest yaw of the given picture.
        pitch_deg: largest pitch of any picture.
        limit_deg: largest yaw of any picture; the gap is shortened where both sides would exceed it.
        gaps_deg: edges of the yaw gaps.
        seed: of the cameras.
        cache: folder in which renderings are kept; None keeps none.
    """

    people: int = 24
    views: int = 5
    supersampling: int = 2
    input_yaw_deg: int | float = 30.0
    pitch_deg: int | float = 10.0
    limit_deg: int | float = 50.0
    gaps_deg: list[int | float] | tuple[int | float, ...] = (0.0, 15.0, 30.0, 45.0, 60.0)
    seed: int = 0
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.people < 1 or self.views < 2:
            raise ValueError(f"people={self.people}, views={self.views}: the suite needs at least 1 person and 2 views of each")
        if list(self.gaps_deg) != sorted(set(self.gaps_deg)) or len(self.gaps_deg) < 2 or self.gaps_deg[0] < 0:
            raise ValueError(f"gaps_deg is {list(self.gaps_deg)}: give at least two rising edges from 0 on, in degrees")

    def photograph(self, passport: Passport) -> SeenPeople:
        """Renders the people as the teacher's own camera would see them, or reads them from the cache."""
        camera = self.cameras(passport)
        path = None if self.cache is None else Path(self.cache) / f"puppets-{self._key(passport)[:16]}.safetensors"
        truth = None if path is None else _read(path)
        if truth is None:
            truth = self._render(camera, passport)
            if path is not None:
                write_tensors(path, {"image": truth.image, "depth": truth.depth, "opacity": truth.opacity})
        return SeenPeople("puppets", tuple(range(self.people)), self.views, truth, camera)

    def cameras(self, passport: Passport) -> Camera:
        """`people · views` cameras at the teacher's distance, pivot and focal length."""
        angles = torch.tensor([angle for person in range(self.people) for angle in self._angles(person)]).deg2rad()
        pivot, focal = passport.camera_pivot, passport.focal
        return Camera.orbit(angles[:, 0], angles[:, 1], radius=passport.camera_radius, pivot=pivot, focal=focal)

    def _angles(self, person: int) -> list[tuple[float, float]]:
        """Yaw and pitch in degrees of each view."""
        random = stream(self.seed, person, "evaluation/puppets")
        given = random.uniform(-self.input_yaw_deg, self.input_yaw_deg)
        angles = [(given, random.uniform(-self.pitch_deg, self.pitch_deg))]
        for view in range(self.views - 1):
            bin_number = view % (len(self.gaps_deg) - 1)
            gap = random.uniform(self.gaps_deg[bin_number], self.gaps_deg[bin_number + 1])
            angles.append((self._at_gap(given, gap, random.random() < 0.5), random.uniform(-self.pitch_deg, self.pitch_deg)))
        return angles

    def _at_gap(self, given: float, gap: float, prefers_right: bool) -> float:
        side = 1.0 if prefers_right else -1.0
        if abs(given + side * gap) > self.limit_deg:
            side = -1.0 if given > 0 else 1.0
        return float(max(-self.limit_deg, min(self.limit_deg, given + side * gap)))

    def _render(self, camera: Camera, passport: Passport) -> Observation:
        world = PuppetWorld(supersampling=self.supersampling)
        seeds = PuppetSeeds.of(SPLIT, [person for person in range(self.people) for _ in range(self.views)])
        pieces = []
        with tqdm(total=len(seeds), desc="puppets", unit="img", mininterval=1) as bar:
            for start in range(0, len(seeds), CHUNK):
                rows = slice(start, start + CHUNK)
                views = world.render(seeds[rows], camera[rows], passport.image_resolution)
                pieces.append((views.image(background_of(passport)), views.depth, views.opacity))
                bar.update(len(views.depth))
        return Observation(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))

    def _key(self, passport: Passport) -> str:
        """Hash of everything that decides the pictures, the world's own code included."""
        digest = hashlib.sha256(_source_of_the_world())
        seen = {"resolution": passport.image_resolution, "background": background_of(passport), "split": SPLIT.name}
        digest.update(json.dumps({**self.settings(), **seen}, sort_keys=True).encode())
        digest.update(self.cameras(passport).label().numpy().tobytes())
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """What was chosen, but for where it is cached."""
        settings = dataclasses.asdict(self) | {"gaps_deg": [float(edge) for edge in self.gaps_deg]}
        del settings["cache"]
        return settings


def photograph_of(person: int, passport: Passport, *, yaw_deg: float, resolution: int) -> Float[Tensor, "3 resolution resolution"]:
    """A picture of one test puppet in [-1, 1] as the teacher's camera would see it, on the teacher's background."""
    yaw = torch.tensor([yaw_deg]).deg2rad()
    pivot, focal = passport.camera_pivot, passport.focal
    camera = Camera.orbit(yaw, torch.zeros(1), radius=passport.camera_radius, pivot=pivot, focal=focal)
    views = PuppetWorld(supersampling=2).render(PuppetSeeds.of(SPLIT, [person]), camera, resolution)
    return views.image(background_of(passport))[0]


def _source_of_the_world() -> bytes:
    folder = Path(str(world_module.__file__)).parent
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))


def _read(path: Path) -> Observation | None:
    """A cached rendering; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        return Observation(**safetensors.torch.load_file(path))
    except (SafetensorError, TypeError) as error:
        log.warning("%s can't be used (%s): rendering again", path, error)
        return None
