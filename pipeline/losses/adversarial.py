"""The non-saturating logistic losses (Goodfellow et al. 2014, sec. 3) of EG3D and LP3D.

softplus(x) = log(1 + eˣ), hence -log D = softplus(-logit) and -log(1 - D) = softplus(logit).
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_logits: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    """The mean of softplus(-logit): small where the discriminator takes the fakes for real."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(
    real_logits: Float[Tensor, "batch 1"], fake_logits: Float[Tensor, "batch 1"]
) -> Float[Tensor, ""]:
    """softplus(-real) + softplus(fake), means over the batch: small where real images have positive
    logits and fakes negative ones.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
