"""Sequences: a person who listens, speaks and moves the head before a camera that stands still."""

import torch

from pipeline.worlds.splits import WorldSeeds
from pipeline.worlds.views import WorldViews
from teachers.rendering.camera import Camera

from .background import draw_background
from .distributions import draw_identity
from .factors import Expression, Person
from .frame import PIVOT
from .light import draw_light
from .motion import expression_at
from .world import HeadWorld


def sequence(
    seed: int, count: int, *, fps: float = 25.0, yaw: float = 0.0, pitch: float = 0.0
) -> tuple[list[Expression], Camera]:
    """Expressions and cameras of consecutive frames.

    The world's head never moves, so that a turning head is a moving camera and a torso that turns
    the other way.

    Args:
        seed: of the expression.
        count: frames.
        fps: frames a second.
        yaw: of the camera against the torso, radians.
        pitch: likewise.
    """
    expressions = [expression_at(seed, frame / fps) for frame in range(count)]
    necks = torch.tensor([expression.neck for expression in expressions])
    camera = Camera.orbit(yaw - necks[:, 0], pitch - necks[:, 1], roll=necks[:, 2], pivot=PIVOT)
    return expressions, camera


def render_sequence(
    world: HeadWorld,
    seeds: WorldSeeds,
    count: int,
    resolution: int,
    *,
    fps: float = 25.0,
    frames: list[int] | None = None,
) -> WorldViews:
    """Consecutive frames of the first person of `seeds`, or `frames` of them only."""
    expressions, camera = sequence(seeds.expression[0], count, fps=fps)
    if frames is not None:
        expressions, camera = [expressions[frame] for frame in frames], camera[torch.tensor(frames)]
        count = len(frames)
    identity, light = draw_identity(seeds.identity[0]), draw_light(seeds.light[0])
    background = draw_background(seeds.background[0])
    people = [Person(identity, expression) for expression in expressions]
    still = Camera.orbit(torch.zeros(1), torch.zeros(1), pivot=PIVOT).expand(count)
    return world.render_people(
        people, [light] * count, [background] * count, camera, resolution, behind=still
    )


def render_moments(
    world: HeadWorld,
    seeds: WorldSeeds,
    moments: list[int],
    camera: Camera,
    resolution: int,
    *,
    fps: float = 25.0,
) -> WorldViews:
    """The first person of `seeds` at some frames of the sequence, in any order, each from a camera
    of its own; the torso stays straight.
    """
    identity, light = draw_identity(seeds.identity[0]), draw_light(seeds.light[0])
    background = draw_background(seeds.background[0])
    seed = seeds.expression[0]
    found = [expression_at(seed, moment / fps, is_head_still=True) for moment in moments]
    people = [Person(identity, expression) for expression in found]
    count = len(moments)
    return world.render_people(people, [light] * count, [background] * count, camera, resolution)
