"""Temporal fusion: the planes of one frame and what was seen before → planes that keep both.

After Coherent3D (Wang et al., CVPR 2025): each of the three planes has networks of its own, which
correct the frame's planes by a learned flow and weigh frame and memory by their visibility. This
one is causal, recurrent and small: its memory is the planes that it fused last, their visibility,
and a hidden state.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Planes = Float[Tensor, "batch 3 channel height width"]
Visibility = Float[Tensor, "batch 3 1 height width"]

EMPTY = 1e-3
"""Visibility that every texel has: where nobody has looked, frame and memory count equally."""


@dataclass(frozen=True)
class FuserState:
    """What a fuser remembers of the frames before.

    Attributes:
        planes: fused last.
        visibility: how well each texel has been seen so far, in [0, 1].
        hidden: of the recurrence, for each plane `[batch hidden height width]`; empty without one.
    """

    planes: Planes
    visibility: Visibility
    hidden: tuple[Tensor, ...] = ()

    def detach(self) -> "FuserState":
        """Without the gradients' graph: where truncated backpropagation through time cuts."""
        return FuserState(
            self.planes.detach(),
            self.visibility.detach(),
            tuple(hidden.detach() for hidden in self.hidden),
        )


@dataclass(frozen=True)
class FusedFrame:
    """One frame after fusion.

    Attributes:
        planes: fused.
        undistorted: the frame's own planes, warped by the flow.
        share: of the frame in each fused texel, in [0, 1].
        state: for the next frame.
    """

    planes: Planes
    undistorted: Planes
    share: Visibility
    state: FuserState


class PlaneFuser(nn.Module):
    """Frame and memory of one plane → the fused plane.

    Before training the flow is zero and the weights are those of visibility alone, so that the
    result lies between frame and memory; training can't leave that interval, since only the weights
    are learned: a fuser can't invent colours.

    Args:
        channels: of a plane.
        width: of the networks.
        hidden: channels of the recurrence; 0: none.
        furthest: largest shift of the flow, in halves of the plane's side.
        undistorts: whether the frame's plane is warped.
        sees: whether visibility enters.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int,
        hidden: int,
        furthest: float,
        undistorts: bool,
        sees: bool,
    ) -> None:
        super().__init__()
        self.furthest, self.undistorts, self.sees, self.hidden = furthest, undistorts, sees, hidden
        inputs = 2 * channels + 2
        self.features = nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.LeakyReLU(0.1),
        )
        self.gates = nn.Conv2d(width + hidden, 2 * hidden, 3, padding=1) if hidden else None
        self.candidate = nn.Conv2d(width + hidden, hidden, 3, padding=1) if hidden else None
        self.flow = _zero(nn.Conv2d(width + hidden, 2, 3, padding=1)) if undistorts else None
        self.weight = _zero(nn.Conv2d(width + hidden, 1, 3, padding=1))

    def forward(
        self,
        frame: Float[Tensor, "batch channel height width"],
        frame_seen: Float[Tensor, "batch 1 height width"],
        memory: Float[Tensor, "batch channel height width"],
        memory_seen: Float[Tensor, "batch 1 height width"],
        hidden: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The fused plane, the warped frame, its share, and the next hidden state."""
        if not self.sees:
            frame_seen, memory_seen = torch.ones_like(frame_seen), torch.ones_like(memory_seen)
        features = self.features(torch.cat([frame, memory, frame_seen, memory_seen], 1))
        if self.gates is not None and self.candidate is not None:
            if hidden is None:
                hidden = features.new_zeros(len(features), self.hidden, *features.shape[2:])
            keep, reset = self.gates(torch.cat([features, hidden], 1)).sigmoid().chunk(2, 1)
            new = self.candidate(torch.cat([features, reset * hidden], 1)).tanh()
            hidden = keep * hidden + (1 - keep) * new
            features = torch.cat([features, hidden], 1)
        if self.flow is not None:
            flow = self.furthest * _enlarged(self.flow(features), frame).tanh()
            frame, frame_seen = warped(frame, flow), warped(frame_seen, flow)
        prior = (frame_seen + EMPTY).log() - (memory_seen + EMPTY).log()
        share = (prior + _enlarged(self.weight(features), frame)).sigmoid()
        return share * frame + (1 - share) * memory, frame, share, hidden


class TriplaneFuser(nn.Module):
    """Frame by frame: the planes of a lifted frame and the state → fused planes and the next state.

    Args:
        channels: of a plane (`Passport.stored_channels`).
        width: of the networks of each plane.
        hidden: channels of the recurrence; 0: none (an ablation).
        furthest: largest shift of the flow, in halves of the plane's side.
        undistorts: false: without the flow (an ablation).
        sees: false: visibility isn't used (an ablation).
        forgets: share of the memory's visibility that is lost from frame to frame, in [0, 1]: what
            was seen long ago counts less than what is seen now.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int = 32,
        hidden: int = 16,
        furthest: float = 0.1,
        undistorts: bool = True,
        sees: bool = True,
        forgets: float = 0.02,
    ) -> None:
        super().__init__()
        self.forgets = forgets
        self.planes = nn.ModuleList(
            PlaneFuser(
                channels=channels,
                width=width,
                hidden=hidden,
                furthest=furthest,
                undistorts=undistorts,
                sees=sees,
            )
            for _ in range(3)
        )

    def forward(
        self, planes: Planes, visibility: Visibility, state: FuserState | None = None
    ) -> tuple[Planes, FuserState]:
        """The fused planes and the next state (`fuse`)."""
        frame = self.fuse(planes, visibility, state)
        return frame.planes, frame.state

    def fuse(
        self, planes: Planes, visibility: Visibility, state: FuserState | None = None
    ) -> FusedFrame:
        """One frame.

        Args:
            planes: of the frame, lifted by itself.
            visibility: which of their texels the frame's camera saw, in [0, 1].
            state: after the frame before; None: this is the first, which stays as it is. A state
                made from a frontal picture is Coherent3D's canonical prior.
        """
        if state is None:
            whole = torch.ones_like(visibility)
            return FusedFrame(planes, planes, whole, FuserState(planes, visibility))
        hidden = state.hidden or (None,) * 3
        fused, undistorted, shares, new = zip(
            *(
                network(
                    planes[:, plane],
                    visibility[:, plane],
                    state.planes[:, plane],
                    state.visibility[:, plane],
                    hidden[plane],
                )
                for plane, network in enumerate(self.planes)
            ),
            strict=True,
        )
        kept = (1 - self.forgets) * state.visibility
        result = torch.stack(fused, 1)
        states = () if new[0] is None else tuple(new)
        return FusedFrame(
            result,
            torch.stack(undistorted, 1),
            torch.stack(shares, 1),
            FuserState(result, torch.maximum(kept, visibility), states),
        )


def warped(
    plane: Float[Tensor, "batch channel height width"],
    flow: Float[Tensor, "batch 2 height width"],
) -> Float[Tensor, "batch channel height width"]:
    """What lies `flow` (x, then y; halves of the side) away from each texel; edges are repeated."""
    height, width = plane.shape[2:]
    x = (torch.arange(width).to(plane) + 0.5) / width * 2 - 1
    y = (torch.arange(height).to(plane) + 0.5) / height * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) + flow.permute(0, 2, 3, 1)
    return F.grid_sample(plane, grid, padding_mode="border", align_corners=False)


def _enlarged(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image, size=like.shape[2:], mode="bilinear", align_corners=False)


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
