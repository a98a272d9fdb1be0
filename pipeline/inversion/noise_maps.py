"""Optimisation of a StyleGAN's noise maps, with the regularisation that keeps the content of images
out of them (StyleGAN2 app. D).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.teacher import Teacher

SMALLEST = 8
"""The side at which the pyramid of a map ends."""


class NoiseMaps:
    """Noise maps of a generator on which its planes depend.

    Args:
        maps: square, of any sizes; leaves that require gradients.
    """

    def __init__(self, maps: Sequence[Tensor]) -> None:
        self.maps = maps

    @classmethod
    @torch.enable_grad()
    def of(cls, teacher: Teacher) -> "NoiseMaps":
        """Those of a copy of a teacher, which become leaves with gradients; none if its planes
        don't depend on noise.
        """
        maps = []
        for module in _noisy(teacher):
            maps.append(
                dict(module.named_buffers(recurse=False))["noise_const"]
                .detach()
                .clone()
                .requires_grad_()
            )
            setattr(module, "noise_const", maps[-1])  # noqa: B010 (nn.Module's attributes have no types)
        planes = teacher.synthesize(teacher.mean_latent()).planes
        if not planes.requires_grad:
            return cls([])
        # A map of the super-resolution has no gradient: the planes don't depend on it.
        reached = torch.autograd.grad(planes.sum(), maps, allow_unused=True)
        return cls(
            [one for one, gradient in zip(maps, reached, strict=True) if gradient is not None]
        )

    def regularizer(self) -> Float[Tensor, ""]:
        """Squared autocorrelation at a shift of one pixel, summed over both directions, the maps
        and the levels of their pyramids; small for white noise.
        """
        terms = [_agreement(one) for map_ in self.maps for one in _pyramid(map_)]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def normalize(self) -> None:
        """Sets the mean to 0 and the standard deviation to 1, in place."""
        for one in self.maps:
            one.sub_(one.mean()).mul_(one.square().mean().clamp(min=1e-12).rsqrt())

    def freeze(self) -> None:
        """Disables gradients."""
        for one in self.maps:
            one.requires_grad_(False)


def has_noise_maps(teacher: Teacher) -> bool:
    """Whether its networks have noise maps, used or not."""
    return bool(_noisy(teacher))


def _noisy(teacher: Teacher) -> list[nn.Module]:
    if not isinstance(teacher, nn.Module):
        return []
    return [
        module
        for module in teacher.modules()
        if "noise_const" in dict(module.named_buffers(recurse=False))
    ]


def _pyramid(one: Tensor) -> list[Tensor]:
    levels = [one]
    while levels[-1].shape[-1] > SMALLEST:
        # the mean of four independent values has half of their deviation, hence the factor
        levels.append(F.avg_pool2d(levels[-1][None, None], 2)[0, 0] * 2)
    return levels


def _agreement(one: Tensor) -> Tensor:
    return (one * one.roll(1, 0)).mean().square() + (one * one.roll(1, 1)).mean().square()
