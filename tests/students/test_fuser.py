"""A fuser keeps what was seen, takes what is seen, and never looks ahead."""

import pytest
import torch

from students.fuser import FuserState, TriplaneFuser, warped

SIZE = (2, 3, 4, 8, 8)


def frames(count: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(SIZE, generator=random) for _ in range(count)]


def seen(value: float) -> torch.Tensor:
    return torch.full((2, 3, 1, 8, 8), value)


def trained_a_bit(**settings) -> TriplaneFuser:
    """Its last layers aren't zero any more."""
    torch.manual_seed(1)
    fuser = TriplaneFuser(channels=4, width=8, hidden=settings.pop("hidden", 4), **settings)
    for plane in fuser.planes:
        for layer in (plane.flow, plane.weight):
            if layer is not None:
                torch.nn.init.normal_(layer.weight, std=0.1)
    return fuser


def test_the_first_frame_stays_as_it_is():
    (planes,) = frames(1)
    fused, state = trained_a_bit()(planes, seen(0.3))
    assert fused is planes and (state.visibility == 0.3).all()


@pytest.mark.parametrize(("now", "before"), [(1.0, 0.0), (0.0, 1.0)])
def test_untrained_it_shows_the_frame_where_it_sees_and_the_memory_where_not(now, before):
    frame, memory = frames(2)
    fuser = TriplaneFuser(channels=4, width=8)
    fused, state = fuser(frame, seen(now), FuserState(memory, seen(before)))
    torch.testing.assert_close(fused, frame if now else memory, atol=0.02, rtol=0)
    assert state.visibility.min() >= 0.98


def test_what_it_shows_lies_between_frame_and_memory_however_it_is_trained():
    frame, memory = frames(2)
    fuser = trained_a_bit(undistorts=False)
    fused, _ = fuser(frame, seen(0.4), FuserState(memory, seen(0.6)))
    low, high = torch.minimum(frame, memory), torch.maximum(frame, memory)
    assert (fused >= low - 1e-6).all() and (fused <= high + 1e-6).all()
    assert not torch.allclose(fused, 0.4 * frame + 0.6 * memory, atol=0.05)


def test_a_constant_flow_moves_the_plane_by_texels():
    plane = torch.arange(64.0).reshape(1, 1, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 8  # a texel to the right
    assert (warped(plane, flow)[..., :-1] == plane[..., 1:]).all()
    assert torch.allclose(warped(plane, 0 * flow), plane)


def test_a_frame_s_result_depends_on_no_later_frame_and_on_every_earlier_one():
    fuser, given = trained_a_bit(), frames(4)
    visibility = seen(0.5)

    def run(planes):
        state, shown = None, []
        for frame in planes:
            fused, state = fuser(frame, visibility, state)
            shown.append(fused)
        return shown

    whole, short = run(given), run(given[:3])
    assert all(torch.equal(one, other) for one, other in zip(whole, short, strict=False))
    changed = run([given[0] + 1, *given[1:]])
    assert (changed[3] - whole[3]).abs().max() > 1e-3


def test_each_ablation_takes_one_thing_away():
    frame, memory = frames(2)

    def fused(fuser, now, hidden=()):
        return fuser(frame, seen(now), FuserState(memory, seen(1.0), hidden))[0]

    blind = trained_a_bit(sees=False)
    assert torch.equal(fused(blind, 0.0), fused(blind, 1.0))
    sighted = trained_a_bit()
    assert not torch.equal(fused(sighted, 0.0), fused(sighted, 1.0))
    hidden = tuple(torch.ones(2, 4, 4, 4) for _ in range(3))
    assert not torch.equal(fused(sighted, 0.5), fused(sighted, 0.5, hidden))
    plain = trained_a_bit(hidden=0)
    assert plain(frame, seen(1.0), FuserState(memory, seen(1.0)))[1].hidden == ()
    assert all(plane.flow is None for plane in trained_a_bit(undistorts=False).planes)


def test_every_weight_gets_a_gradient_over_three_frames():
    fuser, state = trained_a_bit(), None
    for frame in frames(3):
        fused, state = fuser(frame, seen(0.5), state)
    fused.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in fuser.parameters())
    assert not state.detach().planes.requires_grad


def test_rows_of_a_batch_ignore_each_other():
    fuser, (frame, memory) = trained_a_bit(), frames(2)
    both, _ = fuser(frame, seen(0.5), FuserState(memory, seen(0.7)))
    one, _ = fuser(frame[1:], seen(0.5)[1:], FuserState(memory[1:], seen(0.7)[1:]))
    torch.testing.assert_close(both[1:], one)


def test_it_is_small_beside_the_smallest_student():
    fuser = TriplaneFuser(channels=16)
    assert sum(weight.numel() for weight in fuser.parameters()) < 300_000
