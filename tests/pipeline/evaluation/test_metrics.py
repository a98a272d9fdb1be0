import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from pipeline.evaluation.metrics import Observation, aligned, depth_error, mask_iou, picture_scores, psnr


def head(shift: int = 0, depth: float = 2.5) -> Observation:
    """A disc with a gradient on white whose depth bulges."""
    axis = torch.linspace(-1, 1, 32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = ((x**2 + y**2) < 0.4).float()[None, None].roll(shift, -1)
    bulge = depth - 0.2 * (1 - x**2 - y**2)[None, None].roll(shift, -1)
    image = torch.stack([x, y, x * y])[None].roll(shift, -1) * 0.5 * inside + (1 - inside)
    return Observation(image, bulge, inside)


def test_the_truth_itself_scores_perfectly():
    scores = picture_scores(head(), head())
    assert math.isinf(scores.psnr.item()) and math.isinf(scores.psnr_person.item())
    assert scores.ssim.item() == pytest.approx(1, abs=1e-6) and scores.mask_iou.item() == 1
    assert scores.depth.item() == 0 and scores.depth_aligned.item() == pytest.approx(0, abs=1e-6)


def test_a_tenth_of_the_range_off_is_20_decibels():
    truth = torch.zeros(2, 3, 16, 16)
    assert psnr(truth + 0.2, truth).tolist() == pytest.approx([20, 20], abs=1e-4)


def test_psnr_is_torchmetrics():
    image, truth = torch.rand(2, 1, 3, 24, 24).mul(2).sub(1).unbind()
    assert psnr(image, truth).item() == pytest.approx(peak_signal_noise_ratio(image, truth, data_range=2.0).item(), abs=1e-4)


def test_a_plain_background_helps_the_whole_picture_but_not_the_person():
    truth = head()
    wrong = Observation(truth.image * 0.5 * truth.opacity + (1 - truth.opacity), truth.depth, truth.opacity)
    scores, share = picture_scores(wrong, truth), truth.opacity.mean().item()
    assert scores.psnr.item() - scores.psnr_person.item() == pytest.approx(-10 * math.log10(share), abs=1e-3)


def test_depth_that_is_too_far_by_some_units_is_off_by_these_and_has_the_right_shape():
    scores = picture_scores(head(depth=2.53), head())
    assert scores.depth.item() == pytest.approx(0.03, abs=1e-6) and scores.depth_aligned.item() == pytest.approx(0, abs=1e-6)


def test_aligning_forgives_scale_but_not_a_relief_turned_inside_out():
    truth = head()
    everywhere = truth.solid
    assert depth_error(aligned(truth.depth * 3 + 1, truth.depth, everywhere), truth.depth, everywhere).item() < 1e-5
    hollow = depth_error(aligned(-truth.depth, truth.depth, everywhere), truth.depth, everywhere).item()
    flat = depth_error(aligned(torch.full_like(truth.depth, 2.0), truth.depth, everywhere), truth.depth, everywhere).item()
    assert hollow == pytest.approx(flat, abs=1e-6) and flat > 0.01


def test_silhouettes_that_half_overlap_score_a_third():
    one, other = torch.zeros(2, 1, 1, 4, 8, dtype=torch.bool).unbind()
    one[..., :4], other[..., 2:6] = True, True
    assert mask_iou(one, other).item() == pytest.approx(1 / 3)
    empty = torch.zeros_like(one)
    assert mask_iou(empty, empty).item() == 1 and mask_iou(one, empty).item() == 0


def test_silhouettes_that_never_meet_have_no_depth_error():
    scores = picture_scores(Observation(head().image, head().depth, torch.zeros(1, 1, 32, 32)), head())
    assert scores.depth.isnan().all() and scores.depth_aligned.isnan().all()


def test_pictures_are_scored_one_by_one():
    both = Observation(*(torch.cat([getattr(head(), name), getattr(head(3), name)]) for name in ("image", "depth", "opacity")))
    truth = Observation(*(value.repeat(2, 1, 1, 1) for value in (head().image, head().depth, head().opacity)))
    together = picture_scores(both, truth)
    for row, one in enumerate((head(), head(3))):
        alone = picture_scores(one, head())
        assert together.psnr[row] == alone.psnr[0] and together.ssim[row].item() == pytest.approx(alone.ssim.item(), abs=1e-5)
