"""A published ResNet-34 file gives, batch norm folded, the published network's features."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from students.backbone import DeepLabBackbone, ResNet34
from students.imagenet import load_resnet34


class NormalisedBlock(nn.Module):
    """torchvision's BasicBlock, written from its state dict names."""

    def __init__(self, before: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if stride != 1 or before != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class NormalisedResNet34(nn.Module):
    """ResNet-34 with batch norm on RGB, dilated to stride 8 (dilation has no weights, so the names
    stay torchvision's).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        stages = [(64, 3, 1, 1), (128, 4, 2, 1), (256, 6, 1, 2), (512, 3, 1, 4)]
        for stage, (width, blocks, stride, dilation) in enumerate(stages, 1):
            layers = [
                NormalisedBlock(
                    before if i == 0 else width, width, stride if i == 0 else 1, dilation
                )
                for i in range(blocks)
            ]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            before = width
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


@pytest.fixture(scope="module")
def published() -> NormalisedResNet34:
    torch.manual_seed(0)
    network = NormalisedResNet34()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.fixture(scope="module")
def file(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet34-test.pth"
    torch.save(published.state_dict(), path)
    return path


def test_folded_weights_compute_the_published_features_whatever_the_coordinates(published, file):
    network = ResNet34().eval()
    load_resnet34(network, file)
    image, coordinates = torch.randn(1, 3, 64, 64), torch.randn(1, 2, 64, 64)
    with torch.no_grad():
        expected = published(image)
        ours = network(torch.cat([image, coordinates], 1)).deep
    assert expected.shape == ours.shape == (1, 512, 8, 8)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_every_weight_of_the_published_network_but_its_classifier_is_used(published, file):
    names = {
        name
        for name in published.state_dict()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    assert (
        len(names) == 36 * 5
    )  # 33 convolutions and 3 shortcuts, each with the 4 tensors of its normalisation
    assert len(ResNet34().state_dict()) == 36 * 2


@pytest.mark.parametrize(
    "name",
    ["conv1.weight", "bn1.running_var", "layer2.0.downsample.1.bias", "layer4.2.bn2.running_mean"],
)
def test_a_file_without_one_of_them_is_refused_by_its_name(file, name):
    path = file.with_name("missing.pth")
    torch.save(
        {key: value for key, value in torch.load(file, weights_only=True).items() if key != name},
        path,
    )
    with pytest.raises(ValueError, match=re.escape(name)):
        load_resnet34(ResNet34(), path)


def test_another_network_s_file_is_refused(published, file):
    state = published.state_dict() | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
    path = file.with_name("resnet50.pth")
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight has shape"):
        load_resnet34(ResNet34(), path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 truncated"])
def test_a_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "resnet34.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"resnet34\.pth can't be read"):
        load_resnet34(ResNet34(), path)


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return (trace.write_text, ("x",))

    path = tmp_path / "resnet34.pth"
    torch.save({"conv1.weight": Payload()}, path)
    with pytest.raises(ValueError, match="can't be read"):
        load_resnet34(ResNet34(), path)
    assert not trace.exists()


def test_the_deep_features_are_at_an_eighth_and_the_layers_where_torchvision_has_them():
    with torch.device("meta"):
        features = DeepLabBackbone()(torch.zeros(1, 5, 256, 256))
    assert features.layer1.shape == (1, 64, 64, 64)
    assert features.layer2.shape == (1, 128, 32, 32)
    assert features.deep.shape == (1, 256, 32, 32)
