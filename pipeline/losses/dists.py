"""DISTS: similarity of texture (means) and structure (covariances) of VGG16's activations (Ding et
al. 2020, eq. 6-8).
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .frozen import Frozen, NetworkDistance
from .trunks import VGG16_FILE, Trunk, torchvision_file, vgg16
from .weight_files import WeightFile, read_weights, require_weights, shipped_with_torchmetrics

STABILIZER = 1e-6
"""c₁ and c₂ of equations 6 and 7."""

FITTED = WeightFile(
    "dists_weights.pt",
    "the α and β of DISTS",
    "https://github.com/dingkeyan93/DISTS (DISTS_pytorch/weights.pt)",
    "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    (shipped_with_torchmetrics("dists_models/weights.pt"),),
)


class L2Pool(nn.Module):
    """L2 pooling (Hénaff and Simoncelli 2016): √(g ∗ x²) with a 3x3 Hann window g, stride 2."""

    window: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        side = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer(
            "window", torch.outer(side, side).expand(channels, 1, 3, 3).clone(), persistent=False
        )

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel half_height half_width"]:
        """Half the resolution."""
        # The square root has no finite gradient at 0.
        return (
            F.conv2d(x.square(), self.window, stride=2, padding=1, groups=x.shape[1]) + 1e-12
        ).sqrt()


class DISTS(nn.Module):
    """The distance 1 - Σ (α l + β s) over the channels of image and activations (eq. 8).

    Args:
        trunk: VGG16 with L2 pooling.
        alpha, beta: weights of texture l and structure s: the image's three channels first, then
            those of the activations.
    """

    mean: Tensor
    deviation: Tensor
    alpha: Tensor
    beta: Tensor

    def __init__(
        self, trunk: Trunk, alpha: Float[Tensor, " channel"], beta: Float[Tensor, " channel"]
    ) -> None:
        super().__init__()
        self.trunk = trunk
        # The file holds them before they are divided by their sum.
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha / total)
        self.register_buffer("beta", beta / total)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, " batch"]:
        """One distance for each pair of images in [-1, 1]; the target gets no gradient."""
        with torch.no_grad():
            expected = self._maps(target)
        textures, structures = [], []
        for one, other in zip(self._maps(prediction), expected, strict=True):
            one_mean, other_mean = one.mean((2, 3)), other.mean((2, 3))
            one_variance, other_variance = (
                one.var((2, 3), unbiased=False),
                other.var((2, 3), unbiased=False),
            )
            covariance = (
                (one - one_mean[:, :, None, None]) * (other - other_mean[:, :, None, None])
            ).mean((2, 3))
            textures.append(
                _likeness(one_mean * other_mean, one_mean.square() + other_mean.square())
            )
            structures.append(_likeness(covariance, one_variance + other_variance))
        return 1 - torch.cat(textures, 1) @ self.alpha - torch.cat(structures, 1) @ self.beta

    def _maps(self, image: Tensor) -> list[Tensor]:
        """The image in [0, 1] and the activations."""
        image = (image + 1) / 2
        return [image, *self.trunk((image - self.mean) / self.deviation)]


def _likeness(product: Tensor, squares: Tensor) -> Tensor:
    return (2 * product + STABILIZER) / (squares + STABILIZER)


class DISTSLoss(NetworkDistance):
    """DISTS of the final images plus that of the raw ones. Unlike LPIPS it tolerates resampled
    texture. It is 0 for equal images, at most about 1.

    Args:
        weight: factor in the sum.
        raw_weight: factor of the raw images within the loss.
        weights_folder: has torchvision's VGG16 weights (.pth or .safetensors). α and β come with
            torchmetrics, unless `dists_weights.pt` is there.
        file: another name than torchvision's.
        sha256: hash of that file, or its beginning.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """

    def __init__(
        self,
        *,
        weights_folder: Path | str,
        weight: float | int = 1.0,
        raw_weight: float | int = 1.0,
        file: str | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__(weight=weight, raw_weight=raw_weight)
        trunk_file = torchvision_file(VGG16_FILE, "vgg16", file=file, sha256=sha256)
        trunk_path, fitted_path = require_weights([trunk_file, FITTED], Path(weights_folder))
        trunk = vgg16(pool=L2Pool).load(trunk_path, trunk_file.contents)
        self.network = Frozen(DISTS(trunk, *fitted_weights(fitted_path, 3 + sum(trunk.channels))))


def fitted_weights(path: Path, channels: int) -> tuple[Tensor, Tensor]:
    """α and β, the image's channels first; ValueError if the file holds something else."""
    published = read_weights(path)
    if any(
        name not in published or published[name].numel() != channels for name in ("alpha", "beta")
    ):
        raise ValueError(
            f"{path} does not hold the weights of DISTS: expected alpha and beta of {channels}"
            " channels"
        )
    return published["alpha"].flatten(), published["beta"].flatten()
