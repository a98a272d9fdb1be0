"""Films of turning heads: what the camera can't see is marked, and nothing else."""

import pytest
import torch

from pipeline.worlds.splits import Split
from pipeline.worlds.turns import TurnSource


@pytest.fixture(scope="module")
def turn():
    return TurnSource(frames=5, resolution=32, views=2)(3)


def test_a_film_is_the_same_each_time_and_another_for_another_number(turn):
    again, other = TurnSource(frames=5, resolution=32, views=2)(3), TurnSource(frames=5)(4)
    assert torch.equal(again.images, turn.images) and torch.equal(again.targets, turn.targets)
    assert not torch.equal(other.camera.cam_to_world, turn.camera.cam_to_world)
    assert turn.images.shape == (5, 3, 32, 32) and turn.targets.shape == (5, 2, 3, 32, 32)


def test_it_starts_and_ends_in_front_and_turns_far_to_both_sides_between(turn):
    x, _, z = turn.camera.cam_to_world[:, :3, 3].T
    yaw = torch.atan2(x, z).rad2deg()
    assert yaw[[0, 2, 4]].abs().max() < 1 and yaw[1] * yaw[3] < 0
    assert 35 <= yaw.abs().max() <= 55


def test_a_turned_head_hides_much_from_the_front_and_a_frontal_one_nearly_nothing(turn):
    hidden = turn.is_hidden[:, 0].float().sum((1, 2, 3)) / turn.is_head[:, 0].float().sum((1, 2, 3))
    assert hidden[[1, 3]].min() > 0.1 and hidden[[1, 3]].min() > 3 * hidden[[0, 2, 4]].max()


def test_from_the_front_the_hidden_side_is_the_one_turned_away(turn):
    x = turn.camera.cam_to_world[:, 0, 3]
    columns = torch.arange(32).float()
    for frame in (1, 3):
        mask = turn.is_hidden[frame, 0, 0].float()
        middle = float((mask * columns).sum() / mask.sum())
        # A camera at +x sees the right of the frontal picture.
        assert (middle < 15) == bool(x[frame] > 0)


def test_what_both_see_looks_alike_though_the_head_has_turned(turn):
    """Puppets' colours depend on the light, not on the view: a visible pixel of the frontal target
    is where the turned frame shows the same colour; sampled at the projected point.
    """
    from torch.nn import functional as F

    from teachers.rendering.camera import Camera

    frame = 1
    own = turn.camera[frame : frame + 1]
    front = Camera.orbit(torch.zeros(1), torch.zeros(1))
    source = TurnSource(frames=5, resolution=32, views=1)(3)
    assert torch.equal(source.targets[frame, 0], turn.targets[frame, 0])
    assert torch.allclose(source.target_camera[frame : frame + 1].cam_to_world, front.cam_to_world)
    depth = source.depth[0:1]  # frontal film frame: same view as the frontal target of frame 0
    points = front.rays(32).at(depth.flatten(1)[..., None])[:, :, 0]
    place, _ = own.project(points)
    shown = F.grid_sample(turn.images[frame][None], place[:, :, None] * 2 - 1, align_corners=False)
    visible = (source.is_head[0, 0] & ~turn.is_hidden[frame, 0]).flatten()
    apart = (shown[0, :, :, 0] - source.targets[0, 0].flatten(1)).abs().mean(0)
    assert apart[visible].median() < 0.1 < apart[turn.is_hidden[frame, 0].flatten()].mean()


def test_impossible_films_are_refused():
    with pytest.raises(ValueError, match="angles in order"):
        TurnSource(least_yaw_deg=60)
    with pytest.raises(ValueError, match="at least one"):
        TurnSource(frames=0)
    with pytest.raises(ValueError, match="identity 1000000"):
        TurnSource(split=Split.TRAIN)(1_000_000)
