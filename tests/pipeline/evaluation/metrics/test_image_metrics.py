"""Every measure against a closed form or a library: what is 20 dB, what a turned surface is off by,
what alignment forgives.
"""

import dataclasses
import math

import kornia
import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from pipeline.evaluation.items import ItemViews
from pipeline.evaluation.metrics.image_metrics import (
    aligned,
    depth_error,
    mask_iou,
    ms_ssim,
    psnr,
    ssim,
)
from pipeline.evaluation.metrics.normals import inner, normal_error
from pipeline.evaluation.metrics.part_scores import part_scores
from pipeline.evaluation.metrics.pose_metric import pose_metric, rotation_angle
from pipeline.evaluation.metrics.scoring_input import ScoringInput
from pipeline.evaluation.metrics.view_metrics import BEST_PSNR, VIEW_METRICS, scores_of
from pipeline.pictures import surface_normals
from teachers.rendering.camera import Camera

CAMERA = Camera.orbit(torch.zeros(1), torch.zeros(1))


def head(shift: int = 0, depth: float = 2.5) -> ItemViews:
    """A disc with a gradient on white whose depth bulges."""
    axis = torch.linspace(-1, 1, 32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = ((x**2 + y**2) < 0.4).float()[None, None].roll(shift, -1)
    bulge = depth - 0.2 * (1 - x**2 - y**2)[None, None].roll(shift, -1)
    image = torch.stack([x, y, x * y])[None].roll(shift, -1) * 0.5 * inside + (1 - inside)
    return ItemViews(image, bulge, inside)


def scores(prediction: ItemViews, reference: ItemViews | None) -> dict[str, float]:
    return {
        name: values[0]
        for name, values in scores_of(ScoringInput(prediction, CAMERA, reference)).items()
    }


def plane(tilt_deg: float, distance: float = 2.7, side: int = 24) -> ItemViews:
    """A plane through the point at a distance before the frontal camera, turned about the vertical
    axis.
    """
    rays, tilt = CAMERA.rays(side), math.radians(tilt_deg)
    normal = torch.tensor([math.sin(tilt), 0.0, math.cos(tilt)])
    point = torch.tensor([0.0, 0.0, 2.7 - distance])
    depth = ((point - rays.origins[0]) @ normal) / (rays.directions[0] @ normal)
    solid = torch.ones(1, 1, side, side)
    facing = normal[None, :, None, None].expand(1, 3, side, side)
    return ItemViews(torch.zeros(1, 3, side, side), depth.reshape(1, 1, side, side), solid, facing)


def test_the_reference_itself_scores_perfectly():
    perfect = scores(head(), head())
    assert perfect["psnr"] == perfect["psnr_foreground"] == BEST_PSNR
    assert (
        perfect["ssim"] == pytest.approx(1, abs=1e-6)
        and perfect["mask_iou"] == 1
        and perfect["normal"] == pytest.approx(0, abs=0.05)
    )
    assert perfect["depth"] == 0 and perfect["depth_aligned"] == perfect[
        "depth_rmse"
    ] == pytest.approx(0, abs=1e-6)


def test_what_is_not_known_has_no_score():
    alone = scores(head(), None)
    assert set(alone) == {measure.name for measure in VIEW_METRICS} and all(
        math.isnan(value) for value in alone.values()
    )
    picture = scores(ItemViews(head().image), head())
    assert picture["psnr"] == BEST_PSNR and all(
        math.isnan(picture[name]) for name in ("depth", "depth_rmse", "normal", "mask_iou")
    )


def test_a_tenth_of_the_range_off_is_20_decibels():
    reference = torch.zeros(2, 3, 16, 16)
    assert psnr(reference + 0.2, reference).tolist() == pytest.approx([20, 20], abs=1e-4)


def test_pictures_have_torchmetrics_scores():
    image, reference = (
        torch.rand(2, 1, 3, 176, 176, generator=torch.Generator().manual_seed(0))
        .mul(2)
        .sub(1)
        .unbind()
    )
    image = reference * 0.8 + image * 0.2
    assert psnr(image, reference).item() == pytest.approx(
        peak_signal_noise_ratio(image, reference, data_range=2.0).item(), abs=1e-4
    )
    assert ssim(image, reference).item() == pytest.approx(
        structural_similarity_index_measure(
            (image + 1) / 2, (reference + 1) / 2, data_range=1.0
        ).item(),
        abs=1e-5,
    )
    expected = multiscale_structural_similarity_index_measure(
        (image + 1) / 2, (reference + 1) / 2, data_range=1.0, normalize="relu"
    )
    found = ms_ssim(image, reference)
    assert found is not None and found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_more_light_is_no_change_of_structure():
    grey = 0.2 * torch.rand(1, 3, 176, 176, generator=torch.Generator().manual_seed(0)) - 0.1
    brighter = grey + 0.1
    assert ssim(brighter, grey).item() > 0.98  # around 0 it would be about a half
    found = ms_ssim(brighter, grey)
    assert found is not None and found.item() > 0.98


def test_small_pictures_have_no_fifth_scale():
    assert ms_ssim(torch.zeros(1, 3, 160, 160), torch.zeros(1, 3, 160, 160)) is None


def test_a_plain_background_helps_the_whole_picture_but_not_the_subject():
    reference = head()
    assert reference.opacity is not None
    wrong = dataclasses.replace(
        reference, image=reference.image * 0.5 * reference.opacity + (1 - reference.opacity)
    )
    found, share = scores(wrong, reference), reference.opacity.mean().item()
    assert found["psnr"] - found["psnr_foreground"] == pytest.approx(
        -10 * math.log10(share), abs=1e-3
    )


def test_depth_that_is_too_far_by_some_units_is_off_by_these_and_has_the_right_shape():
    found = scores(head(depth=2.53), head())
    assert found["depth"] == pytest.approx(0.03, abs=1e-6)
    assert found["depth_aligned"] == pytest.approx(0, abs=1e-6) and found[
        "depth_rmse"
    ] == pytest.approx(0, abs=1e-6)


def test_aligning_forgives_scale_but_not_a_relief_turned_inside_out():
    reference = head()
    assert reference.depth is not None and reference.solid is not None
    assert (
        depth_error(
            aligned(reference.depth * 3 + 1, reference.depth, reference.solid),
            reference.depth,
            reference.solid,
        ).item()
        < 1e-5
    )
    hollow = depth_error(
        aligned(-reference.depth, reference.depth, reference.solid),
        reference.depth,
        reference.solid,
    ).item()
    flat = depth_error(
        aligned(torch.full_like(reference.depth, 2.0), reference.depth, reference.solid),
        reference.depth,
        reference.solid,
    ).item()
    assert hollow == pytest.approx(flat, abs=1e-6) and flat > 0.01


def test_the_rmse_of_a_flat_depth_is_the_references_standard_deviation():
    reference = head()
    assert reference.depth is not None and reference.solid is not None
    flat = dataclasses.replace(reference, depth=torch.full_like(reference.depth, 2.0))
    assert scores(flat, reference)["depth_rmse"] == pytest.approx(
        reference.depth[reference.solid].std(unbiased=False).item(), rel=1e-4
    )


def test_a_plane_turned_by_some_degrees_is_off_by_these():
    for tilt in (0.0, 10.0, -35.0):
        found = normal_error(ScoringInput(plane(tilt), CAMERA, plane(0.0)))
        assert found is not None and found.item() == pytest.approx(abs(tilt), abs=0.1)
    without = dataclasses.replace(plane(0.0), normal=None)
    found = normal_error(ScoringInput(plane(20.0), CAMERA, without))
    assert found is not None and found.item() == pytest.approx(20, abs=0.1)


def test_normals_are_those_of_kornia():
    seen = plane(25.0)
    rays = CAMERA.rays(24)
    along = (rays.directions[0] @ CAMERA.cam_to_world[0, :3, 2]).reshape(1, 1, 24, 24)
    pixels = torch.diag(torch.tensor([24.0, 24.0, 1.0])) @ CAMERA.intrinsics[0]
    pixels[:2, 2] -= 0.5  # kornia's pixel centres are whole numbers
    theirs = kornia.geometry.depth.depth_to_normals(seen.depth * along, pixels[None])[0]
    ours = torch.einsum(
        "ij,ihw->jhw", CAMERA.cam_to_world[0, :3, :3], surface_normals(seen.depth, CAMERA)[0]
    )
    cosine = (theirs * ours).sum(0)[2:-2, 2:-2].abs()
    assert cosine.min() > 0.9999


def test_the_edge_of_a_silhouette_does_not_count_for_normals():
    where = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    where[..., 1:5, 1:5] = True
    assert inner(where).sum() == 4 and inner(torch.ones_like(where)).sum() == 16


def test_silhouettes_that_half_overlap_score_a_third():
    one, other = torch.zeros(2, 1, 1, 4, 8, dtype=torch.bool).unbind()
    one[..., :4], other[..., 2:6] = True, True
    assert mask_iou(one, other).item() == pytest.approx(1 / 3)
    empty = torch.zeros_like(one)
    assert mask_iou(empty, empty).item() == 1 and mask_iou(one, empty).item() == 0


def test_silhouettes_that_never_meet_have_no_depth_error():
    found = scores(dataclasses.replace(head(), opacity=torch.zeros(1, 1, 32, 32)), head())
    assert (
        math.isnan(found["depth"]) and math.isnan(found["depth_aligned"]) and found["mask_iou"] == 0
    )


def test_depth_that_the_reference_does_not_know_does_not_count():
    """A 0 in its depth, inside its silhouette: of half of the head, and of all of it."""
    reference, seen = head(), head(depth=2.53)
    assert reference.depth is not None
    left = torch.arange(32) < 16
    half = dataclasses.replace(reference, depth=torch.where(left, 0, reference.depth))
    part = torch.where(left, 1, 2).to(torch.uint8).expand(1, 1, 32, 32)
    found = scores(seen, half)
    assert found["depth"] == pytest.approx(0.03, abs=1e-6)
    assert found["depth_aligned"] == pytest.approx(0, abs=1e-6)
    assert found["depth_rmse"] == pytest.approx(0, abs=1e-6)
    assert found["normal"] == pytest.approx(scores(seen, reference)["normal"], abs=0.2)
    assert found["mask_iou"] == 1 and found["psnr_foreground"] == BEST_PSNR
    of_parts = part_scores(
        ScoringInput(seen, CAMERA, dataclasses.replace(half, part=part)),
        {"left": [1], "right": [2]},
    )[0]
    assert of_parts["right"]["depth"] == pytest.approx(0.03, abs=1e-6)
    assert of_parts["right"]["depth_aligned"] == pytest.approx(0, abs=1e-6)
    assert all(math.isnan(of_parts["left"][name]) for name in ("depth", "depth_aligned", "normal"))
    nothing = scores(seen, dataclasses.replace(reference, depth=torch.zeros(1, 1, 32, 32)))
    assert all(
        math.isnan(nothing[name]) for name in ("depth", "depth_aligned", "depth_rmse", "normal")
    )


def test_normals_next_to_unknown_depth_do_not_count():
    reference = plane(0.0)
    assert reference.depth is not None
    depth = reference.depth.clone()
    depth[..., 10:14, 10:14] = 0
    for normal in (reference.normal, None):
        holed = dataclasses.replace(reference, depth=depth, normal=normal)
        found = normal_error(ScoringInput(plane(10.0), CAMERA, holed))
        assert found is not None and found.item() == pytest.approx(10, abs=0.1)


def test_views_are_scored_one_by_one():
    both = ItemViews(
        *(
            torch.cat([getattr(head(), name), getattr(head(3), name)])
            for name in ("image", "depth", "opacity")
        )
    )
    reference = ItemViews(
        *(getattr(head(), name).repeat(2, 1, 1, 1) for name in ("image", "depth", "opacity"))
    )
    together = scores_of(ScoringInput(both, CAMERA.expand(2), reference))
    for row, one in enumerate((head(), head(3))):
        alone = scores(one, head())
        for name in ("psnr", "ssim", "depth", "normal"):
            assert together[name][row] == pytest.approx(alone[name], abs=1e-4)


def test_an_error_in_one_part_is_no_error_of_another():
    reference = head()
    part = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    part[..., :16, :], part[..., 16:, :16] = 1, 2
    image = reference.image.clone()
    image[:, :, :16] += 0.2
    found = part_scores(
        ScoringInput(
            dataclasses.replace(reference, image=image),
            CAMERA,
            dataclasses.replace(reference, part=part),
        ),
        PARTS,
    )[0]
    assert (
        found["top"]["psnr"] == pytest.approx(20, abs=1e-3) and found["left"]["psnr"] == BEST_PSNR
    )
    assert math.isnan(found["nowhere"]["psnr"]) and found["both"]["depth"] == 0
    assert part_scores(ScoringInput(reference, CAMERA, reference), PARTS) == [{}]


PARTS = {"top": [1], "left": [2], "both": [1, 2], "nowhere": [7]}


def test_the_pose_error_is_the_angle_between_the_cameras():
    turned = Camera.orbit(torch.tensor([0.3]), torch.zeros(1))
    assert rotation_angle(turned, CAMERA) == pytest.approx(math.degrees(0.3), abs=1e-3)
    assert rotation_angle(CAMERA, CAMERA) == pytest.approx(0, abs=1e-5)
    estimates = iter([turned, None])
    measure = pose_metric(lambda image: next(estimates))
    two = ItemViews(torch.zeros(2, 3, 8, 8))
    angles = measure.score(ScoringInput(two, CAMERA.expand(2)))
    assert (
        angles is not None
        and angles[0].item() == pytest.approx(math.degrees(0.3), abs=1e-3)
        and angles[1].isnan()
    )
