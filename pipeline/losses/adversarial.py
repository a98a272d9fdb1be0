"""The non-saturating adversarial losses (Goodfellow et al. 2014), as EG3D and LP3D use them."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_logits: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    """Small when the discriminator takes the fakes for real."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(
    real_logits: Float[Tensor, "batch 1"], fake_logits: Float[Tensor, "batch 1"]
) -> Float[Tensor, ""]:
    """Small when real pictures have positive logits and fakes negative ones."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
