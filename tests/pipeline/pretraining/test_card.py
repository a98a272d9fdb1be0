"""A teacher's depth is compared with the world that it learned."""

import dataclasses
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from pipeline.evaluation.metrics.sticking import Sticking
from pipeline.pretraining import card_scores
from pipeline.pretraining.card import card_rows, write_card
from pipeline.pretraining.card_scores import (
    CardScores,
    _distance_to_nearest,
    depth_against_world,
    kernel_distances,
    score_at_full_size,
)
from pipeline.pretraining.normals import NormalScores
from pipeline.pretraining.training_images import TrainingImages
from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings


class RampWorld:
    """Every identity is a slope that fills the picture; knows who asked."""

    name, version, pivot = "ramps", 1, (0.0, 0.0, 0.15)

    def render(self, seeds, camera, resolution):
        self.camera = camera
        depth = torch.linspace(2.4, 2.8, resolution).expand(len(seeds), 1, resolution, -1)
        return SimpleNamespace(depth=depth, opacity=torch.ones_like(depth))


@pytest.fixture
def teacher() -> EG3DTeacher:
    settings = smallest_eg3d_settings(8, feature_channels=3, density_gain=30.0)
    return untrained_teacher(settings)


def test_a_world_is_seen_by_its_own_cameras_and_its_own_depth_agrees_fully(teacher, monkeypatch):
    world = RampWorld()
    views = world.render(range(4), None, 8)
    monkeypatch.setattr(
        EG3DTeacher,
        "render",
        lambda *given, **named: SimpleNamespace(depth=views.depth, opacity=views.opacity),
    )
    found = depth_against_world(teacher, world, identities=4)
    assert found.correlation == pytest.approx(1.0, abs=1e-4)
    assert found.identity_correlation == pytest.approx(1.0, abs=1e-4)
    position, forward = world.camera.cam_to_world[0, :3, 3], world.camera.cam_to_world[0, :3, 2]
    torch.testing.assert_close(position + forward * 2.55, torch.tensor(world.pivot))


def test_a_card_has_depth_of_the_prior_and_of_the_world_beside_the_teachers(teacher):
    depth = depth_against_world(teacher, RampWorld(), identities=4)
    scores = CardScores(
        {}, {}, 1.0, {"view_error": 0.0, "view_still": 0.1}, depth, (0.5, 0.1), (0.5, 0.1),
        0.1, 0.1, 64, depth, depth, "ramps",
    )  # fmt: skip
    rows = " ".join(name for name, _ in card_rows(scores))
    assert "depth before training" in rows and "depth of other identities of the world" in rows
    assert not any("normals" in name for name, _ in card_rows(scores))  # an earlier version's
    sticking = Sticking(0.25, 0.7, 0.2, 0.05, 0.6)
    normals = NormalScores(19.0, 7.0, {"pixels": 0.3}, {"pixels": 0.1})
    scores = dataclasses.replace(scores, sticking=sticking, world_sticking=sticking)
    table = dict(card_rows(dataclasses.replace(scores, normals=normals)))
    assert table["share of the detail that sticks to the screen (the world's)"] == "0.25 (0.25)"
    assert table["Fréchet distance of normals on pixels, × floor"].startswith("3.0 ")
    photographs = CardScores(
        {}, {}, 1.0, {"view_error": 0.0, "view_still": 0.1}, None, (0.5, 0.1), (0.5, 0.1),
        0.1, 0.1, 64,
    )  # fmt: skip
    assert not any("depth," in name for name, _ in card_rows(photographs))


