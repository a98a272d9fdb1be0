"""The kernels make the pictures of the readable world."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.worlds.puppets.anatomy import to_head
from pipeline.worlds.puppets.appearance import COLORS
from pipeline.worlds.puppets.body import parts
from pipeline.worlds.puppets.components import components
from pipeline.worlds.puppets.distributions import draw_expression, draw_identity
from pipeline.worlds.puppets.factors import HairStyle, HatKind, Puppet, pack, row_of
from pipeline.worlds.puppets.fast import FastSurface
from pipeline.worlds.puppets.kernel_files import kernels
from pipeline.worlds.puppets.presence import Presence
from pipeline.worlds.puppets.recording import write_kernel
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera


@pytest.mark.parametrize(
    ("first", "resolution", "supersampling", "yaw"),
    [(0, 32, 2, 0.3), (40, 24, 1, -0.9), (80, 64, 1, 0.0)],  # 24 is marched without cones
)
def test_pictures_are_those_of_the_readable_world(first, resolution, supersampling, yaw):
    seeds = WorldSeeds.of(Split.VALIDATE, range(first, first + 6))
    camera = Camera.orbit(torch.linspace(yaw - 0.2, yaw + 0.2, 6), torch.linspace(-0.3, 0.3, 6))
    world = PuppetWorld(supersampling=supersampling)
    with use_kernels("readable"):
        expected = world.render(seeds, camera, resolution)
    with use_kernels("fast"):
        found = world.render(seeds, camera, resolution)
    differs = found.opacity != expected.opacity  # a sample on a silhouette may hit or miss
    assert differs.float().mean() < 1e-3
    agrees = ~differs
    assert (found.depth - expected.depth).abs()[agrees].max() < 1e-4
    for name, tolerance in (("color", 1 / 255), ("normal", 0.01)):
        error = (getattr(found, name) - getattr(expected, name)).abs() * agrees
        assert error.max() < tolerance, name
        assert error.mean() < 1e-5, name
    assert ((found.part != expected.part) & agrees).float().mean() < 1e-3
    torch.testing.assert_close(found.backdrop, expected.backdrop, rtol=0, atol=0)


@pytest.mark.parametrize("style", list(HairStyle))
def test_distances_and_colours_of_every_style_are_the_readable_ones(style):
    number = int(style)
    identity, expression = draw_identity([number]), draw_expression([number])
    kinds = {"hat": torch.full((1, 1), float(number % len(HatKind)))}
    kinds["glasses"] = torch.full((1, 1), float(number % 4))
    kinds["earrings"] = torch.full((1, 1), float(number % 2))
    kinds["collar"] = torch.full((1, 1), float(number % 3))
    hair = replace(
        identity.hair,
        style=torch.full((1, 1), float(number)),
        beard=torch.full((1, 1), float(number // 2 % 4)),
        moustache=torch.full((1, 1), float(number % 2)),
    )
    outfit = replace(identity.outfit, **kinds)
    puppet = Puppet(replace(identity, hair=hair, outfit=outfit), expression)
    points = torch.rand(1, 500, 3, generator=torch.Generator().manual_seed(number)) - 0.5
    columns = points[0].T.contiguous().numpy()
    at = to_head(points.unbind(-1), puppet.identity.head)
    presence = Presence.of(puppet.identity)
    expected = torch.stack([d[0] for _, d in parts(at, puppet, presence)])
    found = torch.from_numpy(FastSurface(puppet).parts(*columns))
    absent = expected > 100  # bald
    torch.testing.assert_close(found, expected[~absent.all(1)], atol=5e-6, rtol=1e-5)
    labels = [part for part, _ in parts(at, puppet, presence)]
    present = [part for part, gone in zip(labels, absent.all(1), strict=True) if not gone]
    assert present == [label for c in components(presence) for label in c.labels]


@pytest.mark.parametrize("part", COLORS)
def test_colours_of_every_part_are_the_readable_ones(part):
    identity_seeds = list(range(6))
    puppet = Puppet(draw_identity(identity_seeds), draw_expression(identity_seeds))
    points = torch.rand(6, 300, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    colors = COLORS[part](to_head(points.unbind(-1), puppet.identity.head), puppet)
    expected = colors.expand(6, 300, 3)
    kernel = getattr(kernels(), f"{part.name.lower()}_color")
    found = np.empty((3, 300), np.float32)
    for i in range(6):
        kernel(pack(row_of(puppet, i))[0].numpy(), *points[i].T.contiguous().numpy(), found)
        error = (torch.from_numpy(found.T) - expected[i]).abs()
        assert error.max() < 1e-3 or (error > 1e-3).float().mean() < 0.01  # edges of patterns
        assert error.median() < 1e-5


def test_polynomials_are_exact_to_float32():
    lanes = kernels()
    values = np.linspace(-300, 300, 2001, dtype=np.float32)
    for mine, exact, arguments in (
        (lanes.sin, np.sin, (values,)),
        (lanes.exp, np.exp, (-abs(values),)),
        (lanes.atan2, np.arctan2, (values, values[::-1] + np.float32(0.3))),
    ):
        found = [mine(*row) for row in zip(*arguments, strict=True)]
        expected = exact(*(a.astype(np.float64) for a in arguments))
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_an_operator_that_kernels_do_not_know_is_refused():
    with pytest.raises(NotImplementedError, match="erf"):
        write_kernel("k", lambda points, puppet: [points[0].erf()])
