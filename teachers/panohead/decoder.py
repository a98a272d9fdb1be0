"""The decoder with PanoHead's colours, and the field without the box's border."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.eg3d.decoder import Decoder
from teachers.rendering.renderer import TriplaneField
from teachers.rendering.triplane import Triplane
from teachers.rendering.two_layers import TwoLayers

EMPTY_LOGIT = -1000.0
"""Density logit where the field is cut off."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda out: out,
    "sigmoid": Decoder.colors,
    "lrelu": lambda out: F.leaky_relu(out, 0.2) * 2**0.5,
}


class PanoHeadDecoder(Decoder):
    """EG3D's decoder with other colours: `activation` is a key of `ACTIVATIONS`."""

    def __init__(self, *, activation: str, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.activation = activation

    def colors(self, out: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:  # type: ignore[override]
        """The decoder's outputs after the activation."""
        return ACTIVATIONS[self.activation](out)


class CroppedField(TriplaneField):
    """A field that is empty outside |x|, |z| ≤ `limit`; y isn't cropped.

    Logits are averaged between neighbouring samples (`compositing.interval_weights`): an interval
    with one end outside is empty, too.
    """

    def __init__(self, triplane: Triplane, decoder: Decoder, limit: float) -> None:
        super().__init__(triplane, decoder)
        self.limit = limit

    def __call__(
        self, points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits at world points."""
        colors, logits = super().__call__(points)
        return colors, self._cropped(logits, points)

    def density_logit(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Density logits alone."""
        return self._cropped(super().density_logit(points), points)

    def two_layers(self) -> TwoLayers | None:
        """The kernels crop nothing."""
        return None

    def _cropped(self, logits: Tensor, points: Tensor) -> Tensor:
        outside = (points[..., (0, 2)].abs() > self.limit).any(-1, keepdim=True)
        return torch.where(outside, EMPTY_LOGIT, logits)
