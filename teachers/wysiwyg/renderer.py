"""Triplane × camera → image, without a super-resolution."""

from typing import cast

from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import RayColors
from teachers.rendering.proposal_network import ProposalNetwork
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .decoder import DirectionalDistanceField, DistanceField


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
    def _placing(self) -> ProposalNetwork | None:
        """The network that places the samples now; None: two passes do."""
        return self.proposals if self.uses_proposals else None

    @property
    def ray_samples(self) -> tuple[int, int]:
        """See `Renderer`: the probe takes no jitter."""
        if self._placing is None:
            return super().ray_samples
        return 0, self.counts.hard_samples

    def with_counts(self, counts: LearnedSampling | None) -> "WysiwygRenderer":
        """The same networks (shared, not copied) with other counts; None: without the sampler.

        Raises:
            ValueError: there are counts, but no network, or it was made for another probe.
        """
        changed = cast(WysiwygRenderer, self.changed())
        if counts is None:
            changed.uses_proposals = False
            return changed
        if self.proposals is None or counts.probe_samples != self.counts.probe_samples:
            raise ValueError(
                f"counts of {counts.probe_samples} probe samples: the sampler is"
                f" {'missing' if self.proposals is None else self.counts.probe_samples}"
            )
        changed.counts, changed.uses_proposals = counts, True
        return changed

    def field(self, triplane: Triplane) -> DistanceField:
        """See `TriplaneRenderer`."""
        kind = DirectionalDistanceField if self.sees_directions else DistanceField
        return kind(triplane, self.decoder)

    @property
    def unread_sampling(self) -> tuple[str, ...]:
        """Fields of `sampling` that the proposal network replaces."""
        if self._placing is None:
            return ()
        return ("first_pass", "depth_samples", "importance_samples")

    def _cast(self, triplane: Triplane, camera: Camera, jitter: RayJitter | None) -> RayColors:
        proposals = self._placing
        if proposals is None:
            return super()._cast(triplane, camera, jitter)
        return march_learned(
            self.field(triplane),
            camera,
            self.resolution,
            self.sampling,
            proposals,
            self.counts,
            jitter,
        )
