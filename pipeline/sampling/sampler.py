"""Sample number → a person, seen twice: everything that a distillation step needs, made by the teacher on the fly."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pipeline.batch import DistillationBatch, View
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

from .cameras import CameraPair
from .latents import LatentPrior
from .random_streams import hashed_uniforms, stream
from .view_rendering import ViewRendering

VIEWS = {"reference": 0, "novel": 1}
"""What the views are called, and the number that keys their ray jitter."""

_FINE = 1 << 16  # ray samples of the second pass are numbered from here: the first pass may grow without moving them


@dataclass(frozen=True)
class Draws:
    """What chance decides about a batch, on the host; a sample's row depends on its number and the seed alone."""

    samples: list[int]
    z: Float[Tensor, "batch z_dim"]
    truncation: Float[Tensor, " batch"]
    conditioning: Camera | None
    reference: Camera
    novel: Camera


class TeacherSampler:
    """Draws people from a frozen teacher.

    Not a module: whoever holds a sampler neither trains, saves nor moves the teacher by accident.

    Args:
        teacher: the frozen GAN.
        cameras: where its people are looked at from.
        latents: who they are.
        seed: of the run.
        background: of the student's input: "teacher" leaves what the teacher draws; "random" puts every person in front
            of a plain colour of its own (only for teachers with a matte, whose opacity tells person from background).
        reference_rendering, novel_rendering: how carefully the views are drawn; None: as the teacher draws.
    """

    def __init__(
        self,
        *,
        teacher: Teacher,
        cameras: CameraPair,
        latents: LatentPrior,
        seed: int,
        background: str = "teacher",
        reference_rendering: ViewRendering | None = None,
        novel_rendering: ViewRendering | None = None,
    ) -> None:
        if background not in ("teacher", "random"):
            raise ValueError(f"background is {background!r}: use teacher or random")
        if background == "random" and not _has_plain_white_behind(teacher):
            passport = teacher.passport
            raise ValueError(
                f"background=random needs a teacher that casts rays at the final resolution onto white; {passport.name!r} has "
                f"background={passport.background!r}, super_resolution={passport.super_resolution!r}: use background=teacher"
            )
        self.teacher = teacher
        self.cameras = cameras
        self.latents = latents
        self.seed = seed
        self.background = background
        self.rendering = {"reference": reference_rendering or ViewRendering(), "novel": novel_rendering or ViewRendering()}
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> "TeacherSampler":
        """Makes its batches on another device; moves the teacher there."""
        if isinstance(self.teacher, torch.nn.Module):
            self.teacher.to(device)
        self.device = device
        return self

    def draw(self, samples: Sequence[int]) -> Draws:
        """The draws of some sample numbers."""
        reference = self.cameras.reference.draw(self.seed, samples, "camera/reference")
        return Draws(
            samples=list(samples),
            z=self.latents.draw_z(self.seed, samples, self.teacher.z_dim),
            truncation=self.latents.draw_truncation(self.seed, samples),
            conditioning=self.latents.draw_conditioning(self.seed, samples, reference),
            reference=reference,
            novel=self.cameras.novel.draw(self.seed, samples, "camera/novel"),
        )

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The people of some sample numbers."""
        return self.show(self.draw(samples))

    @torch.no_grad()
    def show(self, draws: Draws) -> DistillationBatch:
        """The people of some draws: planes synthesised once, rendered from both cameras."""
        numbers = torch.tensor(draws.samples, device=self.device)
        ws = self._truncated_latents(draws)
        triplane = self.teacher.synthesize(ws)
        reference = self._look(triplane, ws, numbers, draws.reference, "reference")
        novel = self._look(triplane, ws, numbers, draws.novel, "novel")
        return DistillationBatch(numbers, self.input_image(numbers, reference.rendering), triplane, reference, novel)

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self.synthesize(self.draw(samples))

    @torch.no_grad()
    def synthesize(self, draws: Draws) -> Triplane:
        """The planes alone of some draws."""
        return self.teacher.synthesize(self._truncated_latents(draws))

    def with_seed(self, seed: int) -> "TeacherSampler":
        """The same laws with other chances; the teacher is shared."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def for_scores(self, seed: int) -> "TeacherSampler":
        """The same laws with other chances, every view drawn as the teacher draws; the teacher is shared."""
        other = self.with_seed(seed)
        other.rendering = {name: ViewRendering() for name in VIEWS}
        return other

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: TriplaneRenderer) -> RayJitter:
        """What places the ray samples of a view: a pure function of the seed and the sample numbers."""
        key = {"view": VIEWS[view], "rays": renderer.resolution**2}
        return RayJitter(
            hashed_uniforms(self.seed, numbers, values=renderer.sampling.depth_samples, **key),
            hashed_uniforms(self.seed, numbers, values=renderer.sampling.importance_samples, first_value=_FINE, **key),
        )

    def _truncated_latents(self, draws: Draws) -> Float[Tensor, "batch layer w_dim"]:
        conditioning = None if draws.conditioning is None else draws.conditioning.to(self.device)
        ws = self.teacher.map_latents(draws.z.to(self.device), conditioning)
        if bool((draws.truncation == 1).all()):
            return ws
        mean = self.teacher.mean_latent()
        return mean + draws.truncation.to(self.device)[:, None, None] * (ws - mean)

    def _look(self, triplane: Triplane, ws: Tensor, numbers: Tensor, camera: Camera, view: str) -> View:
        camera = camera.to(self.device)
        renderer = self.rendering[view].apply(self.teacher.renderer)
        return View(camera, renderer(triplane, camera, ws, self.jitter(numbers, view, renderer)))

    def input_image(self, numbers: Int64[Tensor, " batch"], reference: Rendering) -> Float[Tensor, "batch 3 height width"]:
        """What the student sees of a reference view: in [-1, 1], perhaps on another background."""
        image = reference.image
        if self.background == "random":
            colours = torch.stack([torch.from_numpy(stream(self.seed, n, "background").random(3) * 2 - 1) for n in numbers.tolist()])
            image = image + (1 - reference.opacity) * (colours.to(image)[:, :, None, None] - 1)
        return image.clamp(-1, 1)


def batch_numbers(step: int, *, batch_size: int, rank: int = 0, world_size: int = 1, first: int = 0) -> list[int]:
    """The sample numbers of one rank in one step: those of the step that are ≡ rank modulo the number of ranks.

    The step as a whole has the same numbers whatever the number of ranks, and none twice.

    Raises:
        ValueError: the batch can't be shared evenly.
    """
    if batch_size % world_size:
        raise ValueError(f"a batch of {batch_size} cannot be shared evenly by {world_size} processes: change batch_size or devices")
    start = first + step * batch_size
    return [number for number in range(start, start + batch_size) if number % world_size == rank]


def _has_plain_white_behind(teacher: Teacher) -> bool:
    return teacher.passport.background in ("white", "matte") and teacher.passport.super_resolution == "none"
