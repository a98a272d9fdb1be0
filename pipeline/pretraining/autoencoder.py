"""A warm start of the generator: it is first trained as the decoder of an autoencoder.

Adversarial training from scratch can lock in early mistakes, such as faces with one eye in the
middle, for a long time. Reconstructing images puts what all faces share in its place first. Each
identity is still seen in one view only.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.stylegan.discriminator import DiscriminatorBlock
from teachers.stylegan.linear import EqualizedLinear

from .data_module import TrainingBatch
from .discriminator_view import discriminator_channels
from .gan import TeacherGAN


class ImageEncoder(nn.Module):
    """The discriminator's input → mean and log variance of z.

    Args:
        resolution: side of the images.
        image_channels: their channels.
        z_dim: size of z.
        channel_base, channel_max: a block at resolution r has min(channel_base / r, channel_max)
            channels.
    """

    def __init__(
        self,
        *,
        resolution: int,
        image_channels: int,
        z_dim: int,
        channel_base: int,
        channel_max: int,
    ) -> None:
        super().__init__()
        sides = [1 << power for power in range(resolution.bit_length() - 1, 2, -1)]
        channels = {side: min(channel_base // side, channel_max) for side in [*sides, 4]}
        first = [image_channels] + [0] * (len(sides) - 1)
        self.blocks = nn.Sequential(
            *(
                DiscriminatorBlock(new, channels[r], channels[r // 2], conv_clamp=None)
                for r, new in zip(sides, first, strict=True)
            )
        )
        self.out = EqualizedLinear(channels[4] * 16, 2 * z_dim)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """Mean and log variance, both `[batch z_dim]`."""
        features = self.blocks(image.contiguous(memory_format=torch.channels_last))
        mean, log_variance = self.out(features.flatten(1)).chunk(2, 1)
        return mean, log_variance - 2


class TeacherAutoencoder(TeacherGAN):
    """Trains the generator, with an encoder that isn't kept, to reconstruct images by their own
    cameras (variational autoencoder, Kingma & Welling 2014).

    The discriminator isn't trained: adversarial training that starts from the result begins with an
    untrained one.

    Args:
        encoder: channels of the encoder: `channel_base`, `channel_max`.
        rate: learning rate of Adam (0.9, 0.99) for both.
        divergence_weight: weight of the KL divergence of z, in nats.
        edge_weight: weight of the error of the differences between neighbouring pixels.
        arguments: of `TeacherGAN`.
    """

    def __init__(
        self,
        *,
        encoder: dict[str, int],
        rate: float,
        divergence_weight: float,
        edge_weight: float,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        config = self.config
        self.encoder = ImageEncoder(
            resolution=config.image_resolution,
            image_channels=discriminator_channels(config),
            z_dim=config.z_dim,
            **encoder,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rate, self.divergence_weight, self.edge_weight = rate, divergence_weight, edge_weight

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for generator and encoder."""
        parameters = [*self.generator.parameters(), *self.encoder.parameters()]
        return [torch.optim.Adam(parameters, self.rate, (0.9, 0.99))]

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Encodes images, renders them by their own cameras, and compares."""
        optimizer: Any = self.optimizers()
        optimizer.param_groups[0]["lr"] = self.rate * self.schedule.learning_rate(self.seen)
        shown = self.view.of_images(batch.real, self.seen)
        mean, log_variance = self.encoder(shown)
        z = mean + (log_variance / 2).exp() * torch.randn(
            mean.shape, generator=batch.random, device=self.device
        )
        conditions = self._conditions(batch.real.camera, batch.random)
        rendering = self._render(z, batch.real.camera, conditions, batch.random)[1]
        drawn = self.view.of_rendering(rendering, self.seen)
        error = (drawn - shown).abs().mean() + self.edge_weight * sum(
            (drawn.diff(dim=axis) - shown.diff(dim=axis)).abs().mean() for axis in (2, 3)
        )
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        optimizer.zero_grad()
        self.manual_backward(error + self.divergence_weight * divergence)
        optimizer.step()
        self.log_dict({"error": error, "divergence": divergence}, prog_bar=True)
        self._finish_step()
