"""Who is lifted in the demo: held-out people of a student's own world, and one real photograph."""

from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.evaluation.suites.puppet_suite import photograph_of
from pipeline.pictures import from_uint8
from teachers.passport import Passport

from .lifts import Photograph

PUPPETS, HEADS = "puppets", "heads"

RESOLUTION = 128
"""Side of the puppets' photographs; students scale them to their own size."""

YAWS_DEG = (15.0, -20.0, 5.0)
"""Yaw of the puppets' photographs, in turn."""

EXAMPLES = Path(str(files("pipeline.evaluation") / "examples"))
HELD_OUT_HEADS = (("head3.png", 3, -20.0), ("head10.png", 10, 15.0))
"""Files, numbers in the test split, yaws: drawn before, since the world of heads needs anny."""

PORTRAIT = EXAMPLES / "astronaut.jpg"


def world_of(passport: Passport) -> str:
    """The world that a student's teacher learnt from: `HEADS`, or else `PUPPETS`."""
    names = [passport.name, *(data["name"] for data in passport.training_data)]
    return HEADS if any(HEADS in name for name in names) else PUPPETS


def cast_of(passport: Passport, *, puppets: list[int], photograph: Path | None) -> list[Photograph]:
    """Photographs for a student.

    Args:
        passport: of its teacher.
        puppets: numbers in the test split of the world of puppets.
        photograph: a file; None: the bundled public-domain portrait.
    """
    people = _heads() if world_of(passport) == HEADS else _puppets(passport, puppets)
    return [*people, _real(world_of(passport), photograph)]


def _puppets(passport: Passport, numbers: list[int]) -> list[Photograph]:
    return [
        Photograph(
            f"puppet{number}",
            f"Test puppet {number}",
            _held_out(number, YAWS_DEG[place % len(YAWS_DEG)]),
            photograph_of(
                number, passport, yaw_deg=YAWS_DEG[place % len(YAWS_DEG)], resolution=RESOLUTION
            ),
        )
        for place, number in enumerate(numbers)
    ]


def _heads() -> list[Photograph]:
    return [
        Photograph(f"head{number}", f"Test head {number}", _held_out(number, yaw), _opened(file))
        for file, number, yaw in HELD_OUT_HEADS
    ]


def _opened(file: str) -> Float[Tensor, "3 side side"]:
    """In [-1, 1]; not looked through for a face, since it is drawn in the teacher's crop."""
    return from_uint8(np.array(Image.open(EXAMPLES / file).convert("RGB")))


def _real(world: str, photograph: Path | None) -> Photograph:
    seen = "cartoon puppets" if world == PUPPETS else "rendered heads"
    what = (
        "Eileen Collins, portrait by NASA, public domain."
        if photograph is None
        else f"{photograph.name} (photograph=…)."
    )
    expect = (
        f"{what} The student has seen {seen} only, no photograph: it answers with the nearest of"
        " its own. No likeness, and soft where it is unsure."
    )
    title = "A real photograph"
    return Photograph(f"real_{world}", title, expect, photograph or PORTRAIT, is_outside=True)


def _held_out(number: int, yaw_deg: float) -> str:
    return (
        f"Number {number} of the test split, yaw {yaw_deg:+.0f}°. Neither the teacher nor the"
        " student was trained on it. What the photograph hides is filled in by what is likely, and"
        " stays soft."
    )
