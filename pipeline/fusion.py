"""Temporal fusion of lifted frames: what a camera saw of the planes, the fuser's file, its use."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.lifter import Lifter
from pipeline.runs.network_file import TrainedNetwork
from students.fuser import FusedFrame, FuserState, TriplaneFuser
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane
from teachers.rendering.visibility import seen_texels

SEEN_SIDE = 32
"""Of the rendering whose depth says what a frame's camera sees; planes of 64² need no finer one."""


class TrainedFuser(TrainedNetwork[TriplaneFuser]):
    """A fuser; untrained, it weighs frames and memory by visibility alone."""

    build = TriplaneFuser
    key = noun = "fuser"
    advice = (
        "train one (`trilift distill experiment=fuser`), or give the path of a fuser.safetensors"
    )

    @classmethod
    def untrained(cls, passport: Passport, **arguments: Any) -> "TrainedFuser":
        """For a teacher's planes."""
        return super().untrained(passport, **{"channels": passport.stored_channels, **arguments})


def coarse(lifter: Lifter, side: int) -> Any:
    """The student's renderer with views of this side, without a super-resolution; as it is if it
    knows no other side.
    """
    renderer: Any = lifter.renderer
    if not hasattr(renderer, "changed"):
        return renderer
    return renderer.changed(resolution=side, super_resolution=False)


@torch.no_grad()
def frame_visibility(
    lifter: Lifter, triplane: Triplane, camera: Camera, *, side: int = SEEN_SIDE
) -> Float[Tensor, "batch 3 1 plane_height plane_width"]:
    """Which texels of lifted frames their own cameras saw (`seen_texels`), by the lifted depth."""
    seen = coarse(lifter, side)(triplane, camera, None, None)
    return seen_texels(triplane, camera, seen.depth, seen.opacity)


def fused_frames(
    fuser: TriplaneFuser,
    triplane: Triplane,
    visibility: Float[Tensor, "frame 3 1 plane_height plane_width"],
    state: FuserState | None = None,
) -> tuple[list[FusedFrame], FuserState]:
    """The frames of one film in their order, each after those before it.

    Args:
        fuser: the network.
        triplane: a row for each frame, at least one.
        visibility: of their texels.
        state: after the frames before; None: the first one begins anew.
    """
    frames = []
    for row in range(len(triplane.planes)):
        frame = fuser.fuse(triplane.planes[row : row + 1], visibility[row : row + 1], state)
        frames.append(frame)
        state = frame.state
    assert state is not None
    return frames, state


def state_tensors(state: FuserState) -> dict[str, Tensor]:
    """For a file; `state_of` reads it."""
    hidden = {f"hidden{plane}": one for plane, one in enumerate(state.hidden)}
    return {"planes": state.planes, "visibility": state.visibility, **hidden}


def state_of(tensors: dict[str, Tensor]) -> FuserState:
    """From `state_tensors`."""
    hidden = tuple(tensors[f"hidden{plane}"] for plane in range(3) if f"hidden{plane}" in tensors)
    return FuserState(tensors["planes"], tensors["visibility"], hidden)
