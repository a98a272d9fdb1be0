"""The model card of a trained teacher: data, recipe, scores, known faults."""

import platform
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.metrics.consistency import DepthAgreement, mean_depth_agreement
from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.evaluation.metrics.sticking import Sticking
from pipeline.pictures import write_png
from pipeline.runs.files import write_json, write_text
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.world import World
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kinds import settings_of
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from teachers.wysiwyg.renderer import WysiwygRenderer

from .normals import NormalScores, normal_scores
from .teacher_views import (
    draw_images,
    sticking_of_world,
    sticking_score,
    teacher_sheet,
    view_scores,
)
from .training_images import TrainingImages

FACE = (slice(None), slice(None), slice(26, 44), slice(24, 40))
"""The middle of a face in a 64x64 image."""


KIND_NAMES = {"eg3d": "EG3D", "panohead": "PanoHead", "wysiwyg": "WYSIWYG"}


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
            generated images and of other training images; it would be far smaller for memorised
            images.
        compared: images per Fréchet score.
        unseen: validation identities that they are compared with; 0: training images.
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

    def ratios(self) -> dict[str, float]:
        """Distances in multiples of the floor."""
        return {name: value / self.floor[name] for name, value in self.frechet.items()}


def score_at_full_size(
    teacher: EG3DTeacher,
    images: TrainingImages,
    world: World | None,
    *,
    unseen: TrainingImages | None = None,
    compared: int = 1024,
    real: int = 8000,
) -> CardScores:
    """All scores of a teacher; takes some minutes on a CPU.

    Args:
        teacher: the teacher.
        images: what it was trained on.
        world: that drew them; None: photographs, whose depth is unknown.
        unseen: validation identities, which the pictures are compared with; None: the first of
            `images`.
        compared: images per Fréchet score.
        real: images that they are compared with.
    """
    seen = images.first(real)
    reference = seen if unseen is None else unseen.first(real)
    frechet = FrechetScores(reference, compared=compared)
    drawn = draw_images(teacher, images.cameras, compared)
    scores = frechet(drawn)
    diversity = scores.pop("diversity")
    return CardScores(
        frechet=scores,
        floor=frechet.floor,
        diversity=diversity,
        views=view_scores(teacher),
        depth=None if world is None else depth_against_world(teacher, world),
        tone=_tone(drawn),
        data_tone=_tone(reference),
        nearest=_distance_to_nearest(drawn[:256], seen),
        data_nearest=_distance_to_nearest(seen[:256], seen[256:]),
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
    )


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


def write_card(
    folder: Path,
    teacher: EG3DTeacher,
    scores: CardScores,
    *,
    images: int,
    begun_from: str | None,
    recipe: str,
    notes: str,
) -> None:
    """Writes card.md, card_scores.json and sheet.png into a teacher folder.

    Args:
        images: real images seen in training.
        begun_from: name of the teacher that the training began with; None: from scratch.
        recipe: the command, in a line.
        notes: to be added: hours, hardware, known faults.
    """
    passport = teacher.passport
    table = "\n".join(f"| {name} | {value} |" for name, value in card_rows(scores))
    once = (
        ", each identity seen in one image only,\nwithout depth or second views"
        if scores.world
        else ""
    )
    begun = "from scratch" if begun_from is None else f"from teacher `{begun_from}` on"
    text = f"""# Teacher `{passport.name}`

{KIND_NAMES.get(passport.kind, passport.kind)}, {passport.image_resolution}² images,
planes 3 × {passport.plane_channels} × {passport.plane_resolution}²,
{samples_of(teacher)}.
Trained {begun} by `trilift pretrain` on {scores.world or "photographs"}{once}.
Licence: {passport.licence}.

![identities by rows: yaw -0.6 to 0.6, then depth and normals](sheet.png)

| score | value |
|---|---|
| real images seen | {images:,} |
{table}

{scores.compared} generated images per Fréchet score, at the cameras of the data, truncation 1,
against {f"{scores.unseen:,} validation identities" if scores.unseen else "training images"};
scored {date.today()} on {platform.machine()}, torch {torch.__version__}. The floor is the distance
between real images and other real images with the same counts. Not FID.

Recipe: `{recipe}`

{notes}
"""
    write_png(folder / "sheet.png", teacher_sheet(teacher, identities=10))
    write_text(folder / "card.md", text)
    write_json(folder / "card_scores.json", asdict(scores))


