"""The modules that are exported compute what the renderer does, before any exporter is asked."""

import pytest
import torch

from pipeline.exporters.networks.graphs import network_graph
from pipeline.exporters.networks.parity import odd_points
from pipeline.lifter import Lifter, Recipe
from students.stored_planes import StoredPlanes
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings

MARCHERS = ("reused", "proposal")


def student(**changes) -> Lifter:
    teacher = untrained_teacher(smallest_eg3d_settings(8, **changes))
    arguments = {"plane_channels": 4, "plane_resolution": 8, "image_size": 32}
    encoder = StoredPlanes(**arguments)
    recipe = Recipe("students.stored_planes.StoredPlanes", arguments)
    return Lifter.from_teacher(encoder=encoder, encoder_recipe=recipe, teacher=teacher).eval()


@pytest.mark.parametrize("first_pass", MARCHERS)
@torch.no_grad()
def test_a_renderer_draws_the_same_view(first_pass):
    lifter = student(first_pass=first_pass)
    planes = torch.randn(1, 3, 4, 8, 8)
    camera = lifter.passport.orbit(torch.tensor([0.4]), torch.tensor([0.1]))
    expected = lifter.render(lifter.passport.triplane(planes), camera)
    graph = network_graph(lifter, "renderer", 32)
    view, depth, opacity = graph.module(planes, camera.cam_to_world, camera.intrinsics)
    assert torch.equal(view, expected.image)
    assert torch.equal(depth, expected.depth)
    assert torch.equal(opacity, expected.opacity)


@pytest.mark.parametrize("first_pass", MARCHERS)
@torch.no_grad()
def test_what_is_computed_otherwise_while_exporting_is_the_same(first_pass, monkeypatch):
    """A search in a CDF as comparisons, rays that see nothing not left out."""
    lifter = student(first_pass=first_pass)
    triplane = lifter.passport.triplane(torch.randn(1, 3, 4, 8, 8))
    camera = lifter.passport.orbit(torch.tensor([0.4]), torch.tensor([0.1]))
    expected = lifter.render(triplane, camera)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    found = lifter.render(triplane, camera)
    for name in ("image", "depth", "opacity"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("kind", [{}, {"kind": "wysiwyg", "product_gain": 0.1}])
@torch.no_grad()
def test_a_decoder_is_the_field_and_finite_everywhere(kind):
    lifter = student(prior_ellipsoids=[[0.0, 0.0, 0.0, 0.2, 0.2, 0.2]], **kind)
    if kind:
        lifter.renderer.decoder.notice_features(0.5)
    planes = torch.randn(1, 3, 4, 8, 8)
    points = torch.rand(1, 500, 3) * 1.2 - 0.6
    expected = lifter.renderer.field(lifter.passport.triplane(planes))(points)
    decoder = network_graph(lifter, "decoder", 32).module
    colors, logits, density = decoder(planes, points)
    torch.testing.assert_close((colors, logits), expected)
    assert (density >= 0).all()
    assert all(found.isfinite().all() for found in decoder(planes, odd_points()))


@torch.no_grad()
def test_a_learned_sampler_is_refused_and_without_it_the_view_of_a_distance_is_the_same():
    with pytest.raises(ValueError, match="give network=encoder or decoder"):
        network_graph(student(kind="wysiwyg"), "renderer", 32)
    lifter = student(kind="wysiwyg", learned_sampling=False)
    planes = torch.randn(1, 3, 4, 8, 8)
    camera = lifter.passport.orbit(torch.tensor([0.4]))
    expected = lifter.render(lifter.passport.triplane(planes), camera)
    graph = network_graph(lifter, "renderer", 32)
    view, _, opacity = graph.module(planes, camera.cam_to_world, camera.intrinsics)
    torch.testing.assert_close((view, opacity), (expected.image, expected.opacity))


class Mirroring(Lifter):
    def lift(self, image):
        return super().lift(image.flip(-1))


def test_a_student_that_lifts_in_its_own_way_has_no_encoder_to_export():
    lifter = student()
    lifter.__class__ = Mirroring
    with pytest.raises(ValueError, match="a Mirroring lifts in a way of its own"):
        network_graph(lifter, "encoder", 32)
