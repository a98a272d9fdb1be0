"""Sample number → an identity, seen twice: everything that a distillation step needs, made by the
teacher on the fly.
"""

import copy
import dataclasses
from collections.abc import Sequence

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
from .draws import Draws, Sighting
from .identities import Identities
from .latents import LatentPrior
from .random_streams import hashed_uniforms, stream
from .sample_filter import SampleFilter
from .view_rendering import ViewRendering

VIEWS = {"reference": 0, "novel": 1}
"""What the views are called, and the number that keys their ray jitter."""

_FINE = (
    1 << 16
    # ray samples of the second pass are numbered from here: the first pass may grow without moving them
)


class TeacherSampler:
    """Draws identities from a frozen teacher.

    Not a module: whoever holds a sampler neither trains, saves nor moves the teacher by accident.

    Args:
        teacher: the frozen GAN.
        cameras: where its identities are looked at from.
        latents: who they are.
        seed: of the run.
        background: of the student's input: "teacher" leaves what the teacher draws; "random" puts
            every identity in front of a plain colour of its own (only for teachers with a matte,
            whose opacity tells identity from background).
        reference_rendering, novel_rendering: how carefully the views are drawn; None: as the
            teacher draws.
        filter: which identities are taken; None: all.
        identities: a fixed set of identities to show; None: a new one for every sample number.
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
        filter: SampleFilter | None = None,
        identities: Identities | None = None,
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
        if identities is not None and latents.conditioning == "reference":
            raise ValueError(
                "a fixed set of identities can't be conditioned by each sample's own camera: use"
                " conditioning=frontal, or a prior"
            )
        if filter is not None:
            filter.attach(teacher.passport)
        self.teacher = teacher
        self.cameras = cameras
        self.latents = latents
        self.seed = seed
        self.background = background
        self.rendering = {
            "reference": reference_rendering or ViewRendering(),
            "novel": novel_rendering or ViewRendering(),
        }
        self.filter = filter
        self.identities = identities
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> "TeacherSampler":
        """Makes its batches on another device; moves the teacher there."""
        if isinstance(self.teacher, torch.nn.Module):
            self.teacher.to(device)
        if self.filter is not None:
            self.filter.to(device)
        self.device = device
        return self

    def draw(self, samples: Sequence[int]) -> Draws:
        """The draws of some sample numbers, of the identities whom the filter takes: with one,
        finding out costs the teacher's work.
        """
        if self.identities is not None:
            return self._draw_identities(self.identities, samples)
        return (
            self._chances(samples)
            if self.filter is None
            else self._accept(self.filter, samples).draws
        )

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The identities of some sample numbers."""
        return self._complete(self._choose(samples))

    @torch.no_grad()
    def show(self, draws: Draws) -> DistillationBatch:
        """The identities of some draws: planes synthesised once, rendered from both cameras."""
        return self._complete(self._imagine(draws))

    @torch.no_grad()
    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self._choose(samples).triplane

    @torch.no_grad()
    def synthesize(self, draws: Draws) -> Triplane:
        """The planes alone of some draws."""
        return self._imagine(draws).triplane

    def with_seed(self, seed: int) -> "TeacherSampler":
        """The same distributions with other chances; the teacher is shared."""
        other = copy.copy(self)
        other.seed = seed
        other.filter = self.filter and self.filter.fresh()
        other.identities = self.identities and self.identities.fresh()
        return other

    def for_scores(self, seed: int, *, cameras: CameraPair | None = None) -> "TeacherSampler":
        """The same distributions with other chances, every view drawn as the teacher draws, nobody
        twice; the teacher is shared.

        Args:
            seed: of these chances.
            cameras: where runs are to be compared whose own cameras differ.
        """
        other = self.with_seed(seed)
        other.cameras = cameras or self.cameras
        other.identities = None
        other.rendering = {name: ViewRendering() for name in VIEWS}
        return other

    def jitter(
        self, numbers: Int64[Tensor, " batch"], view: str, renderer: TriplaneRenderer
    ) -> RayJitter:
        """What places the ray samples of a view: a pure function of the seed and the sample
        numbers.
        """
        key = {"view": VIEWS[view], "rays": renderer.resolution**2}
        return RayJitter.stratified(
            hashed_uniforms(self.seed, numbers, values=renderer.sampling.depth_samples, **key),
            hashed_uniforms(
                self.seed,
                numbers,
                values=renderer.sampling.importance_samples,
                first_value=_FINE,
                **key,
            ),
        )

    def _chances(
        self, samples: Sequence[int], identities: Sequence[int] | None = None, attempt: int = 0
    ) -> Draws:
        """The draws of one attempt at some sample numbers; `identities`: the numbers that key who
        is shown.
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
        )

    def _draw_identities(self, identities: Identities, samples: Sequence[int]) -> Draws:
        """The draws of the identities whom these numbers show; a filter judges identity i as sample
        number i would show it.
        """
        shown = identities.numbers(self.seed, samples)

        def attempt(identity: int) -> int:
            return (
                0
                if self.filter is None
                else self._accept(self.filter, [identity]).draws.attempts[0]
            )

        return Draws.cat(
            [
                self._chances([n], [i], identities.attempt(i, attempt))
                for n, i in zip(samples, shown, strict=True)
            ]
        )

    def _choose(self, samples: Sequence[int]) -> Sighting:
        """The identities of some sample numbers; the view by which a filter chose them is drawn
        already.
        """
        if self.filter is not None and self.identities is None:
            return self._accept(self.filter, samples)
        return self._imagine(self.draw(samples))

    @torch.no_grad()
    def _accept(self, filter: SampleFilter, samples: Sequence[int]) -> Sighting:
        def see(numbers: list[int], attempt: int) -> Sighting:
            draws = self._chances(numbers, attempt=attempt)
            return self._with_view(Sighting(draws, *self._synthesize(draws), {}), filter.view)

        return filter.accept(samples, see)

    def _imagine(self, draws: Draws) -> Sighting:
        """The planes of some draws; those of a fixed set of identities are made one by one, and
        kept.
        """
        if self.identities is None:
            return Sighting(draws, *self._synthesize(draws), {})

        def make(row: int) -> tuple[Tensor, Tensor]:
            ws, triplane = self._synthesize(draws[row : row + 1])
            return ws, triplane.planes

        identities = draws.identities or self.identities.numbers(self.seed, draws.samples)
        ws, planes = self.identities.recall(identities, make, self.device)
        return Sighting(
            draws,
            ws,
            Triplane(planes, self.teacher.passport.plane_axes, self.teacher.passport.box_size),
            {},
        )

    def _synthesize(self, draws: Draws) -> tuple[Float[Tensor, "batch layer w_dim"], Triplane]:
        ws = self._truncated_latents(draws)
        return ws, self.teacher.synthesize(ws)

    def _truncated_latents(self, draws: Draws) -> Float[Tensor, "batch layer w_dim"]:
        conditioning = None if draws.conditioning is None else draws.conditioning.to(self.device)
        ws = self.teacher.map_latents(draws.z.to(self.device), conditioning)
        if bool((draws.truncation == 1).all()):
            return ws
        mean = self.teacher.mean_latent()
        return mean + draws.truncation.to(self.device)[:, None, None] * (ws - mean)

    def _complete(self, sighting: Sighting) -> DistillationBatch:
        """Draws the views that are missing."""
        for view in VIEWS:
            sighting = self._with_view(sighting, view)
        numbers, reference = self._numbers(sighting.draws), sighting.views["reference"]
        return DistillationBatch(
            numbers,
            self.input_image(numbers, reference.rendering),
            sighting.triplane,
            reference,
            sighting.views["novel"],
        )

    def _with_view(self, sighting: Sighting, view: str) -> Sighting:
        if view in sighting.views:
            return sighting
        camera: Camera = getattr(sighting.draws, view).to(self.device)
        renderer = self.rendering[view].apply(self.teacher.renderer)
        jitter = self.jitter(self._numbers(sighting.draws), view, renderer)
        seen = View(camera, renderer(sighting.triplane, camera, sighting.ws, jitter))
        return dataclasses.replace(sighting, views={**sighting.views, view: seen})

    def _numbers(self, draws: Draws) -> Int64[Tensor, " batch"]:
        return torch.tensor(draws.samples, device=self.device)

    def input_image(
        self, numbers: Int64[Tensor, " batch"], reference: Rendering
    ) -> Float[Tensor, "batch 3 height width"]:
        """What the student sees of a reference view: in [-1, 1], perhaps on another background."""
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


def _has_plain_white_behind(teacher: Teacher) -> bool:
    return (
        teacher.passport.background in ("white", "matte")
        and teacher.passport.super_resolution == "none"
    )
