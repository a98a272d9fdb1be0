"""The published super-resolution modules: sizes, latents, and what their first block does to the
raw image.
"""

import pytest
import torch

from teachers.eg3d.superresolution import VARIANTS, SuperResolution
from teachers.rendering.camera import Camera
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane


def module(variant: str, latent: str = "constant_one", **others) -> SuperResolution:
    torch.manual_seed(0)
    return SuperResolution(
        variant=variant, feature_channels=4, w_dim=4, latent=latent, has_noise=False, **others
    )


@pytest.fixture(scope="module")
def small() -> SuperResolution:
    return module("2X")


@pytest.mark.parametrize("variant, side", [("2X", 128), ("4X", 256), ("8X", 512), ("8XDC", 512)])
def test_each_variant_has_the_size_that_its_class_was_published_with(variant, side):
    """On the meta device: nothing is computed but shapes."""
    with torch.device("meta"):
        network = module(variant)
        assert network(torch.zeros(1, 4, 64, 64), None).shape == (1, 3, side, side)
    assert VARIANTS[variant].image_resolution == side


def test_8xdc_is_wider_than_8x():
    with torch.device("meta"):
        wide, narrow = module("8XDC"), module("8X")
    assert [block.conv1.weight.shape[0] for block in (wide.block0, wide.block1)] == [256, 128]
    assert [block.conv1.weight.shape[0] for block in (narrow.block0, narrow.block1)] == [128, 64]


def test_4x_refuses_an_input_larger_than_its_own_and_others_shrink_it(small):
    with pytest.raises(ValueError, match=r"at most 128², got 130²"), torch.device("meta"):
        module("4X")(torch.zeros(1, 4, 130, 130), None)
    assert small(torch.zeros(1, 4, 80, 80), None).shape == (1, 3, 128, 128)


def test_shrinking_filters_first_by_default(small):
    fine = torch.randn(1, 4, 96, 96, generator=torch.Generator().manual_seed(1))
    assert small._resize(fine).std() < module("2X", antialias=False)._resize(fine).std()


def test_the_latent_one_needs_no_ws(small):
    features = torch.randn(2, 4, 64, 64)
    ones = module("2X", "teacher_w")(features, torch.ones(2, 1, 4))
    assert torch.allclose(small(features, None), ones, atol=1e-6)


def test_the_mean_latent_is_kept_in_the_module():
    network, features = module("2X", "w_mean"), torch.randn(1, 4, 64, 64)
    network.w_mean.copy_(torch.arange(4.0))
    assert torch.allclose(
        network(features, None),
        module("2X", "teacher_w")(features, torch.arange(4.0)[None, None]),
        atol=1e-6,
    )
    assert "w_mean" in network.state_dict()


def test_the_teachers_latent_is_the_last_of_ws():
    network, features = module("2X", "teacher_w"), torch.randn(1, 4, 64, 64)
    ws = torch.randn(1, 5, 4)
    assert torch.equal(network(features, ws), network(features, ws[:, -1:]))


def test_without_ws_the_error_says_what_to_give():
    with pytest.raises(ValueError, match=r"give render\(\) the ws"):
        module("2X", "teacher_w")(torch.zeros(1, 4, 64, 64), None)


def test_unknown_variants_and_latents_are_named():
    with pytest.raises(ValueError, match=r"'16X' is not known.*8XDC"):
        module("16X")
    with pytest.raises(ValueError, match="sr_latent is 'w'"):
        module("2X", "w")


class Gray(torch.nn.Module):
    def forward(
        self, features: torch.Tensor, points: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full((*points.shape[:2], 4), 0.4), points[..., :1] * 4


@pytest.mark.parametrize("resolution, is_changed", [(64, True), (32, False)])
def test_only_in_official_compatibility_the_raw_image_has_the_first_blocks_picture_added(
    small, resolution, is_changed
):
    """And only where nothing is resized and the first block keeps the size."""
    pictures = {}
    for compat in ("none", "official"):
        sampling = RaySampling(depth_samples=4, importance_samples=0, compat=compat)
        renderer = TriplaneRenderer(
            decoder=Gray(), sampling=sampling, resolution=resolution, super_resolution=small
        )
        with torch.no_grad():
            pictures[compat] = renderer(
                Triplane(torch.zeros(1, 3, 1, 4, 4)), Camera.orbit(torch.zeros(1), torch.zeros(1))
            )
    ours, official = pictures["none"], pictures["official"]
    assert torch.equal(ours.image, official.image)
    assert torch.equal(ours.image_raw, ours.feature_image[:, :3])
    assert torch.equal(ours.image_raw, official.image_raw) != is_changed


def test_a_first_block_that_doubles_leaves_the_raw_image_alone():
    with torch.device("meta"):
        features = torch.zeros(1, 4, 128, 128)
        assert module("8X").image_raw_as_published(features, None).shape == (1, 3, 128, 128)
        assert not VARIANTS["4X"].first_up and not VARIANTS["2X"].first_up
        assert VARIANTS["8X"].first_up and VARIANTS["8XDC"].first_up
