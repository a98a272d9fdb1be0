"""Hooks of light and colour: exposure, white balance, saturation and contrast.

Light adds up in linear values, so exposure and white balance are factors there; what leaves the
display's range is clipped.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from kornia.enhance import adjust_hue, adjust_saturation
from torch import Tensor

Images = Float[Tensor, "batch 3 height width"]

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of linear sRGB (ITU-R BT.709)."""


class Exposure:
    """More or less light.

    Args:
        stops: powers of two; -1 halves the light.
    """

    def __init__(self, *, stops: float | int) -> None:
        self.stops = stops

    def __call__(self, image: Images) -> Images:
        """The image under more light."""
        return in_linear_light(image, lambda light: light * 2**self.stops)


class WhiteBalance:
    """Another colour of the light; a grey keeps its luminance.

    Args:
        warmth: red against blue, in stops; positive is warmer.
        tint: green against red and blue, in stops; positive is greener.
    """

    def __init__(self, *, warmth: float | int, tint: float | int = 0.0) -> None:
        gains = 2 ** torch.tensor([warmth / 2 - tint / 2, tint / 2, -warmth / 2 - tint / 2])
        self.gains = gains / (gains @ torch.tensor(LUMINANCE))

    def __call__(self, image: Images) -> Images:
        """The image under another light."""
        gains = self.gains.to(image)[:, None, None]
        return in_linear_light(image, lambda light: light * gains)


class Colour:
    """Saturation, contrast and hue.

    Args:
        saturation: 0 is grey, 1 leaves it.
        contrast: about middle grey; 1 leaves it.
        hue_deg: turns the colours around, degrees.

    Raises:
        ValueError: a negative factor, or a hue beyond 180°.
    """

    def __init__(
        self,
        *,
        saturation: float | int = 1.0,
        contrast: float | int = 1.0,
        hue_deg: float | int = 0.0,
    ) -> None:
        if saturation < 0 or contrast < 0 or abs(hue_deg) > 180:
            raise ValueError(
                f"saturation {saturation}, contrast {contrast}, hue_deg {hue_deg}: give factors of"
                " at least 0 and an angle of -180 to 180"
            )
        self.saturation, self.contrast = float(saturation), float(contrast)  # kornia takes no int
        self.hue = hue_deg * torch.pi / 180

    def __call__(self, image: Images) -> Images:
        """The image with other colours."""
        levels = adjust_saturation((image + 1) / 2, self.saturation)
        if self.hue:
            levels = adjust_hue(levels, self.hue)
        return ((2 * levels - 1) * self.contrast).clamp(-1, 1)


def in_linear_light(image: Images, change: Callable[[Tensor], Tensor]) -> Images:
    """Applies a change to linear values in [0, 1]; what leaves that range is clipped."""
    light = change(rgb_to_linear_rgb((image + 1) / 2))
    return linear_rgb_to_rgb(light.clamp(0, 1)) * 2 - 1
