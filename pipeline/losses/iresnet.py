"""The improved residual network (Duta et al. 2020) that ArcFace was trained with, by the names of
insightface's arcface_torch.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from .weight_files import read_weights

FACE_SIZE = 112
WIDTHS = (64, 128, 256, 512)


class IResNetBlock(nn.Module):
    """Normalise, convolve, normalise, PReLU, convolve, normalise; beside it the identity or a 1x1
    convolution.
    """

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(before, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )
            if stride > 1
            else None
        )

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out out_height out_width"]:
        """The residual is not activated at its end."""
        residual = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return residual + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    """Face crop → embedding whose direction is the identity.

    Args:
        depths: blocks of the four stages; (3, 4, 14, 3) is iresnet50.
        embedding: its length.
    """

    def __init__(self, depths: Sequence[int] = (3, 4, 14, 3), embedding: int = 512) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.prelu = nn.PReLU(WIDTHS[0])
        before = WIDTHS[0]
        for number, (channels, depth) in enumerate(zip(WIDTHS, depths, strict=True), 1):
            blocks = [
                IResNetBlock(before if i == 0 else channels, channels, 2 if i == 0 else 1)
                for i in range(depth)
            ]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            before = channels
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (FACE_SIZE // 16) ** 2, embedding)
        self.features = nn.BatchNorm1d(embedding)

    def forward(self, face: Float[Tensor, "batch 3 112 112"]) -> Float[Tensor, "batch embedding"]:
        """Of RGB crops in [-1, 1]; the embedding is not normalised."""
        x = self.prelu(self.bn1(self.conv1(face)))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))

    @classmethod
    def load(cls, path: Path) -> "IResNet":
        """The network of a state dict, whose depth (18, 34, 50, 100, …) its names tell.

        Raises:
            ValueError: the file is of another network.
        """
        published = read_weights(path)
        depths = [
            sum(
                name.startswith(f"layer{n}.") and name.endswith(".conv1.weight")
                for name in published
            )
            for n in range(1, 5)
        ]
        network = (
            cls(depths, embedding=published["fc.weight"].shape[0])
            if all(depths) and "fc.weight" in published
            else None
        )
        own = network.state_dict() if network else {}
        optional = {name for name in own if name.endswith("num_batches_tracked")}
        wrong = sorted(
            n
            for n in own
            if n not in optional and (n not in published or published[n].shape != own[n].shape)
        )
        surplus = sorted(published.keys() - own.keys())
        if network is None or wrong or surplus:
            raise ValueError(
                f"{path} is not an iresnet of insightface's arcface_torch (conv1, layer1.0.bn1, …,"
                " fc, features): "
                + ", ".join(
                    [
                        *(f"{name} is missing or of another shape" for name in wrong[:3]),
                        *(f"{n} is unknown" for n in surplus[:3]),
                    ]
                )
            )
        network.load_state_dict(
            {name: published[name].float() for name in own if name not in optional}, strict=False
        )
        return network
