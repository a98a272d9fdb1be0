"""A teacher's pictures at different numbers of samples per ray (WYSIWYG tables 2 and 3 in
miniature): what they lose, and what its sampler's parts are worth.

Samples per ray count every look-up of the field, a probe's or a first pass's shared out over the
picture's rays, as the paper does: 48 + 48 of EG3D are 96; WYSIWYG's 16 (of a tenth of the rays: 32)
and its probe's 192 at a sixteenth of the rays are 29.6.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.evaluation.metrics.frechet import FrechetScores, in_floors
from pipeline.evaluation.metrics.image_metrics import psnr
from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.rendering.density import DensityActivation, density_activation_of
from teachers.rendering.learned_sampling import LearnedSampling
from teachers.rendering.proposal_network import UP
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.wysiwyg.renderer import WysiwygRenderer

from .teacher_views import drawn_identities

BUDGETS = (5, 10, 20, 50, 96)
"""Samples per ray: three are the paper's."""

DENSE = 192
"""Samples of each of the two passes of the reference."""

OWN = "as it is"
"""The sampler of the teacher's own configuration, whatever it spends."""

AT_ONCE = 4


@dataclass(frozen=True)
class SamplerScores:
    """Pictures of one sampler.

    Attributes:
        sampler: its name.
        budget: samples per ray that it may take; None: it is the teacher's own.
        lookups: points of the field that it looked up, per ray of the picture.
        frechet: distances to real images in multiples of the floor, by features.
        psnr: mean over identities, dB, against the same field sampled densely.
    """

    sampler: str
    budget: int | None
    lookups: float
    frechet: dict[str, float]
    psnr: float


