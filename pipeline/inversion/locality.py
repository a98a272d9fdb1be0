"""Locality regularisation of PTI (Roich et al. 2021, sec. 3.3).

Neighbours of the tuned latent should render as before.
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
    """Settings of the regularisation.

    Attributes:
        weight: of the term; 0, the published code's default: none (otherwise published: 0.1).
        radius: distance in W between the tuned latent and its neighbours (published: 30); at most
            that of the sampled latent.
        every: the term is computed every so many steps.

    Raises:
        ValueError: a negative weight, a radius of 0 or below, `every` below 1.
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
        """Whether the term is computed in a step."""
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
        """The weighted loss between the two teachers' renderings of a neighbour
        w_n = w + r (w_z - w) / ‖w_z - w‖.

        Args:
            before, tuned: the teacher before tuning, and the copy that is tuned.
            ws: the tuned latent.
            camera: of the photograph.
            loss: of the photograph; its terms and weights are used.
            seed, step: determine the neighbour.
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
