"""Each loss is zero for the teacher's own output, grows with its own kind of error, and is blind to
the others.
"""

import dataclasses

import pytest
import torch

from pipeline.losses.depth import DepthLoss
from pipeline.losses.feature import FeatureLoss
from pipeline.losses.image import ImageLoss
from pipeline.losses.opacity import OpacityLoss
from pipeline.losses.total_variation import TotalVariationLoss
from pipeline.losses.triplane import TriplaneLoss
from pipeline.losses.weighted_sum import WeightedSum
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

VIEW_LOSSES = {
    ImageLoss: {"image", "image_raw"},
    FeatureLoss: {"feature_image"},
    DepthLoss: {"depth"},
    OpacityLoss: {"opacity"},
}


def rendering() -> Rendering:
    torch.manual_seed(0)
    return Rendering(
        torch.rand(2, 3, 16, 16),
        torch.rand(2, 3, 8, 8),
        torch.rand(2, 4, 8, 8),
        2.7 + torch.rand(2, 1, 8, 8),
        torch.rand(2, 1, 8, 8),
    )


@pytest.mark.parametrize("loss, seen", VIEW_LOSSES.items())
def test_a_view_loss_sees_its_own_fields_and_no_other(loss, seen):
    target = rendering()
    assert loss()(rendering(), target).item() == 0
    for field in (f.name for f in dataclasses.fields(Rendering)):
        off = dataclasses.replace(target, **{field: getattr(target, field) + 0.1})
        assert (loss()(off, target).item() == pytest.approx(0.1, rel=1e-4)) == (field in seen)
        assert (loss()(off, target).item() == 0) == (field not in seen)


def test_one_picture_without_super_resolution_counts_once():
    target = rendering()
    raw = target.image_raw
    off, copy = raw + 0.1, raw + 0.1
    once = dataclasses.replace(target, image=off, image_raw=off)
    twice = dataclasses.replace(target, image=off, image_raw=copy)
    target = dataclasses.replace(target, image=raw)
    assert ImageLoss()(once, target).item() == pytest.approx(0.1, rel=1e-4)
    assert ImageLoss(raw_weight=0.5)(twice, target).item() == pytest.approx(0.15, rel=1e-4)


def test_depth_counts_only_where_the_teacher_has_a_surface():
    target = rendering()
    opacity = torch.zeros_like(target.opacity)
    opacity[..., :4] = 1
    target = dataclasses.replace(target, opacity=opacity)
    behind = dataclasses.replace(target, depth=target.depth + (1 - opacity) * 5)
    before = dataclasses.replace(target, depth=target.depth + opacity * 0.3)
    assert DepthLoss()(behind, target).item() == 0
    assert DepthLoss()(before, target).item() == pytest.approx(0.3, rel=1e-4)
    empty = dataclasses.replace(target, opacity=torch.zeros_like(opacity))
    assert DepthLoss()(behind, empty).item() == 0


def test_the_triplane_loss_is_the_mean_absolute_difference_and_refuses_other_axes():
    planes = torch.randn(2, 3, 4, 8, 8)
    assert TriplaneLoss()(Triplane(planes + 0.5), Triplane(planes)).item() == pytest.approx(
        0.5, rel=1e-5
    )
    with pytest.raises(ValueError, match="cannot be compared"):
        TriplaneLoss()(Triplane(planes, ("xy", "xz", "yz")), Triplane(planes))


def test_total_variation_counts_steps_of_the_students_planes_alone():
    ramp = torch.arange(8.0).expand(2, 3, 4, 8, 8)
    other = Triplane(torch.randn(2, 3, 4, 8, 8))
    assert TotalVariationLoss()(Triplane(ramp), other).item() == pytest.approx(1.0)
    assert TotalVariationLoss()(Triplane(ramp.mT + ramp), other).item() == pytest.approx(2.0)
    assert TotalVariationLoss()(Triplane(torch.ones(2, 3, 4, 8, 8)), other).item() == 0


def test_the_sum_is_weighted_and_its_parts_are_named():
    losses = WeightedSum(
        {
            "triplane": TriplaneLoss(weight=2.0),
            "image": ImageLoss(weight=3.0),
            "opacity": OpacityLoss(weight=0.5),
        }
    )
    target = rendering()
    off = dataclasses.replace(target, image=target.image + 0.1, opacity=target.opacity + 0.2)
    planes = torch.zeros(2, 3, 4, 8, 8)
    parts = losses.planes(Triplane(planes + 0.5), Triplane(planes)) | losses.view(off, target)
    assert {name: round(value.item(), 4) for name, value in parts.items()} == {
        "triplane": 0.5,
        "image": 0.1,
        "opacity": 0.2,
    }
    assert losses.total(parts).item() == pytest.approx(2 * 0.5 + 3 * 0.1 + 0.5 * 0.2, rel=1e-4)
    assert losses.needs_views
    assert not WeightedSum({"triplane": TriplaneLoss()}).needs_views


def test_a_loss_of_weight_zero_is_not_computed(monkeypatch):
    monkeypatch.setattr(FeatureLoss, "forward", lambda *_: pytest.fail("computed for nothing"))
    losses = WeightedSum({"image": ImageLoss(), "feature": FeatureLoss(weight=0.0)})
    assert losses.view(rendering(), rendering()).keys() == {"image"}
    losses.weights["image"] = 0.0
    assert not losses.needs_views
    with pytest.raises(ValueError, match=r"every loss has weight 0 \(feature\)"):
        WeightedSum({"feature": FeatureLoss(weight=0.0)})


def test_features_of_another_number_of_channels_are_refused():
    other = dataclasses.replace(rendering(), feature_image=torch.rand(2, 8, 8, 8))
    with pytest.raises(ValueError, match="have 8 channels, the student's 4: train without"):
        FeatureLoss()(rendering(), other)


@pytest.mark.parametrize("losses", [{}, {"linear": torch.nn.Linear(1, 1)}])
def test_a_sum_of_nothing_or_of_something_else_is_refused(losses):
    with pytest.raises(ValueError, match=r"no loss is configured|'linear' is a Linear"):
        WeightedSum(losses)
