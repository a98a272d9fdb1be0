"""The encoder has the published sizes, fits any teacher, and sees where things are."""

import time
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from students.two_stage import TwoStageEncoder

CONFIGURATIONS = Path(__file__).parents[2] / "conf" / "student"


def encoder(name: str, **changes) -> TwoStageEncoder:
    return instantiate(OmegaConf.merge(OmegaConf.load(CONFIGURATIONS / f"{name}.yaml"), changes))


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def tiny() -> TwoStageEncoder:
    torch.manual_seed(0)
    return encoder("tiny").eval()


@pytest.mark.parametrize(("name", "millions"), [("base", 87.24), ("light", 63.27)])
def test_the_published_models_have_the_published_number_of_parameters(name, millions):
    with torch.device("meta"):
        assert round(num_parameters(encoder(name)) / 1e6, 2) == millions


def test_the_defaults_of_the_class_are_the_base_configuration():
    with torch.device("meta"):
        default, configured = TwoStageEncoder().state_dict(), encoder("base").state_dict()
    assert {name: value.shape for name, value in default.items()} == {
        name: value.shape for name, value in configured.items()
    }


def test_tiny_has_two_to_three_and_a_half_million_parameters_and_16x16_tokens(tiny):
    assert 2e6 < num_parameters(tiny) < 3.5e6
    deep = tiny.backbone(torch.zeros(1, 5, 64, 64)).deep
    assert tiny.canonical.patches(deep).shape[2:] == (16, 16)


@pytest.mark.parametrize("size", [32, 64, 96, 128])
@pytest.mark.parametrize(("channels", "resolution"), [(16, 64), (5, 48)])
def test_any_multiple_of_32_in_and_the_teachers_planes_out(size, channels, resolution):
    planes = encoder("tiny", plane_channels=channels, plane_resolution=resolution)(
        torch.rand(2, 3, size, size) * 2 - 1
    )
    assert planes.shape == (2, 3, channels, resolution, resolution)


@pytest.mark.parametrize("name", ["base", "light", "light_second_layer"])
def test_the_large_models_draw_planes_from_a_small_image(name):
    with torch.device("meta"):
        if name == "light_second_layer":
            changes = {
                k: v
                for k, v in OmegaConf.load(CONFIGURATIONS / f"{name}.yaml").items()
                if k != "defaults"
            }
            network = encoder("light", **changes)
        else:
            network = encoder(name)
        assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 3, 32, 256, 256)


def test_at_512_the_paper_s_model_needs_no_resizing_of_its_features():
    with torch.device("meta"):
        network, image = encoder("base"), torch.zeros(1, 5, 512, 512)
        deep = network.backbone(image).deep
        assert deep.shape == (1, 256, 64, 64)
        assert network.canonical(deep).shape == network.detail(image).shape == (1, 96, 256, 256)


def test_a_size_that_is_no_multiple_of_32_is_refused_with_the_nearest_good_one(tiny):
    with pytest.raises(ValueError, match="image size 100 is not a multiple of 32: resize to 96"):
        tiny(torch.zeros(1, 3, 100, 100))


def test_a_photograph_that_is_not_square_is_refused(tiny):
    with pytest.raises(ValueError, match="64x96 image"):
        tiny(torch.zeros(1, 3, 96, 64))


def test_every_parameter_learns(tiny):
    network = encoder("tiny")
    network(torch.rand(2, 3, 64, 64) * 2 - 1).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if not name.endswith(
            "attention.key.bias"
        ):  # shifts all logits of a query alike: softmax doesn't see it
            assert parameter.grad.abs().max() > 0, name


def test_the_same_patch_elsewhere_gives_other_deep_features_because_the_encoder_knows_where_it_is(
    tiny,
):
    from students.coordinates import append_coordinates

    constant = torch.zeros(1, 3, 64, 64)
    blind = torch.cat([constant, torch.zeros(1, 2, 64, 64)], 1)
    interior = slice(20, 44)
    with torch.no_grad():
        seeing, not_seeing = (
            tiny.detail(x)[:, :, interior, interior][:, :, 4:8, 4:8]
            for x in (append_coordinates(constant), blind)
        )
    assert not_seeing.flatten(2).std(-1).max() < 1e-6
    assert seeing.flatten(2).std(-1).max() > 1e-3


def test_identities_of_a_batch_do_not_see_each_other(tiny):
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(tiny(images)[1:2], tiny(images[1:2]), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(tiny(images.flip(0)), tiny(images).flip(0), rtol=1e-4, atol=1e-5)


def test_the_first_prediction_is_near_the_calibrated_mean(tiny):
    network = encoder("tiny")
    mean, scale = torch.linspace(-2, 2, 48), torch.linspace(0.3, 3, 48)
    network.calibrate(mean, scale)
    with torch.no_grad():
        planes = network(torch.rand(2, 3, 64, 64) * 2 - 1).flatten(1, 2)
    assert (((planes - mean[:, None, None]) / scale[:, None, None]).square().mean().sqrt()) < 0.5


def test_imagenet_weights_need_the_network_they_were_trained_for(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"CompactBackbone.*backbone=resnet34"):
        tiny.load_imagenet(tmp_path / "resnet34.pth")


def test_an_unknown_backbone_is_named():
    with pytest.raises(
        Exception, match="'vgg'"
    ):  # our ValueError, or the type checker's error where it is on
        TwoStageEncoder(backbone="vgg")


def test_a_training_step_of_tiny_fits_a_laptop():
    network, images = encoder("tiny"), torch.rand(8, 3, 64, 64)
    seconds = []
    for _ in range(3):
        started = time.process_time()
        network(images).square().mean().backward()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 2.0, "forward and backward of 8 images takes about 0.4 s on one core"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dim": 130}, "dim is 130: a pixel shuffle takes a multiple of 4"),
        ({"fusion_dim": 98}, "fusion_dim is 98"),
        ({"canonical_blocks": -2}, "canonical_blocks is -2: expected at least 0"),
        ({"canonical_upsamplings": 7}, "canonical_upsamplings is 7: expected 0 to 3"),
        ({"fusion_reduction": 0}, "fusion_reduction is 0: expected at least 1"),
        ({"head_widths": []}, "the number of head_widths is 0: expected at least 1"),
    ],
)
def test_sizes_that_would_be_ignored_or_fail_at_the_first_image_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        TwoStageEncoder(**changes)
