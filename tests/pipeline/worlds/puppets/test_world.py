from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pipeline.worlds.puppets.anatomy import CENTER_Y, CENTER_Z, HEAD_UNIT
from pipeline.worlds.puppets.body import BOUND, Part, distance
from pipeline.worlds.puppets.distributions import (
    draw_background,
    draw_expression,
    draw_identity,
    draw_light,
)
from pipeline.worlds.puppets.factors import HairStyle, Puppet
from pipeline.worlds.puppets.presence import Presence
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.views import WorldViews
from teachers.rendering.camera import Camera

SEEDS = WorldSeeds.of(Split.TRAIN, range(4))
RESOLUTION = 48


def orbit(yaw: float, pitch: float = 0.0, batch: int = 4) -> Camera:
    return Camera.orbit(torch.full((batch,), yaw), torch.full((batch,), pitch))


@pytest.fixture(scope="module")
def world() -> PuppetWorld:
    return PuppetWorld(supersampling=1)


@pytest.fixture(scope="module")
def views(world) -> WorldViews:
    return world.render(SEEDS, orbit(0.2, 0.1), RESOLUTION)


def surface_points(views: WorldViews) -> torch.Tensor:
    depths = views.depth.flatten(2).mT
    return views.camera.rays(RESOLUTION).at(depths)[:, :, 0]


def test_an_identity_is_the_same_whatever_the_batch(world, views):
    alone = world.render(SEEDS[2:3], orbit(0.2, 0.1, 1), RESOLUTION)
    torch.testing.assert_close(alone.color[0], views.color[2], atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.depth[0], views.depth[2], atol=1e-4, rtol=0)


def test_depth_of_one_view_agrees_with_another(world, views):
    other = world.render(SEEDS, orbit(-0.1, 0.0), RESOLUTION * 4)
    points = surface_points(views)
    position, expected = other.camera.project(points)
    found = F.grid_sample(
        other.depth, position[:, None] * 2 - 1, mode="nearest", align_corners=False
    )[:, 0, 0]
    is_seen = (views.opacity.flatten(1) == 1) & (found > 0)
    error = (found - expected).abs()[is_seen]
    assert error.median() < 0.003
    assert (error < 0.02).float().mean() > 0.8  # the others are hidden in one of the views


def test_depth_is_the_distance_along_the_unit_ray_to_where_the_signed_distance_vanishes(views):
    puppet = Puppet(draw_identity(SEEDS.identity), draw_expression(SEEDS.expression))
    residue = distance(surface_points(views).unbind(-1), puppet, Presence.of(puppet.identity)).abs()
    is_hit = views.opacity.flatten(1) == 1
    assert residue[is_hit].median() < 1e-3
    assert (
        residue[is_hit].quantile(0.95) < 0.004
    )  # the rest graze a silhouette: within a pixel of it


def test_rays_that_miss_never_come_near_the_surface(views):
    puppet = Puppet(draw_identity(SEEDS.identity), draw_expression(SEEDS.expression))
    depths = torch.linspace(2.2, 3.2, 60).expand(4, RESOLUTION**2, 60)
    along = views.camera.rays(RESOLUTION).at(depths).flatten(1, 2)
    nearest = (
        distance(along.unbind(-1), puppet, Presence.of(puppet.identity))
        .unflatten(1, (-1, 60))
        .amin(-1)
    )
    missed = views.opacity.flatten(1) == 0
    assert (nearest[missed] > -0.004).float().mean() > 0.998
    assert (nearest[~missed] < 0.012).float().mean() > 0.998


def test_supersampled_opacity_is_the_share_of_samples_that_hit(world):
    twice = PuppetWorld(supersampling=2).render(SEEDS, orbit(0.2), 24)
    fine = world.render(SEEDS, orbit(0.2), 48)
    torch.testing.assert_close(twice.opacity, F.avg_pool2d(fine.opacity, 2))
    torch.testing.assert_close(twice.color, F.avg_pool2d(fine.color, 2), atol=1e-5, rtol=0)


def test_colour_is_premultiplied_and_composites_over_anything(views):
    empty = views.opacity == 0
    assert empty.any() and (views.color * empty).abs().max() == 0
    assert (views.color <= views.opacity + 1e-6).all()
    white = views.image(1.0)
    assert (white[empty.expand_as(white)] == 1).all()
    torch.testing.assert_close(
        views.image()[empty.expand_as(white)], views.backdrop[empty.expand_as(white)] * 2 - 1
    )


def test_light_and_background_leave_the_identity_alone(world, views):
    changed = world.render(
        SEEDS.with_light([9, 8, 7, 6]).with_background([5, 4, 3, 2]), orbit(0.2, 0.1), RESOLUTION
    )
    for name in ("depth", "opacity", "normal", "part"):
        torch.testing.assert_close(getattr(changed, name), getattr(views, name), rtol=0, atol=0)
    assert (changed.color - views.color).abs().mean() > 0.005
    assert (changed.backdrop - views.backdrop).abs().mean() > 0.05


def test_an_expression_changes_the_face_and_not_the_hair_or_the_clothes(world, views):
    changed = world.render(SEEDS.with_expression([11, 12, 13, 14]), orbit(0.2, 0.1), RESOLUTION)
    hair = (views.part == Part.HAIR) & (changed.part == Part.HAIR)
    clothes = (views.part == Part.CLOTHES) & (changed.part == Part.CLOTHES)
    assert (changed.depth - views.depth)[hair | clothes].abs().quantile(0.95) < 1e-3
    assert (changed.color - views.color).abs().amax() > 0.1


