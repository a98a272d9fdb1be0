"""Sequences of puppets: smooth, and the same whatever their length."""

from dataclasses import fields

import torch

from pipeline.worlds.puppets.factors import Expression
from pipeline.worlds.puppets.sequences import sequence
from pipeline.worlds.splits import PER_SPLIT


def test_a_frame_does_not_depend_on_how_many_follow():
    short, _ = sequence(5, 20)
    long, camera = sequence(5, 200)
    for field in fields(Expression):
        assert torch.equal(getattr(short, field.name), getattr(long, field.name)[:20])
    assert len(camera) == 200


def test_nothing_jumps():
    expression, camera = sequence(2 * PER_SPLIT + 3, 240, fps=30.0)
    assert camera.cam_to_world.diff(dim=0).abs().max() < 0.1
    assert expression.smile.diff(dim=0).abs().max() < 0.12
    assert expression.opening.max() > 0.04
    assert expression.blink.max() > 0.8
