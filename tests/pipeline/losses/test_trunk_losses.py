"""LPIPS and DISTS against torchmetrics' implementations of the published ones, on random trunks in
torchvision's layout.
"""

import dataclasses
import types

import pytest
import torch
import torchmetrics.functional.image.dists as reference_dists
import torchmetrics.functional.image.lpips as reference_lpips
from safetensors.torch import save_file
from torch import nn

from pipeline.losses.dists import DISTSLoss
from pipeline.losses.dssim import DSSIMLoss
from pipeline.losses.perceptual import PerceptualLoss
from pipeline.losses.weighted_sum import WeightedSum
from teachers.rendering.rendering import Rendering


def conv(before, after, kernel=3, **options):
    return [
        nn.Conv2d(before, after, kernel, padding=options.pop("padding", 1), **options),
        nn.ReLU(),
    ]


def torchvision_features(network: str) -> nn.Sequential:
    """torchvision's `features`, written down once more and in full."""
    pool = nn.MaxPool2d
    if network == "alexnet":
        first = [
            *conv(3, 64, 11, stride=4, padding=2),
            pool(3, 2),
            *conv(64, 192, 5, padding=2),
            pool(3, 2),
        ]
        return nn.Sequential(*first, *conv(192, 384), *conv(384, 256), *conv(256, 256), pool(3, 2))
    shallow = [*conv(3, 64), *conv(64, 64), pool(2, 2), *conv(64, 128), *conv(128, 128), pool(2, 2)]
    middle = [*conv(128, 256), *conv(256, 256), *conv(256, 256), pool(2, 2)]
    deep = [*conv(256, 512), *conv(512, 512), *conv(512, 512), pool(2, 2)]
    return nn.Sequential(
        *shallow, *middle, *deep, *conv(512, 512), *conv(512, 512), *conv(512, 512), pool(2, 2)
    )


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Sequential]:
    torch.manual_seed(0)
    return {name: torchvision_features(name).requires_grad_(False) for name in ("vgg16", "alexnet")}


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    """Weights in the public layout: one as torch.save writes it, with a classifier, one in
    safetensors.
    """
    folder = tmp_path_factory.mktemp("weights")
    for name, features in networks.items():
        state = {f"features.{key}": value for key, value in features.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors")
        torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, folder / f"{name}.pth")
    return folder


