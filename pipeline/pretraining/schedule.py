"""The schedule of a teacher's training, in real images seen."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GANSchedule:
    """Ramps of EG3D's training (papers: EG3D supp.; StyleGAN3 for the blur), in images.

    Attributes:
        total_images: where training ends.
        growth: (images, side) pairs in rising order: after this number of images, rays are cast
            at this resolution.
        blur_sigma: standard deviation in pixels of the blur on what the discriminator sees, at the
            start.
        blur_images: images over which it falls to nothing.
        swap_start, swap_end, swap_images: probability that the generator is conditioned on another
            image's camera.
        decay_images: over this number of images before the end the learning rates fall linearly …
        decay_floor: … to this share.
    """

    total_images: int
    growth: Sequence[Sequence[int]]
    blur_sigma: float = 0.0
    blur_images: int = 0
    swap_start: float = 1.0
    swap_end: float = 0.5
    swap_images: int = 1_000_000
    decay_images: int = 0
    decay_floor: float = 0.15

    def __post_init__(self) -> None:
        starts = [pair[0] for pair in self.growth]
        if (
            not starts
            or starts[0] != 0
            or starts != sorted(starts)
            or any(len(pair) != 2 or pair[1] < 1 for pair in self.growth)
        ):
            raise ValueError(
                f"growth is {self.growth}: give (images, side) pairs that start at 0 images and"
                " rise"
            )

    def render_resolution(self, seen: int) -> int:
        """Side of the ray grid."""
        return [pair[1] for pair in self.growth if pair[0] <= seen][-1]

    def blur(self, seen: int) -> float:
        """Standard deviation of the blur in pixels."""
        return self.blur_sigma * max(0.0, 1 - seen / self.blur_images) if self.blur_images else 0.0

    def swap_probability(self, seen: int) -> float:
        """Share of generator conditions that are swapped."""
        return self.swap_start + (self.swap_end - self.swap_start) * min(
            1.0, seen / max(1, self.swap_images)
        )

    def learning_rate(self, seen: int) -> float:
        """Factor on the learning rates."""
        if not self.decay_images:
            return 1.0
        left = max(0, self.total_images - seen) / self.decay_images
        return self.decay_floor + (1 - self.decay_floor) * min(1.0, left)
