"""Hooks that filter: blur, and a cartoon by edge-preserving smoothing.

Sizes are shares of the image's side, so that a setting means the same at 64² and at 512².
"""

from jaxtyping import Float
from kornia.color import lab_to_rgb, rgb_to_lab
from kornia.filters import gaussian_blur2d, guided_blur, sobel
from torch import Tensor

Images = Float[Tensor, "batch 3 height width"]

STEEPNESS = 4.0
"""Of the steps between two levels of lightness."""


class Blur:
    """A Gaussian blur.

    Args:
        sigma: standard deviation, in sides of the image.

    Raises:
        ValueError: it isn't in (0, 0.25].
    """

    def __init__(self, *, sigma: float | int) -> None:
        if not 0 < sigma <= 0.25:
            raise ValueError(f"sigma is {sigma}: give a share of the image's side up to 0.25")
        self.sigma = sigma

    def __call__(self, image: Images) -> Images:
        """The blurred image."""
        return blurred(image, self.sigma)


class Cartoon:
    """Flat colours with dark outlines: a guided filter (He et al., ECCV 2010) guided by the image
    itself smooths all but edges, repeatedly; lightness is then drawn towards a few levels.

    Args:
        radius: of the filter's window, in sides of the image.
        smoothness: contrast in [0, 1] below which an edge is smoothed away.
        rounds: how often.
        levels: of lightness; 0: as they are.
        outlines: how dark edges become, in [0, 1].

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self,
        *,
        radius: float | int = 0.03,
        smoothness: float | int = 0.1,
        rounds: int = 3,
        levels: int = 6,
        outlines: float | int = 0.5,
    ) -> None:
        if not (0 < radius <= 0.25 and smoothness > 0 and rounds >= 1 and levels >= 0):
            raise ValueError(
                f"radius {radius}, smoothness {smoothness}, rounds {rounds}, levels {levels}: give"
                " a share of the side up to 0.25, a positive contrast, at least 1 round, 0 or more"
                " levels"
            )
        if not 0 <= outlines <= 1:
            raise ValueError(f"outlines is {outlines}: give 0 to 1")
        self.radius, self.smoothness, self.rounds = radius, smoothness, rounds
        self.levels, self.outlines = levels, outlines

    def __call__(self, image: Images) -> Images:
        """The cartoon."""
        levels = (image + 1) / 2
        window = 2 * max(1, round(self.radius * image.shape[-1])) + 1
        for _ in range(self.rounds):
            levels = guided_blur(levels, levels, window, eps=self.smoothness**2).clamp(0, 1)
        edges = sobel(levels).amax(1, keepdim=True)
        if self.levels:
            levels = flattened(levels, self.levels)
        # an edge as strong as `smoothness` is an outline of half the strength
        drawn = edges.square() / (edges.square() + self.smoothness**2)
        return (2 * levels * (1 - self.outlines * drawn) - 1).clamp(-1, 1)


def blurred(
    image: Float[Tensor, "batch channel height width"], sigma: float | int
) -> Float[Tensor, "batch channel height width"]:
    """A Gaussian blur; `sigma` in sides of the image."""
    pixels = max(sigma * image.shape[-1], 1e-3)
    reach = min(round(3 * pixels), (image.shape[-1] - 1) // 2)
    return gaussian_blur2d(image, 2 * max(1, reach) + 1, (pixels, pixels)).clamp(-1, 1)


def flattened(levels: Images, count: int) -> Images:
    """Colours in [0, 1] with their lightness (CIELAB) drawn towards the nearest of `count` levels,
    softly (Winnemöller et al., SIGGRAPH 2006, equation 4): hard steps would look like stains.
    """
    lab = rgb_to_lab(levels)
    step = 100 / count
    nearest = ((lab[:, :1] / step).floor() + 0.5) * step
    lab[:, :1] = nearest + step / 2 * ((lab[:, :1] - nearest) * STEEPNESS / step).tanh()
    return lab_to_rgb(lab)
