"""Prints a table of teachers at 5 to 96 samples per ray, as docs/pretraining.md explains it: how
far their pictures are from the world's and from their own at dense sampling, and their look-ups.

Run from the repository's root; settings are those of `trilift pretrain`, for the images that the
pictures are compared with: the card's, identities of the validation split (rendered on the first
run) or photographs. Pictures are drawn at their cameras.

    python docs/figures/ray_samples.py bundled/puppets runs/pretrain/wysiwyg/teacher data=puppets
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from pipeline.build.configuration import compose
from pipeline.build.pretraining import build_validation, load_photographs
from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.pretraining.ray_samples import BUDGETS, SamplerScores, samples_table, score_samplers
from pipeline.pretraining.training_images import TrainingImages
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kernels import choose_kernels


def main() -> None:
    """Prints the table; progress goes to the standard error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teachers", nargs="+", help="folders, and settings KEY=VALUE of pretrain")
    parser.add_argument("--compared", type=int, default=512, help="pictures per Fréchet distance")
    parser.add_argument("--real", type=int, default=8000, help="images that they're compared with")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--kernels", default="fast")
    given = parser.parse_args()
    choose_kernels(given.kernels)
    settings = [one for one in given.teachers if "=" in one]
    images = compared_images(compose("pretrain", *settings))
    scores: dict[str, list[SamplerScores]] = {}
    for folder in (one for one in given.teachers if "=" not in one):
        teacher = load_teacher(folder)
        assert isinstance(teacher, EG3DTeacher)
        frechet = compared_with(images, teacher, given.real, given.compared)
        found = scores.setdefault(name_of(folder, teacher), [])
        for one in score_samplers(teacher, frechet, images.cameras, budgets=given.budgets):
            sys.stderr.write(f"{folder} {one}\n")
            found.append(one)
    sys.stdout.write(samples_table(scores) + "\n")
    sys.stdout.write(f"\n{given.compared} pictures, torch {torch.__version__}\n")


def compared_images(config: Any) -> TrainingImages:
    """Those that a card compares with."""
    is_rendered = config.data._target_.endswith("rendered_images")
    if is_rendered and config.card.validation:
        return build_validation(config)
    return load_photographs(config)


def compared_with(
    images: TrainingImages, teacher: EG3DTeacher, real: int, compared: int
) -> FrechetScores:
    """Distances to real images, in front of the teacher's background."""
    behind = 0.0 if teacher.passport.background == "black" else 1.0
    return FrechetScores(images.first(real, behind), compared=compared)


def name_of(folder: str, teacher: EG3DTeacher) -> str:
    """Kind and folder's name: a run's teacher is called as the run."""
    path = Path(folder)
    return f"{teacher.passport.kind} `{path.parent.name if path.name == 'teacher' else path.name}`"


if __name__ == "__main__":
    main()