@pytest.mark.parametrize(
    ("begun_from", "imitated", "words", "real"),
    [
        (None, 0, "Trained from scratch by", 8),
        ("old", 0, "from teacher `old` on by `trilift pretrain` on photographs.", 8),
        ("old", 6, "it imitates that one's images and depths (8).\nFrom 6 images on", 2),
        ("old", 8, "has seen no real ones", 0),
    ],
)
def test_a_card_says_what_the_training_began_with(
    teacher, tmp_path, begun_from, imitated, words, real
):
    scores = CardScores(
        {}, {}, 1.0, {"view_error": 0.0, "view_still": 0.1}, None, (0.5, 0.1), (0.5, 0.1),
        0.1, 0.1, 64,
    )  # fmt: skip
    write_card(
        tmp_path, teacher, scores, images=8, begun_from=begun_from, imitated=imitated,
        recipe="trilift", notes="",
    )  # fmt: skip
    card = (tmp_path / "card.md").read_text()
    assert words in card and f"| real images seen | {real} |" in card
    assert (tmp_path / "sheet.png").is_file() and (tmp_path / "card_scores.json").is_file()


def test_copies_of_any_training_image_are_found_mirrored_ones_too():
    pixels = torch.randint(0, 256, (2100, 3, 4, 4), generator=torch.manual_seed(0)).byte()
    camera = Camera.orbit(torch.zeros(2100), torch.zeros(2100))
    last = pixels[-5:].float() / 127.5 - 1
    for mirrored in (True, False):
        images = TrainingImages(pixels, camera, mirrored=mirrored)
        assert _distance_to_nearest(last, images, 1.0) < 1e-3
        assert (_distance_to_nearest(last.flip(-1), images, 1.0) < 1e-3) == mirrored
    assert _distance_to_nearest(last[:4], images, 1.0, start=2099) > 0.1


def test_few_images_are_compared_with_the_others(monkeypatch):
    found = []

    def noted(judged, images, behind, *, start):
        found.append((len(judged), start))
        return 0.0

    monkeypatch.setattr(card_scores, "_distance_to_nearest", noted)
    for count in (16, 200, 600):
        camera = Camera.orbit(torch.zeros(count), torch.zeros(count))
        pixels = torch.zeros(count, 3, 2, 2, dtype=torch.uint8)
        card_scores._nearest_of_others(TrainingImages(pixels, camera, mirrored=False), 1.0)
    assert found == [(8, 8), (100, 100), (256, 256)]


@pytest.mark.parametrize(("background", "grey"), [("black", 0.0), ("white", 1.0)])
def test_a_teacher_is_compared_with_images_before_its_own_background(background, grey):
    settings = smallest_eg3d_settings(8, feature_channels=3, background=background)
    images = Mock(spec=TrainingImages)
    images.first.side_effect = InterruptedError
    with pytest.raises(InterruptedError):
        score_at_full_size(untrained_teacher(settings), images, None, real=9)
    images.first.assert_called_once_with(9, grey)


def test_kernel_distances_are_of_equal_numbers_and_need_the_weights(tmp_path, monkeypatch):
    assert kernel_distances(torch.zeros(4, 3, 8, 8), torch.zeros(9, 3, 8, 8), tmp_path) == (
        None,
        None,
    )
    sizes = []

    def network(images):
        sizes.append(len(images))
        return images.flatten(1)[:, :8]

    monkeypatch.setattr(card_scores, "load_efficientnet", lambda folder: (network, tmp_path))
    real = torch.rand(90, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    generated, other = kernel_distances(-real[:60], real, tmp_path)
    assert sizes == [32, 13] * 3  # 45 of each
    assert generated > 0.5 and abs(other) < 0.05


def test_the_card_tells_the_kernel_distance_where_there_is_one():
    without = CardScores(
        {}, {}, 1.0, {"view_error": 0.0, "view_still": 0.1}, None, (0.5, 0.1), (0.5, 0.1),
        0.1, 0.1, 64,
    )  # fmt: skip
    row = "KID on EfficientNet-Lite0's features (of other real images)"
    scores = dataclasses.replace(without, kid=0.0512, real_kid=-0.0001)
    assert (row, "0.0512 (-0.0001)") in card_rows(scores)
    assert row not in dict(card_rows(without))
