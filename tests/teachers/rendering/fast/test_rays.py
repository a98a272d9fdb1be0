"""Rays at given depths in kernels: values and gradients are those of PyTorch's own operators."""

import dataclasses

import numpy as np
import pytest
import torch

from teachers.rendering.camera import Camera, Rays
from teachers.rendering.fast import rays as fast_rays
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane
from teachers.rendering.two_layers import TwoLayers

HEAD = torch.tensor([[0.0, 0.0, 0.0, 0.2, 0.25, 0.2], [0.0, -0.3, 0.0, 0.3, 0.1, 0.2]])


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(channels: int, hidden: int, colors: int, **settings) -> TwoLayers:
    return TwoLayers(
        drawn(hidden, channels, seed=1) / channels**0.5,
        drawn(hidden, seed=2),
        drawn(1 + colors, hidden, seed=3) / hidden**0.5 * 3,
        drawn(1 + colors, seed=4),
        **settings,
    )


PRIOR = {
    "logit_gain": 2.0, "ellipsoids": HEAD, "solids": 1, "slopes": (5.0, -5.0, 2.0, 50.0),
}  # fmt: skip
CASES = {
    "eg3d": (2, 32, 16, EG3D_AXES, network(32, 64, 32)),
    "puppets": (3, 16, 32, ORTHOGONAL_AXES, network(16, 32, 3, density_gain=20.0, **PRIOR)),
    "dense": (1, 16, 8, ORTHOGONAL_AXES, network(16, 16, 15, density_gain=60.0)),
    "whole vector of colours": (1, 48, 8, EG3D_AXES, network(48, 48, 16, density_gain=5.0)),
}
SIDE = 9


def cast(batch: int, samples: int) -> fast_rays.Cast:
    """Some of the rays of each image, in another order than the pixels'."""
    angles = drawn(2, batch, seed=5) * 0.5
    rays = Camera.orbit(angles[0], angles[1], radius=2.7, focal=2.2).rays(SIDE)
    depths = torch.rand(batch, SIDE**2, samples, generator=torch.Generator().manual_seed(6))
    random = np.random.default_rng(0)
    order = [random.permutation(SIDE**2)[: SIDE**2 - 7 * row] for row in range(batch)]
    return fast_rays.Cast(rays, order, (depths * 1.2 + 2.1).sort(-1).values)


def in_double(triplane: Triplane, layers: TwoLayers, what: fast_rays.Cast):
    """The same in double precision."""
    ellipsoids = None if layers.ellipsoids is None else layers.ellipsoids.double()
    return (
        triplane.with_planes(triplane.planes.detach().double()),
        dataclasses.replace(
            layers.with_parameters(*(x.detach().double() for x in layers.parameters)),
            ellipsoids=ellipsoids,
        ),
        fast_rays.Cast(
            Rays(what.rays.origins.double(), what.rays.directions.double()),
            what.order,
            what.depths.double(),
        ),
    )


def leaves(triplane: Triplane, layers: TwoLayers) -> list[torch.Tensor]:
    return [tensor.clone().requires_grad_() for tensor in (triplane.planes, *layers.parameters)]


def gradients(composite, triplane, layers, what, *, again=False, needed=None):
    """Sums, and gradients of planes and weights; `again`: those of the gradients' squares."""
    inputs = leaves(triplane, layers)
    wanted = inputs if needed is None else [inputs[number] for number in needed]
    if needed is not None:
        inputs = [
            tensor if number in needed else tensor.detach() for number, tensor in enumerate(inputs)
        ]
    sums = composite(triplane.with_planes(inputs[0]), layers.with_parameters(*inputs[1:]), what)
    features, depth, opacity = sums
    loss = features.sin().sum() + depth.cos().sum() + opacity.square().sum()
    found = torch.autograd.grad(loss, wanted, create_graph=again)
    if again:
        found = torch.autograd.grad(sum(one.square().sum() for one in found), wanted)
    return [one.detach() for one in sums], found


