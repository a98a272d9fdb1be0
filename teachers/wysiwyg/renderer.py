"""Triplane × camera → image, without a super-resolution."""

from typing import cast

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import RayColors
from teachers.rendering.proposal_network import ProposalNetwork
from teachers.rendering.renderer import TriplaneField, TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .decoder import DirectionalDistanceField, DistanceDecoder


class WysiwygRenderer(TriplaneRenderer):
    """A `Renderer` whose samples a network places.

    Args:
        proposals: the network; None: two passes as in EG3D.
        counts: how many samples go where.
        arguments: see `TriplaneRenderer`.

    Attributes:
        uses_proposals: False in training as long as the network hasn't learnt.
        sees_directions: True in training: colours depend on the view. A trained teacher shows those
            seen from the front, so that a point has one colour (sec. 3).
    """

    def __init__(
        self,
        *,
        proposals: ProposalNetwork | None,
        counts: LearnedSampling,
        **arguments: object,
    ) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.proposals, self.counts = proposals, counts
        self.uses_proposals = proposals is not None
        self.sees_directions = False

    @property
    def ray_samples(self) -> tuple[int, int]:
        """See `Renderer`: the probe takes no jitter."""
        if self.proposals is None or not self.uses_proposals:
            return super().ray_samples
        return 0, self.counts.hard_samples

    def field(self, triplane: Triplane) -> TriplaneField:
        """See `TriplaneRenderer`."""
        kind = DirectionalDistanceField if self.sees_directions else TriplaneField
        return kind(triplane, self.decoder)

    def signed_distance(
        self, triplane: Triplane, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Distance to the surface at world points, negative inside; its zeros are the surface."""
        decoder = cast(DistanceDecoder, self.decoder)
        return decoder.distance_and_beta(triplane.sample(points), points)[0]

    def _cast(self, triplane: Triplane, camera: Camera, jitter: RayJitter | None) -> RayColors:
        if self.proposals is None or not self.uses_proposals:
            return super()._cast(triplane, camera, jitter)
        return march_learned(
            self.field(triplane),
            camera,
            self.resolution,
            self.sampling,
            self.proposals,
            self.counts,
            jitter,
        )