def pictures(size: int = 48, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    target = (
        nn.functional.interpolate(torch.rand(batch, 3, size // 8, size // 8), size, mode="bicubic")
        * 2
        - 1
    )
    return target + 0.2 * torch.randn_like(target), target


@pytest.mark.parametrize(
    "network, heads, ending", [("vgg16", "vgg", "safetensors"), ("alexnet", "alex", "pth")]
)
def test_lpips_equals_the_published_implementation(
    networks, folder, network, heads, ending, monkeypatch
):
    monkeypatch.setattr(reference_lpips, "_get_tv_model_features", lambda *_: networks[network])
    reference = reference_lpips._LPIPS(
        net=heads, pnet_rand=True
    )  # its heads are the published ones
    prediction, target = pictures()
    expected = reference(prediction, target).mean()
    assert expected > 1e-3
    loss = PerceptualLoss(weights_folder=folder, network=network, file=f"{network}.{ending}")
    assert loss.compare(prediction, target).item() == pytest.approx(expected.item(), rel=1e-4)
    assert loss.compare(target, target).item() == 0


def test_dists_equals_the_published_implementation(networks, folder, monkeypatch):
    monkeypatch.setattr(reference_dists, "_TORCHVISION_AVAILABLE", True)
    monkeypatch.setattr(
        reference_dists, "VGG16_Weights", types.SimpleNamespace(DEFAULT=None), raising=False
    )
    monkeypatch.setattr(
        reference_dists,
        "vgg16",
        lambda weights: types.SimpleNamespace(features=networks["vgg16"]),
        raising=False,
    )
    original = torch.load
    monkeypatch.setattr(
        torch, "load", lambda path: original(path, map_location="cpu", weights_only=True)
    )
    reference = reference_dists.DISTSNetwork()
    monkeypatch.undo()
    prediction, target = pictures()
    expected = reference((prediction + 1) / 2, (target + 1) / 2).mean()
    assert expected > 1e-3
    loss = DISTSLoss(weights_folder=folder, file="vgg16.pth")
    assert loss.compare(prediction, target).item() == pytest.approx(expected.item(), rel=1e-3)
    assert loss.compare(target, target).item() == pytest.approx(0, abs=1e-5)


@pytest.fixture(scope="module", params=["perceptual", "dists"])
def loss(request, folder):
    if request.param == "dists":
        return DISTSLoss(weights_folder=folder, file="vgg16.pth")
    return PerceptualLoss(weights_folder=str(folder), network="alexnet", file="alexnet.pth")


def test_gradients_reach_the_prediction_and_nothing_else(loss):
    prediction, target = (picture.requires_grad_() for picture in pictures(32))
    loss.compare(prediction, target).backward()
    assert prediction.grad.isfinite().all() and prediction.grad.abs().max() > 0
    assert target.grad is None
    assert not any(
        parameter.requires_grad or parameter.grad is not None
        for parameter in loss.network._hidden[0].parameters()
    )


def test_flat_pictures_have_finite_gradients(loss):
    prediction = torch.zeros(1, 3, 32, 32, requires_grad=True)
    loss.compare(prediction, torch.zeros(1, 3, 32, 32)).backward()
    assert prediction.grad.isfinite().all()


def test_a_frozen_trunk_moves_with_its_loss_but_is_neither_saved_nor_trained(loss):
    losses = WeightedSum({"looking": loss, "dssim": DSSIMLoss()})
    assert (
        losses.state_dict() == {} and not list(losses.parameters()) and not list(losses.buffers())
    )
    losses.train()
    network = loss.network._hidden[0]
    assert not network.training
    assert {tensor.dtype for tensor in (*network.parameters(), *network.buffers())} == {
        torch.float32
    }
    losses.double()
    assert {tensor.dtype for tensor in (*network.parameters(), *network.buffers())} == {
        torch.float64
    }
    losses.float()


def test_the_raw_pair_counts_only_where_it_is_another_picture(loss):
    off, on = pictures(32)
    target = Rendering(on, on, on, on[:, :1], on[:, :1])
    prediction = dataclasses.replace(target, image=off, image_raw=off)
    single = loss.compare(off, on).item()
    assert loss(prediction, target).item() == pytest.approx(single)
    assert loss(
        dataclasses.replace(prediction, image_raw=off.clone()), target
    ).item() == pytest.approx(2 * single)


def test_pictures_too_small_for_the_trunk_are_refused(folder):
    loss = PerceptualLoss(weights_folder=folder, network="alexnet", file="alexnet.pth")
    with pytest.raises(
        ValueError, match=r"\(16, 16\) pixels is too small for this network, which needs 31²"
    ):
        loss.compare(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))


def test_another_networks_weights_are_refused(folder):
    with pytest.raises(
        ValueError, match=r"vgg16.pth is not torchvision's alexnet for ImageNet: features.0.weight"
    ):
        PerceptualLoss(weights_folder=folder, network="alexnet", file="vgg16.pth")
    with pytest.raises(ValueError, match="not fitted to 'resnet': expected vgg16 or alexnet"):
        PerceptualLoss(weights_folder=folder, network="resnet")


def test_what_torchvision_has_downloaded_is_found(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine.pth").symlink_to(folder / "alexnet.pth")
    assert (
        PerceptualLoss(
            weights_folder=tmp_path / "empty", network="alexnet", file="mine.pth"
        ).network
        is not None
    )


def test_a_users_own_heads_come_first(folder, tmp_path):
    (tmp_path / "alexnet.pth").symlink_to(folder / "alexnet.pth")
    (tmp_path / "lpips_alex.pth").write_bytes(b"something else")
    with pytest.raises(
        ValueError,
        match=r"lpips_alex.pth is not LPIPS's linear weights for AlexNet.*expected sha256 df73285e",
    ):
        PerceptualLoss(weights_folder=tmp_path, network="alexnet", file="alexnet.pth")
