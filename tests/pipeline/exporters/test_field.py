"""The colours of a field are those in which its renderer shows it."""

import numpy as np
import pytest
import torch

from pipeline.exporters.field import Field
from pipeline.exporters.networks.graphs import network_graph
from pipeline.exporters.sampled import sampled_identity
from teachers.eg3d.teacher import EG3DTeacher, passport_of
from tests.teachers.panohead.small_panohead import small_generator

TRACED = """
import torch
from pipeline.exporters.networks.graphs import network_graph
from pipeline.inference.runtimes.onnx_graph import traced
from tests.pipeline.exporters.test_field import opaque_identity

graph = network_graph(opaque_identity().lifter, "decoder", 128)
program = traced(graph).module()
inputs = torch.randn(5, *graph.inputs["planes"].shape[1:]), torch.rand(5, 7, 3) - 0.5
with torch.no_grad():
    torch.testing.assert_close(program(*inputs), graph.module(*inputs))
"""

KINDS = [
    {},
    {"color_activation": "lrelu"},
    {"has_raw_rgb": False},
    {"color_activation": "sigmoid", "has_raw_rgb": False},
    {"sr_latent": "teacher_w"},
]
BALL = (0.0, 0.0, 0.0, 0.12, 0.12, 0.12)


def opaque_identity(**changes):
    """Of a PanoHead teacher whose heads are an opaque ball of many colours."""
    generator = small_generator(
        **{"sr_latent": "w_mean", **changes},
        prior_ellipsoids=(BALL,),
        solid_ellipsoids=(BALL,),
        density_gain=50.0,
        logit_gain=0.1,
        render_resolution=32,
        depth_samples=96,
        importance_samples=96,
    )
    generator.renderer.w_mean.normal_()
    weight = generator.renderer.decoder.net[2].weight[1:]
    weight.sub_(weight.mean(1, keepdim=True)).mul_(3)  # many colours about grey
    passport = passport_of(generator.config, name="small", source_hash="0", licence="none")
    return sampled_identity(EG3DTeacher(generator, passport), 0)


@pytest.mark.parametrize("changes", KINDS)
@torch.no_grad()
def test_a_surface_has_the_colours_of_the_raw_image(changes):
    head = opaque_identity(**changes)
    camera = head.orbit(yaw_deg=20)
    drawn = head.render(camera)
    rays = camera.rays(32)
    hits = rays.at(drawn.depth.flatten()[None, :, None])[0, :, 0]
    # A ray that grazes the ball sees a mean along a longer way than the steps of `seen_colors`.
    facing = -(hits * rays.directions[0]).sum(-1) / hits.norm(dim=-1)
    is_seen = (drawn.opacity.flatten() > 0.999) & (facing > 0.5)
    assert is_seen.sum() > 30
    points = hits[is_seen].numpy()
    shown = ((drawn.image_raw + 1) / 2).clamp(0, 1).flatten(2)[0].T[is_seen].numpy()
    assert shown.std(0).mean() > 0.015, "a picture of one colour tells nothing"
    field = Field(head)
    seen = field.seen_colors(points, -rays.directions[0, is_seen].numpy())
    assert np.abs(seen - shown).max() < 0.025
    assert np.abs(field.colors(points) - shown).mean() < 0.015


@torch.no_grad()
def test_an_exported_decoder_says_the_same_colours():
    head = opaque_identity()
    points = torch.rand(1, 200, 3) * 0.6 - 0.3
    colors, _, density = network_graph(head.lifter, "decoder", 128).module(
        head.triplane.planes, points
    )
    assert colors.shape == (1, 200, 32)
    renderer = head.lifter.renderer
    features, logits = renderer.field(head.triplane)(points)
    style = renderer.to_rgb.affine(renderer.w_mean[None]) * renderer.to_rgb.gain
    raw = (features * style) @ renderer.to_rgb.weight[:, :, 0, 0].T + renderer.to_rgb.bias
    torch.testing.assert_close(colors[..., :3], (raw + 1) / 2)
    assert raw.min() < -0.2, "signed features are what this is about"
    torch.testing.assert_close(colors[..., 3:], features[..., 3:])
    torch.testing.assert_close(density, renderer.decoder.density_activation(logits))


def test_an_exported_decoder_takes_any_batch(tmp_path, fork_server):
    fork_server.run(TRACED, output=tmp_path / "said")
