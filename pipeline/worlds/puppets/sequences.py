"""Sequences: a puppet that speaks, blinks and turns its head before a camera that stands still."""

import math
from dataclasses import fields, replace

import torch
from torch import Tensor

from pipeline.worlds.draws import FactorDraws
from pipeline.worlds.splits import PER_SPLIT, WorldSeeds
from pipeline.worlds.views import WorldViews
from teachers.rendering.camera import Camera

from .distributions import draw_background, draw_expression, draw_identity, draw_light
from .factors import Expression, Puppet
from .world import PuppetWorld

HOLD_SECONDS = 1.2
"""Between two drawn expressions, which follow each other smoothly."""

BLINK_SECONDS = 0.16
BLINKS_EVERY = 2.6
SYLLABLES_PER_SECOND = 3.4
YAW, PITCH, ROLL = 0.42, 0.12, 0.05
"""Furthest turn of the head, radians."""


def sequence(seed: int, count: int, *, fps: float = 25.0) -> tuple[Expression, Camera]:
    """Expressions and cameras of consecutive frames, row by row.

    The world's head never moves, so that a turning head is a moving camera.

    Args:
        seed: of the expression and the motion.
        count: frames.
        fps: frames a second.
    """
    seconds = torch.arange(count, dtype=torch.float32) / fps
    first, last = seed // PER_SPLIT * PER_SPLIT, int(seconds[-1] / HOLD_SECONDS) + 2
    held = draw_expression([first + (seed - first + 7919 * n) % PER_SPLIT for n in range(last)])
    place = seconds / HOLD_SECONDS
    before, share = place.long(), place - place.floor()
    share = (share * share * (3 - 2 * share))[:, None]
    blended = {
        field.name: torch.lerp(
            getattr(held, field.name)[before], getattr(held, field.name)[before + 1], share
        )
        for field in fields(Expression)
    }
    draws = FactorDraws([seed], "sequence")
    phase = {
        name: float(draws.uniform(name, 0.0, 2 * math.pi))
        for name in ("speech", "blink", "yaw", "pitch", "roll")
    }
    expression = Expression(**blended)
    speech = _wave(seconds, SYLLABLES_PER_SECOND, phase["speech"]).clamp(min=0)
    since = (seconds + phase["blink"]) % BLINKS_EVERY
    blink = (1 - (since / BLINK_SECONDS - 1).abs()).clamp(min=0)
    expression = replace(
        expression,
        opening=expression.opening + 0.05 * speech[:, None],
        blink=torch.maximum(expression.blink, blink[:, None]),
    )
    camera = Camera.orbit(
        YAW * _wave(seconds, 0.31, phase["yaw"]),
        PITCH * _wave(seconds, 0.43, phase["pitch"]),
        roll=ROLL * _wave(seconds, 0.27, phase["roll"]),
    )
    return expression, camera


def _wave(seconds: Tensor, frequency: float, phase: float) -> Tensor:
    return (2 * math.pi * frequency * seconds + phase).sin()


def render_sequence(
    world: PuppetWorld, seeds: WorldSeeds, count: int, resolution: int, *, fps: float = 25.0
) -> WorldViews:
    """Consecutive frames of the first puppet of `seeds`."""
    expression, camera = sequence(seeds.expression[0], count, fps=fps)
    puppet = Puppet(draw_identity(seeds.identity[:1] * count), expression)
    light = draw_light(seeds.light[:1] * count)
    background = draw_background(seeds.background[:1] * count)
    return world.render_puppet(puppet, light, background, camera, resolution)


def render_moments(
    world: PuppetWorld,
    seeds: WorldSeeds,
    moments: list[int],
    camera: Camera,
    resolution: int,
    *,
    fps: float = 25.0,
) -> WorldViews:
    """The first puppet of `seeds` at some frames of its sequence, in any order, each from a camera
    of its own.
    """
    expression, _ = sequence(seeds.expression[0], max(moments) + 1, fps=fps)
    rows = {field.name: getattr(expression, field.name)[moments] for field in fields(Expression)}
    puppet = Puppet(draw_identity(seeds.identity[:1] * len(moments)), Expression(**rows))
    light = draw_light(seeds.light[:1] * len(moments))
    background = draw_background(seeds.background[:1] * len(moments))
    return world.render_puppet(puppet, light, background, camera, resolution)
