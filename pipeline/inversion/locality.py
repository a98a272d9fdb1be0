"""PTI's locality term (Roich et al. 2021, sec. 3.3): identities near the one that is tuned for are
to stay what they were.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.random_streams import normals
from teachers.rendering.camera import Camera
from teachers.teacher import Teacher

from .input_loss import InputLoss


@dataclass(frozen=True, kw_only=True)
class Locality:
    """How much neighbours count.

    Attributes:
        weight: of the term; 0 is none, which is the published code's default (its weight otherwise:
            0.1).
        radius: how far from the tuned latent, in W, the neighbours are that are looked at
            (published: 30); never farther than the drawn latent itself.
        every: it is computed in every so many-th step.
    """

    weight: float | int = 0.0
    radius: float | int = 30.0
    every: int = 1

    def __post_init__(self) -> None:
        if self.weight < 0 or self.radius <= 0 or self.every < 1:
            raise ValueError(
                f"locality has weight={self.weight}, radius={self.radius}, every={self.every}: give"
                " none below 0, every ≥ 1"
            )

    def counts(self, step: int) -> bool:
        """Whether it is computed in a step."""
        return self.weight > 0 and step % self.every == 0

    def __call__(
        self,
        before: Teacher,
        tuned: Teacher,
        ws: Float[Tensor, "1 layer w_dim"],
        camera: Camera,
        *,
        loss: InputLoss,
        seed: int,
        step: int,
    ) -> Float[Tensor, ""]:
        """How differently the two draw a neighbour, by the same measure as the photograph;
        weighted.

        Args:
            before, tuned: the teacher as it was, and as it is being tuned.
            ws: whose neighbour.
            camera: that of the photograph.
            loss: that of the photograph.
            seed, step: decide which neighbour.
        """
        with torch.no_grad():
            drawn = before.map_latents(
                normals(seed, [step], "inversion/locality", before.z_dim).to(ws)
            )
            away = drawn - ws
            distance = away.norm(dim=-1, keepdim=True).clamp(min=1e-8)
            neighbour = ws + away * (self.radius / distance).clamp(max=1)
            expected = before.render(before.synthesize(neighbour), camera, ws=neighbour).image
        rendering = tuned.render(tuned.synthesize(neighbour), camera, ws=neighbour)
        return self.weight * loss.against(expected)(rendering)
