"""Hair: fewer strands look like many, grey is as common as stated; glasses fit the head."""

from dataclasses import replace

import numpy as np
import torch

from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.factors import GlassesKind, HairStyle, Person
from pipeline.worlds.heads.light import draw_light
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.rendering import lit, render
from pipeline.worlds.heads.scene import scene_of
from pipeline.worlds.heads.template import template
from pipeline.worlds.heads.world import lens_of
from teachers.rendering.camera import Camera


def test_a_quarter_of_the_strands_covers_the_same_and_has_the_same_colour():
    seed = next(s for s in range(99) if draw_identity(s).hair.style == HairStyle.LONG)
    person = Person(draw_identity(seed), draw_expression(seed, seed))
    lens = lens_of(Camera.orbit(torch.zeros(1), torch.zeros(1)), 0, 128)
    scenes = [scene_of(person, detail) for detail in (1.0, 0.25)]
    few, many = (scene.hair[-1].count for scene in scenes[::-1])
    assert few < 0.3 * many
    views = [render(lit(scene, draw_light(seed)), lens) for scene in scenes]
    hair = [view.part == Part.HAIR for view in views]
    assert (hair[0] & hair[1]).sum() > 0.9 * (hair[0] | hair[1]).sum()
    means = [view.color[mask].mean(0) for view, mask in zip(views, hair, strict=True)]
    assert np.abs(means[0] - means[1]).max() < 0.03


def test_half_of_the_people_of_fifty_have_some_grey():
    people = [draw_identity(seed) for seed in range(600)]
    grey = {low: [p.hair.grey for p in people if low <= p.physique.age < low + 12]
            for low in (18, 45, 68)}  # fmt: skip
    assert np.mean(np.array(grey[18]) > 0.1) < 0.05
    assert 0.2 < np.mean(np.array(grey[45]) > 0.05) < 0.6
    assert 0.3 < np.mean(grey[68]) < 0.6


def test_temples_of_glasses_end_between_the_head_and_the_ears():
    for seed in range(4):
        person = Person(draw_identity(seed), draw_expression(seed, seed))
        worn = replace(person.identity.outfit, glasses=GlassesKind(1 + seed))
        scene = scene_of(replace(person, identity=replace(person.identity, outfit=worn)), 0.25)
        frames = scene.mesh.vertices[scene.mesh.triangles[scene.mesh.part == Part.GLASSES].ravel()]
        frames = scene.skull.to_local(frames)
        head = scene.skull.to_local(scene.shape.vertices)
        ears = np.abs(head[template().ears > 0.5, 0]).max()
        behind = frames[frames[:, 2] < 0.3]
        assert len(behind) and np.abs(behind[:, 0]).max() < ears
        # Before the ears; the bridge lies on the nose, which the skull's grid rounds.
        before = frames[(frames[:, 2] > 0.55) & (np.abs(frames[:, 0]) > 0.5)]
        distance = np.linalg.norm(before, axis=1)
        assert (distance > scene.skull.radius(before / distance[:, None])).mean() > 0.95
