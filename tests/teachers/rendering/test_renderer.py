"""From planes and a camera to a picture; the two kinds of first pass; what gradients reach."""

import dataclasses

import pytest
import torch
from torch import nn

from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane


class Blob(nn.Module):
    """The first feature is the density logit, the next three the colours; empty outside a ball."""

    def forward(
        self, features: torch.Tensor, points: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return features[..., 1:4].sigmoid(), self.density_logit(features, points)

    def density_logit(self, features: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return features[..., :1] + (0.25 - points.norm(dim=-1, keepdim=True)) * 300


SAMPLING = RaySampling(near=2.2, far=3.2, depth_samples=24, importance_samples=24)


def renderer(background: float | None = None, resolution: int = 12, **sampling) -> TriplaneRenderer:
    return TriplaneRenderer(
        decoder=Blob(),
        sampling=dataclasses.replace(SAMPLING, **sampling),
        resolution=resolution,
        background=background,
    )


def identities(count: int = 2) -> Triplane:
    """Smooth planes: a field that both first passes can follow."""
    noise = torch.randn(count, 3, 4, 4, 4, generator=torch.Generator().manual_seed(5))
    planes = nn.functional.interpolate(
        noise.flatten(0, 1), size=(16, 16), mode="bicubic"
    ).unflatten(0, (count, 3))
    return Triplane(planes, ORTHOGONAL_AXES, 1.0)


def cameras(count: int = 2) -> Camera:
    return Camera.orbit(torch.linspace(-0.4, 0.4, count), torch.full((count,), 0.1), focal=3.0)


def test_feature_image_raw_image_and_image_are_the_same_without_super_resolution():
    rendering = renderer()(identities(), cameras())
    assert rendering.image.shape == (2, 3, 12, 12)
    assert rendering.depth.shape == rendering.opacity.shape == (2, 1, 12, 12)
    assert torch.equal(rendering.image, rendering.feature_image[:, :3])
    assert torch.equal(rendering.image, rendering.image_raw)


def test_what_is_empty_is_black_or_the_background():
    corner = (0, slice(None), 0, 0)
    assert renderer()(identities(), cameras()).opacity[corner].item() < 1e-3
    for background, value in ((None, -1.0), (1.0, 1.0), (0.5, 0.0)):
        assert renderer(background)(identities(), cameras()).image[
            corner
        ].tolist() == pytest.approx([value] * 3, abs=5e-3)


def test_a_background_adds_exactly_what_the_opacity_leaves():
    black, white = renderer()(identities(), cameras()), renderer(1.0)(identities(), cameras())
    assert torch.allclose(white.image, black.image + 2 * (1 - black.opacity), atol=1e-6)


def test_pictures_do_not_depend_on_their_neighbours():
    for first_pass in ("reused", "proposal"):
        draw = renderer(1.0, first_pass=first_pass)
        small = identities()
        small.planes[1] -= 8  # the second identity fills fewer rays
        together = draw(small, cameras())
        for row in range(2):
            alone = draw(small[row : row + 1], cameras()[row : row + 1])
            for name in ("image", "depth", "opacity"):
                assert torch.allclose(
                    getattr(together, name)[row : row + 1], getattr(alone, name), atol=1e-6
                ), (first_pass, name)


@pytest.mark.parametrize("first_pass", ["reused", "proposal"])
def test_how_many_points_are_looked_up_at_once_changes_no_picture(first_pass):
    random = torch.Generator().manual_seed(3)
    jitter = RayJitter(*(torch.rand(3, 144, 24, generator=random) for _ in range(2)))
    one_by_one, together = (
        renderer(first_pass=first_pass, max_points=points)(identities(3), cameras(3), jitter=jitter)
        for points in (500, 1 << 20)
    )
    for name in ("image", "depth", "opacity"):
        assert torch.allclose(getattr(one_by_one, name), getattr(together, name), atol=1e-5), name


def test_a_first_pass_that_only_proposes_gives_the_same_picture_of_a_smooth_field():
    reused = renderer(1.0, resolution=16, depth_samples=64, importance_samples=64)(
        identities(), cameras()
    )
    proposed = renderer(
        1.0, resolution=16, depth_samples=64, importance_samples=64, first_pass="proposal"
    )(identities(), cameras())
    assert (reused.image - proposed.image).abs().mean() < 0.01
    assert (reused.opacity - proposed.opacity).abs().mean() < 0.005
    solid = reused.opacity > 0.95
    assert solid.float().mean() > 0.05
    assert (reused.depth - proposed.depth)[solid].abs().mean() < 0.01


def test_rays_that_see_nothing_have_the_farthest_depth_with_either_first_pass():
    for first_pass in ("reused", "proposal"):
        triplane = Triplane(torch.full((1, 3, 4, 4, 4), -900.0), ORTHOGONAL_AXES, 4.0)
        rendering = renderer(first_pass=first_pass)(triplane, cameras(1))
        assert rendering.opacity.max() == 0
        assert rendering.depth.min() == rendering.depth.max()
        assert 3.1 < rendering.depth.max() < 3.3


def test_a_proposal_needs_importance_samples_and_a_marcher_needs_a_known_name():
    few = renderer(first_pass="proposal", importance_samples=1)
    with pytest.raises(ValueError, match="at least 2"):
        few(identities(), cameras())
    with pytest.raises(ValueError, match="'spiral': use reused or proposal, or give"):
        renderer(first_pass="spiral")


def test_a_changed_renderer_shares_its_networks_and_leaves_the_original_alone():
    original = renderer(1.0)
    changed = original.changed(resolution=6, depth_samples=5, decoder=torch.nn.Identity())
    assert (changed.resolution, changed.ray_samples) == (6, (5, 24))
    assert (original.resolution, original.ray_samples) == (12, (24, 24))
    assert isinstance(changed.decoder, torch.nn.Identity)
    assert not isinstance(original.decoder, torch.nn.Identity)


def test_a_proposal_needs_an_even_resolution():
    with pytest.raises(ValueError, match="even"):
        renderer(resolution=7, first_pass="proposal")(identities(), cameras())


@pytest.mark.parametrize("first_pass", ["reused", "proposal"])
def test_gradients_flow_to_planes_and_camera(first_pass):
    triplane, yaw = identities(), torch.tensor([0.1, 0.2], requires_grad=True)
    triplane.planes.requires_grad_()
    rendering = renderer(1.0, first_pass=first_pass)(
        triplane, Camera.orbit(yaw, torch.zeros(2), focal=3.0)
    )
    (rendering.image.square().mean() + rendering.depth.mean()).backward()
    assert (triplane.planes.grad.abs().amax((2, 3, 4)) > 0).all()
    assert triplane.planes.grad.isfinite().all()
    assert (yaw.grad.abs() > 0).all()


def test_injected_jitter_makes_rendering_a_function_of_its_arguments():
    random = torch.Generator().manual_seed(3)
    jitter = RayJitter(*(torch.rand(2, 144, 24, generator=random) for _ in range(2)))
    draw = renderer(1.0)
    once = draw(identities(), cameras(), jitter=jitter)
    torch.manual_seed(99)
    again = draw(identities(), cameras(), jitter=jitter)
    assert torch.equal(once.image, again.image)
    assert not torch.equal(once.image, draw(identities(), cameras()).image)


def test_one_identity_and_several_cameras_have_to_be_matched_first():
    with pytest.raises(ValueError, match=r"1 triplanes and 2 cameras.*repeat_interleave"):
        renderer()(identities(1), cameras(2))
    assert renderer()(identities(1).repeat_interleave(2), cameras(2)).image.shape[0] == 2


@pytest.mark.parametrize("kernels", ["readable", "fast"])
def test_jitter_of_other_rays_is_refused(kernels):
    jitter = RayJitter(torch.rand(2, 16, 24), torch.rand(2, 16, 24))
    with (
        use_kernels(kernels),
        pytest.raises(ValueError, match=r"jitter of \[2, 16\] .* \[2, 144\]"),
    ):
        renderer()(identities(), cameras(), jitter=jitter)
