"""What a trained teacher is scored by at full size, for its card."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.metrics.consistency import DepthAgreement, mean_depth_agreement
from pipeline.evaluation.metrics.distances import kernel_distance
from pipeline.evaluation.metrics.efficientnet import load_efficientnet
from pipeline.evaluation.metrics.frechet import FrechetScores, in_floors
from pipeline.evaluation.metrics.sticking import Sticking
from pipeline.inference.background import background_of
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.world import World
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kinds import settings_of
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher

from .normals import NormalScores, normal_scores
from .teacher_views import draw_images, sticking_of_world, sticking_score, view_scores
from .training_images import TrainingImages

FACE = (slice(None), slice(None), slice(26, 44), slice(24, 40))
"""The middle of a face in a 64x64 image."""

JUDGED = 256
"""Images whose nearest training image is looked for."""


@dataclass(frozen=True)
class CardScores:
    """A teacher's scores at full size.

    Attributes:
        frechet, floor: normalised distances on both feature sets, of the teacher and of real
            images against real ones.
        diversity: standard deviation relative to the data's.
        views: see `view_scores`.
        depth: frontal depth against the world's; None without a world.
        prior_depth: the same before training: what the density's prior alone achieves.
        world_depth: the same of other identities of the world.
        world: the world's name.
        normals: see `NormalScores`; None: card of an earlier version.
        sticking, world_sticking: how much of the detail stays on the screen, of the teacher and of
            its world (`texture_sticking`); None likewise, and without a world.
        tone, data_tone: mean and standard deviation of the brightness of the middle of the face, in
            [0, 1].
        nearest, data_nearest: root mean square distance at 32² to the nearest training image, of
            generated images and of other training images, among all that training shows, mirrored
            ones too; it would be far smaller for memorised images.
        compared: images per Fréchet score.
        unseen: validation identities that they are compared with; 0: training images.
        kid, real_kid: kernel distance (KID's) on features of EfficientNet-Lite0, learnt on
            photographs, of generated images and of other real ones; None without its weights.
    """

    frechet: dict[str, float]
    floor: dict[str, float]
    diversity: float
    views: dict[str, float]
    depth: DepthAgreement | None
    tone: tuple[float, float]
    data_tone: tuple[float, float]
    nearest: float
    data_nearest: float
    compared: int
    prior_depth: DepthAgreement | None = None
    world_depth: DepthAgreement | None = None
    world: str | None = None
    unseen: int = 0
    normals: NormalScores | None = None
    sticking: Sticking | None = None
    world_sticking: Sticking | None = None
    kid: float | None = None
    real_kid: float | None = None

    def ratios(self) -> dict[str, float]:
        """Distances in multiples of the floor."""
        return in_floors(self.frechet, self.floor)


def score_at_full_size(
    teacher: EG3DTeacher,
    images: TrainingImages,
    world: World | None,
    *,
    unseen: TrainingImages | None = None,
    compared: int = 1024,
    real: int = 8000,
    weights: Path | None = None,
) -> CardScores:
    """All scores of a teacher; takes some minutes on a CPU.

    Args:
        teacher: the teacher.
        images: what it was trained on.
        world: that drew them; None: photographs, whose depth is unknown.
        unseen: validation identities, which the pictures are compared with; None: the first of
            `images`.
        compared: images per Fréchet score.
        real: of `images` that they are compared with where there are no `unseen`.
        weights: folder that may hold EfficientNet-Lite0's.
    """
    behind = background_of(teacher.passport)
    reference = images.first(real, behind) if unseen is None else unseen.first(len(unseen), behind)
    frechet = FrechetScores(reference, compared=compared)
    drawn = draw_images(teacher, images.cameras, compared)
    scores = frechet(drawn)
    diversity = scores.pop("diversity")
    kid, real_kid = kernel_distances(drawn, reference, weights)
    return CardScores(
        frechet=scores,
        floor=frechet.floor,
        diversity=diversity,
        views=view_scores(teacher),
        depth=None if world is None else depth_against_world(teacher, world),
        tone=_tone(drawn),
        data_tone=_tone(reference),
        nearest=_distance_to_nearest(drawn[:JUDGED], images, behind),
        data_nearest=_nearest_of_others(images, behind),
        compared=compared,
        unseen=0 if unseen is None else len(unseen),
        prior_depth=None
        if world is None
        else depth_against_world(untrained_teacher(settings_of(teacher.configuration)), world),
        world_depth=None if world is None else _depth_among_identities(teacher, world),
        world=None if world is None else world.name,
        normals=normal_scores(teacher, images.cameras, world),
        sticking=sticking_score(teacher),
        world_sticking=None if world is None else sticking_of_world(teacher, world),
        kid=kid,
        real_kid=real_kid,
    )


def kernel_distances(
    drawn: Float[Tensor, "image 3 height width"],
    reference: Float[Tensor, "other 3 height width"],
    weights: Path | None,
) -> tuple[float, float] | tuple[None, None]:
    """KID on EfficientNet-Lite0's features, of generated and of real images, to as many other real
    ones: a random network's statistics don't see a third eye, these do. None without its weights.
    """
    if weights is None:
        return None, None
    count = min(len(drawn), len(reference) // 2)
    try:
        network, _ = load_efficientnet(weights)
    except FileNotFoundError:
        return None, None
    sets = (drawn[:count], reference[:count], reference[count : 2 * count])
    generated, real, other = (
        torch.cat([network(part) for part in images.clamp(-1, 1).split(32)]) for images in sets
    )
    return kernel_distance(generated, real), kernel_distance(other, real)


@torch.no_grad()
def depth_against_world(
    teacher: EG3DTeacher, world: World, *, identities: int = 64, seed: int = 11
) -> DepthAgreement:
    """The frontal depth of generated identities against that of identities of the validation
    split.
    """
    camera = _frontal(teacher, world, identities)
    z = torch.randn(identities, teacher.z_dim, generator=torch.Generator().manual_seed(seed))
    ws = teacher.map_latents(z)
    rendering = teacher.render(teacher.synthesize(ws), camera, ws=ws)
    return mean_depth_agreement(
        rendering.depth, rendering.opacity, *_true_depth(teacher, world, range(identities))
    )


def _depth_among_identities(
    teacher: EG3DTeacher, world: World, identities: int = 64
) -> DepthAgreement:
    """Of other identities of the split: the ceiling."""
    return mean_depth_agreement(
        *_true_depth(teacher, world, range(identities, 2 * identities)),
        *_true_depth(teacher, world, range(identities)),
    )


def _true_depth(teacher: EG3DTeacher, world: World, numbers: range) -> tuple[Tensor, Tensor]:
    """Depth and opacity of identities of the validation split, from the front."""
    side = teacher.passport.render_resolution
    views = [
        world.render(
            WorldSeeds.of(Split.VALIDATE, numbers[i : i + 8]),
            _frontal(teacher, world, len(numbers[i : i + 8])),
            side,
        )
        for i in range(0, len(numbers), 8)
    ]
    return torch.cat([view.depth for view in views]), torch.cat([view.opacity for view in views])


def _frontal(teacher: EG3DTeacher, world: World, count: int) -> Camera:
    passport, zero = teacher.passport, torch.zeros(count)
    return Camera.orbit(
        zero, zero, radius=passport.camera_radius, focal=passport.focal, pivot=world.pivot
    )


def _tone(images: Float[Tensor, "image 3 height width"]) -> tuple[float, float]:
    brightness = ((F.adaptive_avg_pool2d(images, 64)[FACE] + 1) / 2).mean((1, 2, 3))
    return brightness.mean().item(), brightness.std().item()


def _distance_to_nearest(
    judged: Float[Tensor, "image 3 height width"],
    images: TrainingImages,
    behind: float,
    *,
    start: int = 0,
) -> float:
    """Mean over `judged` of the distance to the nearest of all training images from `start` on, and
    of their mirror images where training shows those.
    """
    small = _small(judged)
    nearest = torch.full((len(small),), torch.inf)
    for part in images.parts(2000, behind, start=start):
        for shown in (part, part.flip(-1)) if images.mirrored else (part,):
            nearest = torch.minimum(nearest, torch.cdist(small, _small(shown)).amin(1))
    return (nearest.mean() / small.shape[1] ** 0.5).item()


def _nearest_of_others(images: TrainingImages, behind: float) -> float:
    """The same of the first training images to the others: of few the half."""
    count = min(JUDGED, len(images) // 2)
    return _distance_to_nearest(images.first(count, behind), images, behind, start=count)


def _small(images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image value"]:
    return F.adaptive_avg_pool2d(images, 32).flatten(1)