def samples_of(teacher: EG3DTeacher) -> str:
    """How its rays are sampled, in words."""
    renderer, passport = teacher.renderer, teacher.passport
    if isinstance(renderer, WysiwygRenderer) and renderer.uses_proposals:
        counts = renderer.counts
        return (
            f"{counts.samples} to {counts.hard_samples} ray samples where the sampler places them,"
            f" {counts.mean_samples:.1f} with the probe's"
        )
    return f"{passport.depth_samples} + {passport.importance_samples} ray samples"


def card_rows(scores: CardScores) -> list[tuple[str, str]]:
    """What the card's table says."""
    ratios, views = scores.ratios(), scores.views
    rows = [
        (
            f"Fréchet distance on {name}, × floor",
            f"{ratios[name]:.1f} ({scores.frechet[name]:.4f}; floor {scores.floor[name]:.4f})",
        )
        for name in scores.frechet
    ]
    return [
        *rows,
        ("diversity, share of the data's", f"{scores.diversity:.2f}"),
        (
            "colour error between views ±0.15 rad after warping by depth (without)",
            f"{views['view_error']:.3f} ({views['view_still']:.3f})",
        ),
        *_sticking_rows(scores),
        *_depth_rows(scores),
        *_normal_rows(scores),
        (
            "brightness of faces, mean ± sd (data)",
            "{:.2f} ± {:.2f} ({:.2f} ± {:.2f})".format(*scores.tone, *scores.data_tone),
        ),
        (
            "distance to the nearest training image (of other training images)",
            f"{scores.nearest:.3f} ({scores.data_nearest:.3f})",
        ),
    ]


def _sticking_rows(scores: CardScores) -> list[tuple[str, str]]:
    found, world = scores.sticking, scores.world_sticking
    if found is None:
        return []
    own, behind = ("", "") if world is None else (" (the world's)", f" ({world.score:.2f})")
    return [(f"share of the detail that sticks to the screen{own}", f"{found.score:.2f}{behind}")]


def _normal_rows(scores: CardScores) -> list[tuple[str, str]]:
    normals = scores.normals
    if normals is None:
        return []
    own, behind = "", ""
    if normals.world_angle is not None:
        own, behind = " (of the world's own)", f" ({normals.world_angle:.1f}°)"
    ratios = normals.ratios()
    return [
        (
            f"angle between the normals of depth and field{own}",
            f"{normals.field_angle:.1f}°{behind}",
        ),
        *(
            (
                f"Fréchet distance of normals on {name}, × floor",
                f"{ratios[name]:.1f} ({value:.4f}; floor {normals.floor[name]:.4f})",
            )
            for name, value in normals.frechet.items()
        ),
    ]


def _depth_rows(scores: CardScores) -> list[tuple[str, str]]:
    shown = {
        "": scores.depth,
        " before training": scores.prior_depth,
        " of other identities of the world": scores.world_depth,
    }
    rows = []
    for name, depth in shown.items():
        if depth is None:
            continue
        rows += [
            (
                f"mean frontal depth{name}, correlation with the world's (inside the face)",
                f"{depth.correlation:.2f} ({depth.face_correlation:.2f})",
            ),
            (
                "… of each identity with the world's mean",
                f"{depth.identity_correlation:.2f} ({depth.identity_face_correlation:.2f})",
            ),
            (
                "… error of the mean after the offset, world units (offset)",
                f"{depth.error:.4f} ({depth.offset:+.3f})",
            ),
        ]
    return rows


def _tone(images: Float[Tensor, "image 3 height width"]) -> tuple[float, float]:
    brightness = ((F.adaptive_avg_pool2d(images, 64)[FACE] + 1) / 2).mean((1, 2, 3))
    return brightness.mean().item(), brightness.std().item()


def _distance_to_nearest(
    images: Float[Tensor, "image 3 height width"], others: Float[Tensor, "other 3 height width"]
) -> float:
    small, references = (F.adaptive_avg_pool2d(x, 32).flatten(1) for x in (images, others))
    return (torch.cdist(small, references).amin(1).mean() / small.shape[1] ** 0.5).item()
