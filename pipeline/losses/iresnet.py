"""The improved residual network (Duta et al. 2020) that ArcFace was trained with, by the names of
insightface's arcface_torch.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from .weight_files import fitting_weights, read_weights

FACE_SIZE = 112
WIDTHS = (64, 128, 256, 512)

CONTENTS = "an iresnet of insightface's arcface_torch (conv1, layer1.0.bn1, …, fc, features)"


class IResNetBlock(nn.Module):
    """BN, 3x3 convolution, BN, PReLU, 3x3 convolution, BN; the shortcut is the identity or a 1x1
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
        """There is no activation after the sum."""
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
        """The network of a state dict; its depth (18, 34, 50, 100, …) follows from the names.

        Raises:
            ValueError: the file holds another network.
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
        surplus = [] if network is None else sorted(published.keys() - network.state_dict().keys())
        if network is None or surplus:
            raise ValueError(
                f"{path} is not {CONTENTS}"
                + "".join(f"; {name} is unknown" for name in surplus[:3])
            )
        network.load_state_dict(fitting_weights(path, network, CONTENTS))
        return network
