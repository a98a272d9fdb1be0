"""The generator: sizes of the published one, conditioning, planes."""

import dataclasses

import pytest
import torch

from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator, eg3d_renderer
from teachers.eg3d.generator import blurred as planes_behind_filter
from teachers.rendering.camera import Camera
from tests.builders import smallest_eg3d_settings

TINY = EG3DConfiguration(**smallest_eg3d_settings(8))


def generator(**changes) -> Generator:
    torch.manual_seed(0)
    return Generator(dataclasses.replace(TINY, **changes)).requires_grad_(False)


def z(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


def side_camera(count: int = 2) -> Camera:
    return Camera.orbit(torch.full((count,), 0.5), torch.zeros(count))


def test_the_published_ffhq_generator_has_30_662_136_parameters_and_14_latents():
    with torch.device("meta"):
        published = Generator(EG3DConfiguration())
    assert sum(parameter.numel() for parameter in published.parameters()) == 30_662_136
    assert published.backbone.synthesis.num_ws == 14


def test_latents_are_repeated_for_every_layer():
    ws = generator().map_latents(z())
    assert ws.shape == (2, 4, 8)
    assert torch.equal(ws[:, 0], ws[:, 3])


def test_truncation_pulls_to_the_average_and_zero_is_it():
    made = generator()
    made.backbone.mapping.w_avg.normal_()
    full, half, none = (made.map_latents(z(), truncation=share) for share in (1.0, 0.5, 0.0))
    average = made.backbone.mapping.w_avg.expand_as(full)
    assert torch.allclose(none, average)
    assert torch.allclose(half, (full + average) / 2, atol=1e-5)


def test_without_a_camera_the_frontal_one_conditions():
    made = generator()
    frontal = Camera.orbit(torch.zeros(2), torch.zeros(2), radius=2.7, pivot=(0.0, 0.0, 0.2))
    assert torch.equal(made.map_latents(z()), made.map_latents(z(), frontal))
    assert not torch.allclose(made.map_latents(z()), made.map_latents(z(), side_camera()))


@pytest.mark.parametrize(
    "changes", [{"condition_is_zero": True}, {"label_scale": 0.0}, {"label_dim": 0}]
)
def test_a_blanked_or_absent_label_makes_cameras_irrelevant(changes):
    made = generator(**changes)
    assert torch.equal(made.map_latents(z()), made.map_latents(z(), side_camera()))


def test_plane_k_is_the_kth_block_of_channels():
    made = generator()
    ws = made.map_latents(z())
    image, triplane = made.backbone.synthesis(ws, "const"), made.synthesize(ws)
    assert triplane.planes.shape == (2, 3, 4, 8, 8)
    assert torch.equal(triplane.planes[:, 1], image[:, 4:8])
    assert (triplane.axes, triplane.box_size) == (TINY.plane_axes, TINY.box_size)


def test_identities_do_not_depend_on_their_neighbours():
    made = generator()
    both, one = made.synthesize(made.map_latents(z())), made.synthesize(made.map_latents(z()[1:]))
    assert torch.allclose(both.planes[1:], one.planes, atol=1e-5)


def test_constant_noise_is_added_only_where_the_configuration_says_so():
    loud, quiet = generator(), generator(noise="none")
    for made in (loud, quiet):
        made.backbone.synthesis.b8.conv1.noise_strength.fill_(1.0)
    ws = loud.map_latents(z())
    assert not torch.allclose(loud.synthesize(ws).planes, quiet.synthesize(ws).planes)


def test_planes_are_single_precision_whatever_the_convolutions_are():
    made = generator()
    ws = made.map_latents(z())
    exact = made.synthesize(ws).planes
    made.convolution_dtype = torch.bfloat16
    half = made.synthesize(ws).planes
    assert half.dtype == torch.float32
    assert (half - exact).abs().max() < 0.1 * exact.abs().max()


def test_backgrounds_follow_the_configuration():
    assert [
        generator(background=name).renderer.background for name in ("black", "white", "matte")
    ] == [None, 1.0, 1.0]


def test_a_renderer_rebuilt_from_the_configuration_takes_the_weights_of_the_first():
    made = generator()
    again = eg3d_renderer(TINY.to_dict())
    again.load_state_dict(made.renderer.state_dict())
    triplane = made.synthesize(made.map_latents(z()))
    with torch.no_grad():
        assert torch.equal(
            again(triplane, side_camera()).image, made.renderer(triplane, side_camera()).image
        )


def test_a_blurred_plane_keeps_its_mean_and_loses_what_is_finer_than_its_filter():
    plain = generator()
    blurred = generator(plane_blur=(0.0, 1.5, 0.0))
    ws = plain.map_latents(z())
    before, after = plain.synthesize(ws).planes, blurred.synthesize(ws).planes
    assert torch.equal(after[:, 0], before[:, 0]) and torch.equal(after[:, 2], before[:, 2])
    detail = [planes[:, 1].diff(dim=-1).diff(dim=-2).std() for planes in (before, after)]
    assert detail[1] < 0.5 * detail[0]


def test_a_line_behind_a_filter_is_a_gaussian_of_its_deviation():
    line = torch.zeros(1, 3, 1, 33, 33)
    line[..., 16] = 1
    seen = planes_behind_filter(line, (0.0, 0.0, 2.0))[0, 2, 0, 16]
    away = torch.arange(33) - 16.0
    expected = torch.exp(-0.5 * (away / 2) ** 2) / (2 * (2 * torch.pi) ** 0.5)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(seen, expected, atol=1e-3)