def assert_close(expected: torch.Tensor, got: torch.Tensor, share: float = 2e-5) -> None:
    scale = expected.abs().max()
    assert scale > 0
    assert (got - expected).abs().max() < share * scale


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("samples", [2, 12, 40])
def test_sums_and_gradients_are_those_of_double_precision(case, samples):
    batch, channels, size, axes, layers = CASES[case]
    planes = drawn(batch, 3, channels, size, size) * 2
    triplane, what = Triplane(planes, axes), cast(batch, samples)
    expected, slopes = gradients(fast_rays._readable, *in_double(triplane, layers, what))
    for channels_last in (False, True):
        given = triplane
        if channels_last:  # as a synthesis network makes them: planes lie between rows
            image = planes.flatten(1, 2).contiguous(memory_format=torch.channels_last)
            given = triplane.with_planes(image.unflatten(1, (3, channels)))
        sums, found = gradients(fast_rays.composite, given, layers, what)
        for one, other in zip((*expected, *slopes), (*sums, *found), strict=True):
            assert_close(one, other)
        assert found[0].shape == planes.shape


@pytest.mark.parametrize("needed", [(0,), (1, 2, 3, 4), (3,), (0, 2)])
def test_gradients_of_some_inputs_are_those_of_all(needed):
    batch, channels, size, axes, layers = CASES["puppets"]
    triplane, what = Triplane(drawn(batch, 3, channels, size, size), axes), cast(batch, 12)
    _, every = gradients(fast_rays.composite, triplane, layers, what)
    _, some = gradients(fast_rays.composite, triplane, layers, what, needed=needed)
    for number, one in zip(needed, some, strict=True):
        assert torch.equal(one, every[number])


def test_the_number_of_threads_and_the_batch_change_no_bit():
    batch, channels, size, axes, layers = CASES["puppets"]
    triplane, what = Triplane(drawn(batch, 3, channels, size, size), axes), cast(batch, 24)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(gradients(fast_rays.composite, triplane, layers, what))
    finally:
        torch.set_num_threads(before)
    for sums, found in results[1:]:
        for one, other in zip((*results[0][0], *results[0][1]), (*sums, *found), strict=True):
            assert torch.equal(one, other)
    row = fast_rays.Cast(
        Rays(what.rays.origins[1:2], what.rays.directions[1:2]), what.order[1:2], what.depths[1:2]
    )
    alone = gradients(fast_rays.composite, triplane[1:2], layers, row)
    assert torch.equal(alone[0][0], results[0][0][0][1:2])
    assert torch.equal(alone[1][0], results[0][1][0][1:2])


def test_planes_that_share_memory_have_the_gradient_of_their_copies():
    _, channels, size, axes, layers = CASES["puppets"]
    image = drawn(1, 3 * channels, size, size).contiguous(memory_format=torch.channels_last)
    shared = image.unflatten(1, (3, channels)).expand(3, -1, -1, -1, -1)
    what = cast(3, 12)
    found = []
    for planes in (shared, shared.contiguous()):
        leaf = planes.detach().requires_grad_()
        features, _, _ = fast_rays.composite(Triplane(leaf, axes), layers, what)
        found.append(torch.autograd.grad(features.sin().sum(), leaf)[0])
    assert torch.equal(*found)


def test_second_derivatives_are_those_of_the_readable_code():
    batch, channels, size, axes, layers = CASES["puppets"]
    triplane, what = Triplane(drawn(batch, 3, channels, size, size), axes), cast(batch, 8)
    _, expected = gradients(fast_rays._readable, triplane, layers, what, again=True)
    _, found = gradients(fast_rays.composite, triplane, layers, what, again=True)
    for one, other in zip(expected, found, strict=True):
        assert_close(one, other, 1e-4)


def test_an_image_without_rays_is_empty_and_has_no_gradient():
    batch, channels, size, axes, layers = CASES["eg3d"]
    triplane, what = Triplane(drawn(batch, 3, channels, size, size), axes), cast(batch, 8)
    none = dataclasses.replace(what, order=[what.order[0], what.order[1][:0]])
    (features, depth, opacity), found = gradients(fast_rays.composite, triplane, layers, none)
    assert all(one[1].abs().max() == 0 for one in (features, depth, opacity, found[0]))
    assert found[0][0].abs().max() > 0