def test_normals_have_unit_length_and_face_the_camera(views):
    inside = views.opacity[:, 0] == 1
    directions = views.camera.rays(RESOLUTION).directions.mT.unflatten(2, (RESOLUTION, RESOLUTION))
    torch.testing.assert_close(views.normal.norm(dim=1)[inside], torch.ones(int(inside.sum())))
    facing = -(views.normal * directions).sum(1)[inside]
    assert (facing > -0.05).float().mean() > 0.985  # a few at silhouettes are averaged over an edge


def test_normals_agree_with_the_depth_of_neighbouring_pixels(world):
    view = world.render(SEEDS[:1], orbit(0.0, batch=1), 128)
    points = view.camera.rays(128).at(view.depth.flatten(2).mT)[:, :, 0].mT.unflatten(2, (128, 128))
    right, down = (
        points[..., :-1, 1:] - points[..., :-1, :-1],
        points[..., 1:, :-1] - points[..., :-1, :-1],
    )
    from_depth = F.normalize(torch.linalg.cross(down, right, dim=1), dim=1)
    agreement = (from_depth * view.normal[..., :-1, :-1]).sum(1)
    smooth = (
        (right.norm(dim=1) < 0.02) & (down.norm(dim=1) < 0.02) & (view.opacity[:, 0, :-1, :-1] == 1)
    )
    assert agreement[smooth].median() > 0.98


def test_the_signed_distance_can_be_trusted_by_the_tracer():
    seeds = list(range(40))
    puppet = Puppet(draw_identity(seeds), draw_expression(seeds))
    random = torch.Generator().manual_seed(0)
    points = torch.rand(40, 1000, 3, generator=random) - 0.5
    steps = F.normalize(torch.randn(40, 1000, 3, generator=random), dim=-1) * 1e-3
    presence = Presence.of(puppet.identity)
    here, there = (
        distance(points.unbind(-1), puppet, presence),
        distance((points + steps).unbind(-1), puppet, presence),
    )
    slopes = (there - here).abs() / 1e-3
    assert slopes.quantile(0.99) < 1.1


def test_leaving_out_absent_parts_changes_nothing():
    seeds = list(range(60, 70))
    puppet = Puppet(draw_identity(seeds), draw_expression(seeds))
    points = (torch.rand(10, 300, 3, generator=torch.Generator().manual_seed(0)) - 0.5).unbind(-1)
    torch.testing.assert_close(
        distance(points, puppet, Presence.of(puppet.identity)),
        distance(points, puppet, Presence.everything()),
    )


def test_everyone_fits_the_box(world):
    views = world.render(WorldSeeds.of(Split.TEST, range(4)), orbit(0.4, 0.3), RESOLUTION)
    inside = views.opacity.flatten(1) == 1
    assert surface_points(views)[inside].norm(dim=-1).max() < BOUND + 3e-3


def test_the_camera_sees_the_eyes_where_it_projects_them(world):
    identity = draw_identity(SEEDS.identity)
    identity = replace(
        identity, outfit=replace(identity.outfit, hat=torch.zeros(4, 1), glasses=torch.zeros(4, 1))
    )
    identity = replace(
        identity, hair=replace(identity.hair, style=torch.full((4, 1), float(HairStyle.BUZZ)))
    )
    expression = replace(draw_expression(SEEDS.expression), blink=torch.zeros(4, 1))
    light, background = draw_light(SEEDS.light), draw_background(SEEDS.background)
    views = world.render_puppet(
        Puppet(identity, expression), light, background, orbit(0.15, 0.05), 96
    )
    face, head = identity.face, identity.head
    for side in (-1, 1):
        y, z = face.eye_y, 0.66 + face.eye_radius
        x = side * face.eye_x - head.asymmetry * y
        eye = torch.stack([x, y + CENTER_Y, z + CENTER_Z], -1) * HEAD_UNIT * head.size[..., None]
        position, away = views.camera.project(eye)
        column, row = (position[:, 0] * 96).long().unbind(-1)
        assert (views.part[torch.arange(4), 0, row, column] == Part.EYE).all()
        torch.testing.assert_close(
            views.depth[torch.arange(4), 0, row, column], away[:, 0], atol=0.006, rtol=0
        )


def test_positive_yaw_sees_the_side_of_positive_x(world):
    left, right = (world.render(SEEDS, orbit(yaw), RESOLUTION) for yaw in (0.8, -0.8))
    for views, sign in ((left, 1), (right, -1)):
        x = surface_points(views)[..., 0][views.opacity.flatten(1) == 1]
        assert x.mean() * sign > 0.01


def test_one_camera_for_each_identity_is_demanded(world):
    with pytest.raises(ValueError, match="4 seeds came with 3 cameras"):
        world.render(SEEDS, orbit(0.0, batch=3), 16)


@pytest.mark.slow
def test_skin_is_balanced_as_rendered():
    world = PuppetWorld(supersampling=1)
    tones = []
    for start in range(0, 240, 8):
        seeds = WorldSeeds.of(Split.VALIDATE, range(start, start + 8))
        views = world.render(seeds, orbit(0.0, batch=8), 32)
        luminance = (views.color * torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1)
        tones += [
            float(identity[part[0] == Part.SKIN].median())
            for identity, part in zip(luminance, views.part, strict=True)
        ]
    quantiles = torch.tensor(tones).quantile(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    even = torch.linspace(float(quantiles[0]), float(quantiles[-1]), 5)
    assert (quantiles - even).abs().max() < 0.08
    assert quantiles[0] > 0.15 and quantiles[-1] > 0.6
