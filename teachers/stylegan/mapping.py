"""z and a camera label → w (StyleGAN2's mapping network with EG3D's camera conditioning)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .linear import EqualizedLinear, normalize_second_moment


class MappingNetwork(nn.Module):
    """Fully connected layers, in StyleGAN at a hundredth of the learning rate.

    Args:
        z_dim: latent size; 0: the label alone is mapped (a discriminator's camera embedding).
        label_dim: size of the label; 0: unconditional.
        w_dim: size of the output.
        num_layers: how many layers.
        tracks_average: keep the running mean of w, the centre of truncation.
        learning_rate: factor on the effective learning rate of the layers.
    """

    w_avg: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        label_dim: int,
        w_dim: int,
        num_layers: int,
        tracks_average: bool = True,
        learning_rate: float = 0.01,
    ) -> None:
        super().__init__()
        self.z_dim, self.label_dim, self.num_layers = z_dim, label_dim, num_layers
        if label_dim:
            self.embed = EqualizedLinear(label_dim, w_dim)
        in_channels = z_dim + (w_dim if label_dim else 0)
        for layer in range(num_layers):
            setattr(
                self,
                f"fc{layer}",
                EqualizedLinear(
                    in_channels if layer == 0 else w_dim,
                    w_dim,
                    learning_rate=learning_rate,
                    activate=True,
                ),
            )
        if tracks_average:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Float[Tensor, "batch z_dim"] | None,
        label: Float[Tensor, "batch label_dim"] | None = None,
    ) -> Float[Tensor, "batch w_dim"]:
        """The latent w before truncation.

        z and the embedded label are each normalised to a mean square of 1, then concatenated.
        """
        parts = []
        if self.z_dim and z is not None:
            parts.append(normalize_second_moment(z))
        if self.label_dim:
            if label is None:
                raise ValueError(
                    f"this mapping network was trained with {self.label_dim}-number camera labels:"
                    " give it a camera"
                )
            parts.append(normalize_second_moment(self.embed(label)))
        x = torch.cat(parts, 1)
        for layer in range(self.num_layers):
            x = getattr(self, f"fc{layer}")(x)
        return x

    def track(self, w: Float[Tensor, "batch w_dim"], decay: float = 0.998) -> None:
        """Moves the running mean towards the mean of a training batch."""
        self.w_avg.lerp_(w.detach().mean(0).to(self.w_avg), 1 - decay)
