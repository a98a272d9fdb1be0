"""A fuser's file, and what a camera sees of lifted planes."""

import pytest
import torch

from pipeline.fusion import (
    TrainedFuser,
    frame_visibility,
    fused_frames,
    state_of,
    state_tensors,
)
from pipeline.lifter import Lifter
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter

TEACHER = ToyTeacher(resolution=16, depth_samples=12, sharpness=100.0)


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return tiny_lifter(TEACHER).eval()


@pytest.fixture(scope="module")
def spheres():
    """Two true heads."""
    z = torch.randn(2, TEACHER.z_dim, generator=torch.Generator().manual_seed(0))
    return TEACHER.synthesize(TEACHER.map_latents(z))


def test_a_file_gives_back_the_fuser_and_its_passport(lifter, spheres, tmp_path):
    trained = TrainedFuser.untrained(lifter.passport, width=8, hidden=4)
    for weight in trained.network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    trained.save(tmp_path / "fuser.safetensors")
    again = TrainedFuser.load(tmp_path / "fuser.safetensors")
    assert (again.passport, again.step, again.arguments) == (
        trained.passport,
        0,
        {"channels": lifter.passport.stored_channels, "width": 8, "hidden": 4},
    )
    seen = torch.full((2, 3, 1, *spheres.planes.shape[-2:]), 0.5)
    one, other = (fused_frames(each.network, spheres, seen)[1] for each in (trained, again))
    assert torch.equal(one.planes, other.planes)


@pytest.mark.parametrize("content", [None, b"", b"no file of tensors", "student"])
def test_what_is_no_fuser_gets_one_sentence(lifter, tmp_path, content):
    path = tmp_path / "x.safetensors"
    if content == "student":
        lifter.save(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(FileNotFoundError if content is None else ValueError, match="fuser"):
        TrainedFuser.load(path)


def test_from_the_side_the_other_side_isn_t_seen(lifter, spheres):
    side = lifter.passport.orbit(torch.tensor([1.2, -1.2]))
    planes = spheres.with_planes(spheres.planes[:1].repeat(2, 1, 1, 1, 1))
    right, left = frame_visibility(lifter, planes, side)
    xy = planes.axes.index("xy")
    columns = torch.arange(right.shape[-1]).float()
    middles = [float((seen[xy, 0] * columns).sum() / seen[xy, 0].sum()) for seen in (right, left)]
    assert middles[0] > middles[1] + 1


def test_films_can_be_cut_into_parts_between_which_the_state_lies_in_a_file(lifter, spheres):
    fuser = TrainedFuser.untrained(lifter.passport, width=8, hidden=4).network
    for weight in fuser.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    seen = torch.rand(2, 3, 1, *spheres.planes.shape[-2:])
    whole, _ = fused_frames(fuser, spheres, seen)
    part, state = fused_frames(fuser, spheres.with_planes(spheres.planes[:1]), seen[:1])
    state = state_of(state_tensors(state))
    rest, state = fused_frames(fuser, spheres.with_planes(spheres.planes[1:]), seen[1:], state)
    assert torch.equal(whole[0].planes, part[0].planes)
    assert torch.equal(whole[1].planes, rest[0].planes)
    assert len(state_of(state_tensors(state)).hidden) == 3
