"""Sample number → identity, two views: what a distillation step needs, made by the teacher."""

import copy
import dataclasses
import logging
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.profiler import record_function

from pipeline.batch import DistillationBatch, View
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

from .cameras import CameraPair
from .draws import Draws, PartialBatch
from .latents import LatentPrior
from .random_streams import hashed_uniforms, stream
from .view_rendering import ViewRendering

log = logging.getLogger(__name__)

VIEWS = {"reference": 0, "novel": 1}
"""The names of the views, and the number that keys their ray jitter."""

_FINE = 1 << 16
"""Ray samples of the second pass are numbered from here: the first pass may grow without moving
them.
"""


class TeacherSampler:
    """Samples a frozen teacher: draws → latents → planes → views.

    Each step is a method, and a pure function of the one before and of the seed. `FilteredSampler`
    and `FixedIdentities` wrap it. Not a module: an owner neither trains, saves nor moves the
    teacher by accident.

    Args:
        teacher: the frozen GAN.
        cameras: the priors of the two views.
        latents: the prior of identities.
        seed: of the run.
        background: of the student's input: "teacher" leaves the teacher's; "random" composites
            every identity onto a plain colour of its own (only for teachers with a matte, whose
            opacity separates identity from background).
        reference_rendering, novel_rendering: changes to the teacher's renderer; None: none.
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
                "background=random needs a teacher that casts rays at the final resolution onto"
                f" white; {passport.name!r} has background={passport.background!r},"
                f" super_resolution={passport.super_resolution!r}: use background=teacher"
            )
        self.teacher = teacher
        self.cameras = cameras
        self.latents = latents
        self.seed = seed
        self.background = background
        self.rendering = {
            "reference": reference_rendering or ViewRendering(),
            "novel": novel_rendering or ViewRendering(),
        }
        for rendering in self.rendering.values():
            rendering.require_teacher(teacher.passport)
        unread = set[str]().union(
            *(rendering.unread(teacher.renderer) for rendering in self.rendering.values())
        )
        if unread:
            log.warning(
                "%s of the views have no effect: a network of %r places its ray samples",
                ", ".join(sorted(unread)),
                teacher.passport.name,
            )
        self.device = torch.device("cpu")

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers."""
        return self.show(self.draw(samples))

    @torch.no_grad()
    def show(self, draws: Draws) -> DistillationBatch:
        """The batch of some draws: planes synthesised once, rendered from both cameras."""
        return self.complete(self.imagine(draws))

    @torch.no_grad()
    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self.synthesize(self.draw(samples))

    @torch.no_grad()
    def synthesize(self, draws: Draws) -> Triplane:
        """The planes alone of some draws."""
        return self.imagine(draws).triplane

    def draw(
        self, samples: Sequence[int], identities: Sequence[int] | None = None, *, attempt: int = 0
    ) -> Draws:
        """Step 1: everything random about some sample numbers.

        Args:
            samples: numbers that key the cameras, the ray jitter and the background.
            identities: numbers that key z, truncation and conditioning; None: the samples' own.
            attempt: each attempt at an identity has independent draws (see `FilteredSampler`).
        """
        identities = list(samples if identities is None else identities)
        reference = self.cameras.reference.draw(self.seed, samples, "camera/reference")
        return Draws(
            samples=list(samples),
            z=self.latents.draw_z(self.seed, identities, self.teacher.z_dim, attempt=attempt),
            truncation=self.latents.draw_truncation(self.seed, identities, attempt=attempt),
            conditioning=self.latents.draw_conditioning(
                self.seed, identities, reference, attempt=attempt
            ),
            reference=reference,
            novel=self.cameras.novel.draw(self.seed, samples, "camera/novel"),
            identities=identities,
            attempts=[attempt] * len(identities),
            mixing=self.latents.draw_mixing(
                self.seed, identities, self.teacher.z_dim, attempt=attempt
            ),
        )

    def map_latents(self, draws: Draws) -> Float[Tensor, "batch layer w_dim"]:
        """Step 2: the mixed and truncated ws of some draws."""
        conditioning = None if draws.conditioning is None else draws.conditioning.to(self.device)
        ws = self.teacher.map_latents(draws.z.to(self.device), conditioning)
        if draws.mixing is not None:
            if ws.shape[1] < 2:
                raise ValueError(
                    f"sampler.latents.mixing gives later layers another w, but"
                    f" {self.teacher.passport.name!r} has one for all of them: use"
                    " sampler.latents.mixing=0"
                )
            second = self.teacher.map_latents(draws.mixing.z.to(self.device), conditioning)
            keeps = draws.mixing.first_layers(ws.shape[1]).to(self.device)
            ws = torch.where(keeps[:, :, None], ws, second)
        if bool((draws.truncation == 1).all()):
            return ws
        mean = self.teacher.mean_latent()
        return mean + draws.truncation.to(self.device)[:, None, None] * (ws - mean)

    def imagine(self, draws: Draws) -> PartialBatch:
        """Steps 2 and 3: latents and planes of some draws, no view yet."""
        with record_function("teacher planes"):
            ws = self.map_latents(draws)
            return PartialBatch(draws, ws, self.teacher.synthesize(ws), {})

    def render(self, batch: PartialBatch, view: str) -> PartialBatch:
        """Step 4, for one view: the batch with that view; unchanged if it has it already."""
        if view in batch.views:
            return batch
        camera: Camera = getattr(batch.draws, view).to(self.device)
        renderer = self.rendering[view].apply(self.teacher.renderer)
        jitter = self.jitter(self._numbers(batch.draws), view, renderer)
        with record_function("teacher views"):
            seen = View(camera, renderer(batch.triplane, camera, batch.ws, jitter))
        return dataclasses.replace(batch, views={**batch.views, view: seen})

    def complete(self, batch: PartialBatch) -> DistillationBatch:
        """Step 4: the views that are missing, and the student's input."""
        for view in VIEWS:
            batch = self.render(batch, view)
        numbers, reference = self._numbers(batch.draws), batch.views["reference"]
        return DistillationBatch(
            numbers,
            self.input_image(numbers, reference.rendering),
            batch.triplane,
            reference,
            batch.views["novel"],
        )

    def input_image(
        self, numbers: Int64[Tensor, " batch"], reference: Rendering
    ) -> Float[Tensor, "batch 3 height width"]:
        """The student's input for a reference view: in [-1, 1], on the configured background."""
        image = reference.image
        if self.background == "random":
            colours = torch.stack(
                [
                    torch.from_numpy(stream(self.seed, n, "background").random(3) * 2 - 1)
                    for n in numbers.tolist()
                ]
            )
            image = image + (1 - reference.opacity) * (colours.to(image)[:, :, None, None] - 1)
        return image.clamp(-1, 1)

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """Jitter of a view's ray samples: a pure function of the seed and the sample numbers."""
        key = {"view": VIEWS[view], "rays": renderer.resolution**2}
        coarse, fine = renderer.ray_samples
        return RayJitter.stratified(
            hashed_uniforms(self.seed, numbers, values=coarse, **key),
            hashed_uniforms(self.seed, numbers, values=fine, first_value=_FINE, **key),
        )

    def to(self, device: torch.device) -> "TeacherSampler":
        """Makes its batches on another device; moves the teacher there."""
        if isinstance(self.teacher, torch.nn.Module):
            self.teacher.to(device)
        self.device = device
        return self

    def with_seed(self, seed: int) -> "TeacherSampler":
        """See `Sampler.with_seed`."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def for_scores(self, seed: int, *, cameras: CameraPair | None = None) -> "TeacherSampler":
        """See `Sampler.for_scores`."""
        other = self.with_seed(seed)
        other.cameras = cameras or self.cameras
        other.rendering = {name: ViewRendering() for name in VIEWS}
        return other

    def _numbers(self, draws: Draws) -> Int64[Tensor, " batch"]:
        return torch.tensor(draws.samples, device=self.device)


def _has_plain_white_behind(teacher: Teacher) -> bool:
    return (
        teacher.passport.background in ("white", "matte")
        and teacher.passport.super_resolution == "none"
    )