def samplers_at(renderer: TriplaneRenderer, budget: int) -> dict[str, TriplaneRenderer]:
    """The ways to sample a teacher's field with so many samples per ray, by name; those that need
    more are missing.

    EG3D's two passes share the budget equally. A first pass at half the side costs a quarter:
    its passes have equal counts. WYSIWYG's probe stays as it was trained, and the rest goes to the
    picture's rays in the proportion of its configuration; without its learned sampler samples are
    uniform.
    """
    if isinstance(renderer, WysiwygRenderer):
        return _learned_at(renderer, budget)
    coarse = max(4, budget - budget // 2)
    found = {
        "two passes": renderer.changed(
            first_pass="reused", depth_samples=coarse, importance_samples=budget - coarse
        )
    }
    if renderer.sampling.first_pass == "proposal":
        each = round(budget / 1.25)
        found["first pass at half the side"] = renderer.changed(
            depth_samples=each, importance_samples=each
        )
    return found


def _learned_at(renderer: WysiwygRenderer, budget: int) -> dict[str, TriplaneRenderer]:
    uniform = renderer.with_counts(None).changed(
        first_pass="reused", depth_samples=budget, importance_samples=0
    )
    found: dict[str, TriplaneRenderer] = {}
    counts = counts_within(renderer.counts, budget) if renderer.proposals is not None else None
    if counts is not None:
        found = {
            name: renderer.with_counts(dataclasses.replace(counts, **changes))
            for name, changes in {
                "learned": {},
                "no robust set": {"is_robust": False},
                "no stratification": {"is_stratified": False},
            }.items()
        }
    return {**found, "no learned sampler": uniform}


def counts_within(counts: LearnedSampling, budget: int | float) -> LearnedSampling | None:
    """Counts that spend a budget of look-ups per ray, with the same probe; None: the probe alone
    leaves not one sample to a ray.
    """
    left = budget - counts.probe_samples / UP**2
    if left < 1:
        return None
    share = counts.hard_share
    proportion = 1 - share + share * counts.hard_samples / counts.samples
    samples = max(1, min(round(left / proportion), math.floor(left)))
    hard = samples
    if share:
        hard = max(samples, math.floor((left - (1 - share) * samples) / share + 1e-6))
    return dataclasses.replace(counts, samples=samples, hard_samples=hard)


def sampled_densely(renderer: TriplaneRenderer) -> TriplaneRenderer:
    """The same field with `DENSE` + `DENSE` samples per ray."""
    if isinstance(renderer, WysiwygRenderer):
        renderer = renderer.with_counts(None)
    return renderer.changed(first_pass="reused", depth_samples=DENSE, importance_samples=DENSE)


class CountedDecoder(nn.Module):
    """A decoder that counts the points that it is asked for.

    Attributes:
        lookups: points so far.
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder, self.lookups = decoder, 0

    @property
    def density_activation(self) -> DensityActivation:
        """The decoder's."""
        return density_activation_of(self.decoder)

    def forward(
        self,
        features: Float[Tensor, "batch point channel"],
        points: Float[Tensor, "batch point 3"],
        *directions: Float[Tensor, "batch point 3"],
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits."""
        self.lookups += points.shape[:2].numel()
        return cast(tuple[Tensor, Tensor], self.decoder(features, points, *directions))

    def density_logit(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Density logits alone."""
        self.lookups += points.shape[:2].numel()
        return cast(Tensor, self.decoder.density_logit(features, points))  # type: ignore[operator]


def score_samplers(
    teacher: EG3DTeacher,
    frechet: FrechetScores,
    cameras: Camera,
    *,
    budgets: Sequence[int] = BUDGETS,
    referenced: int = 64,
    counted: int = 4,
) -> Iterator[SamplerScores]:
    """Scores of one sampler and budget after another; the teacher's own comes first.

    All draw the same identities at the same cameras.

    Args:
        teacher: any that loads.
        frechet: compares with real images.
        cameras: of the data.
        budgets: samples per ray.
        referenced: identities whose pictures are compared with dense ones.
        counted: identities whose look-ups are counted.
    """
    z, chosen = drawn_identities(teacher, cameras, frechet.compared)
    referenced = min(referenced, len(z))
    reference = drawn(teacher, sampled_densely(teacher.renderer), z[:referenced], chosen)
    for budget, name, renderer in _rows(teacher.renderer, budgets):
        images = drawn(teacher, renderer, z, chosen)
        distances = frechet(images)
        del distances["diversity"]
        decoder = CountedDecoder(renderer.decoder)
        drawn(teacher, renderer.changed(decoder=decoder), z[:counted], chosen)
        rays = min(counted, len(z)) * renderer.resolution**2
        yield SamplerScores(
            sampler=name,
            budget=budget,
            lookups=decoder.lookups / rays,
            frechet=in_floors(distances, frechet.floor),
            psnr=psnr(images[:referenced], reference).clamp(max=100.0).mean().item(),
        )


def _rows(
    renderer: TriplaneRenderer, budgets: Sequence[int]
) -> Iterator[tuple[int | None, str, TriplaneRenderer]]:
    yield None, OWN, renderer
    for budget in budgets:
        for name, sampler in samplers_at(renderer, budget).items():
            yield budget, name, sampler


@torch.no_grad()
def drawn(
    teacher: EG3DTeacher,
    renderer: TriplaneRenderer,
    z: Float[Tensor, "image z_dim"],
    cameras: Camera,
) -> Float[Tensor, "image 3 height width"]:
    """Pictures of identities by another renderer of the teacher's planes, clamped to [-1, 1].

    Args:
        teacher: makes the planes.
        renderer: draws them; the jitter of one whose samples aren't stratified is the same every
            time.
        z: latents.
        cameras: the first of them see the identities.
    """
    random = torch.Generator().manual_seed(0)
    is_random = isinstance(renderer, WysiwygRenderer) and not renderer.counts.is_stratified
    images = []
    for rows in torch.arange(len(z)).split(AT_ONCE):
        ws = teacher.map_latents(z[rows].to(teacher.mean_latent()))
        jitter = None
        if is_random:
            coarse, fine = renderer.ray_samples
            shape = (len(rows), renderer.resolution**2, coarse + fine)
            numbers = torch.rand(shape, generator=random).to(ws)
            jitter = RayJitter(numbers[..., :coarse], numbers[..., coarse:])
        rendering = renderer(teacher.synthesize(ws), cameras[rows].to(ws), ws, jitter)
        images.append(rendering.image.clamp(-1, 1).cpu())
    return torch.cat(images)


def samples_table(scores: Mapping[str, Sequence[SamplerScores]]) -> str:
    """Teachers side by side, as Markdown: a table for each score; samplers by rows, budgets by
    columns.

    Args:
        scores: by teacher, of the same budgets and features.
    """
    everything = [one for found in scores.values() for one in found]
    measured: dict[str, Callable[[SamplerScores], str]] = {
        **{
            f"Fréchet distance on {name}, × floor": partial(_ratio, name)
            for name in everything[0].frechet
        },
        "PSNR against dense samples, dB": lambda one: f"{one.psnr:.1f}",
        "look-ups per ray": lambda one: f"{one.lookups:.1f}",
    }
    budgets = sorted({one.budget for one in everything if one.budget is not None})
    tables = []
    for title, shown in measured.items():
        head = ("teacher", "sampler", OWN, *map(str, budgets))
        lines = [f"**{title}**", "", _row(head), _row(["---"] * len(head))]
        for teacher, found in scores.items():
            first = [shown(one) for one in found if one.budget is None]
            for sampler in dict.fromkeys(one.sampler for one in found if one.budget is not None):
                cells = {one.budget: shown(one) for one in found if one.sampler == sampler}
                columns = [cells.get(budget, "–") for budget in budgets]
                lines.append(_row([teacher, sampler, first.pop() if first else "", *columns]))
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _ratio(name: str, one: SamplerScores) -> str:
    return f"{one.frechet[name]:.2f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
