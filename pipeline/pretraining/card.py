"""The model card of a trained teacher: data, recipe, scores, known faults."""

import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch

from pipeline.pictures import write_png
from pipeline.runs.files import write_json, write_text
from teachers.eg3d.teacher import EG3DTeacher
from teachers.wysiwyg.renderer import WysiwygRenderer

from .card_scores import CardScores
from .teacher_views import teacher_sheet

KIND_NAMES = {"eg3d": "EG3D", "panohead": "PanoHead", "wysiwyg": "WYSIWYG"}


def write_card(
    folder: Path,
    teacher: EG3DTeacher,
    scores: CardScores,
    *,
    images: int,
    begun_from: str | None,
    imitated: int = 0,
    recipe: str,
    notes: str,
) -> None:
    """Writes card.md, card_scores.json and sheet.png into a teacher folder.

    Args:
        images: seen in training.
        begun_from: name of the teacher that the training began with; None: from scratch.
        imitated: of the images, those that only that teacher drew; the others are real ones.
        recipe: the command, in a line.
        notes: to be added: hours, hardware, known faults.
    """
    passport = teacher.passport
    table = "\n".join(f"| {name} | {value} |" for name, value in card_rows(scores))
    once = ", each identity seen in one image only,\nwithout depth or second views"
    data = f"{scores.world}{once}" if scores.world else "photographs"
    begun = "from scratch" if begun_from is None else f"from teacher `{begun_from}` on"
    trained = f"Trained {begun} by `trilift pretrain` on {data}."
    if imitated:
        trained = (
            f"Trained {begun} by `trilift pretrain`: it imitates that one's images and depths"
            f" ({images:,}).\nFrom {imitated:,} images on it saw real ones of {data}."
            if imitated < images
            else f"Trained by `trilift pretrain`: it imitates the images and depths of teacher"
            f" `{begun_from}`\n({images:,}), and has seen no real ones."
        )
    text = f"""# Teacher `{passport.name}`

{KIND_NAMES.get(passport.kind, passport.kind)}, {passport.image_resolution}² images,
planes 3 × {passport.plane_channels} × {passport.plane_resolution}²,
{samples_of(teacher)}.
{trained}
Licence: {passport.licence}.

![identities by rows: yaw -0.6 to 0.6, then depth and normals](sheet.png)

| score | value |
|---|---|
| real images seen | {images - imitated:,} |
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
    if scores.kid is not None:
        rows.append(
            (
                "KID on EfficientNet-Lite0's features (of other real images)",
                f"{scores.kid:.4f} ({scores.real_kid:.4f})",
            )
        )
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
