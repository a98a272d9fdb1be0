"""Expressions: what the documentation says of the gaze."""

import numpy as np
import pytest

from pipeline.build.configuration import compose, to_plain
from pipeline.worlds.dataset import PoseDistribution
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.frame import PIVOT
from pipeline.worlds.heads.shape import head_shape
from pipeline.worlds.splits import Split, WorldSeeds

COUNT = 3000


def test_so_many_look_at_the_camera_as_the_documentation_says(repository):
    drawn = to_plain(compose("pretrain", "data=heads"))["data"]["pose_distribution"]
    seeds = WorldSeeds.of(Split.TRAIN, range(COUNT))
    cameras = PoseDistribution(**drawn).cameras(seeds, PIVOT).cam_to_world[:, :3, 3].numpy()
    people = list(zip(seeds.identity, seeds.expression, strict=True))
    shapes = [
        head_shape(draw_identity(identity).physique, draw_expression(expression, identity))
        for identity, expression in people[:8]
    ]
    # the head stays when the neck turns, and eyes lie within millimetres of each other's
    between_eyes = np.mean([eye.center for shape in shapes for eye in shape.eyes], 0)
    yaw, pitch = np.array(
        [np.mean(draw_expression(expression, identity).gaze, 0) for identity, expression in people]
    ).T
    gaze = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], 1)
    towards = cameras - between_eyes
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    off = np.degrees(np.arccos((gaze * towards).sum(1)))
    is_frontal = np.abs(np.arctan2(towards[:, 0], towards[:, 2])) < np.radians(20)
    found = [(off < 5).mean(), (off < 10).mean(), (off[is_frontal] < 5).mean()]
    assert found == pytest.approx([0.35, 0.55, 0.72], abs=0.006)
    said = (repository / "docs" / "worlds.md").read_text()
    assert (
        "35 % look within 5° of the camera and 55 % within 10°" in said and "72 % within 5°" in said
    )
