"""Who a sample shows: the latent, how far it is pulled to the mean, and the camera that conditions the mapping network."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .cameras import CameraPrior
from .laws import Fixed, Law
from .random_streams import normals, stream


class LatentPrior:
    """The law of z, of the truncation, and of the conditioning camera; LP3D states none of the last two.

    Args:
        truncation: law of ψ; 1 is none.
        conditioning: "frontal" (people don't change with the view), "reference" (the input's camera conditions, as when
            EG3D was trained), or a prior of its own, such as one near frontal.
    """

    def __init__(self, *, truncation: Law | None = None, conditioning: str | CameraPrior = "frontal") -> None:
        if isinstance(conditioning, str) and conditioning not in ("frontal", "reference"):
            raise ValueError(f"conditioning is {conditioning!r}: use frontal, reference, or a camera prior")
        self.truncation = truncation or Fixed(value=1.0)
        self.conditioning = conditioning

    def draw_z(self, seed: int, samples: Sequence[int], z_dim: int) -> Float[Tensor, "batch z_dim"]:
        """Standard normal z of each sample number."""
        return normals(seed, samples, "latent", z_dim)

    def draw_truncation(self, seed: int, samples: Sequence[int]) -> Float[Tensor, " batch"]:
        """ψ of each sample number."""
        return torch.tensor([self.truncation.draw(stream(seed, n, "truncation")) for n in samples], dtype=torch.float32)

    def draw_conditioning(self, seed: int, samples: Sequence[int], reference: Camera) -> Camera | None:
        """The camera that the mapping network is told; None lets the teacher take its frontal one."""
        if self.conditioning == "frontal":
            return None
        if self.conditioning == "reference":
            return reference
        assert isinstance(self.conditioning, CameraPrior)
        return self.conditioning.draw(seed, samples, "conditioning")
