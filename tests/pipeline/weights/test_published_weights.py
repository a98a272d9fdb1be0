"""Proof values: the converted networks compute what the programs that published them compute."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from skimage import data

from pipeline.evaluation.metrics.efficientnet import load_efficientnet
from pipeline.losses.dists import DISTS, FITTED, L2Pool, fitted_weights
from pipeline.losses.dlib_resnet import SAME_IDENTITY, SIDE, DlibResNet
from pipeline.losses.identity_distance import dlib_crop
from pipeline.losses.perceptual import LPIPS, NETWORKS, head_weights
from pipeline.losses.shift_tolerant import ShiftTolerantLoss, load_shift_tolerant_lpips
from pipeline.losses.trunks import vgg16
from pipeline.portraits.face import Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from tests.published_weights import published


def noise(side: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(42)
    one, other = torch.rand(count, 3, side, side), torch.rand(count, 3, side, side)
    return one * 2 - 1, other * 2 - 1


def test_dists_is_torchmetrics_documented_value():
    trunk = vgg16(pool=L2Pool).load(published("vgg16"), "VGG16")
    fitted = fitted_weights(FITTED.find(Path("nowhere")), 3 + sum(trunk.channels))
    with torch.no_grad():
        distances = DISTS(trunk, *fitted)(*noise(256, 5))
    expected = [0.1285, 0.1344, 0.1356, 0.1277, 0.1276]
    np.testing.assert_allclose(distances.numpy(), expected, atol=5e-5)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("alexnet", [0.0972526, 0.1220970, 0.1097547]),
        ("vgg16", [0.3353963, 0.3271080, 0.3126185]),
    ],
)
def test_lpips_is_that_of_the_package_lpips_0_1_4(network, expected):
    trunk = NETWORKS[network].build().load(published(network), network)
    heads = head_weights(NETWORKS[network].heads.find(Path("nowhere")), trunk.channels)
    with torch.no_grad():
        distances = LPIPS(trunk, heads)(*noise(64, 3))
    np.testing.assert_allclose(distances.numpy(), expected, atol=2e-6)


def test_shift_tolerant_lpips_is_that_of_the_package_stlpips_pytorch():
    network = load_shift_tolerant_lpips(published("shift_tolerant_lpips"))
    with torch.no_grad():
        distances = network(*noise(64, 3))
    np.testing.assert_allclose(distances.numpy(), [0.0418282, 0.0406681, 0.0371681], atol=1e-6)


def test_a_shift_by_a_pixel_costs_less_than_a_blur_and_has_a_gradient():
    loss = ShiftTolerantLoss(weights_folder=published("shift_tolerant_lpips").parent)
    image = torch.from_numpy(data.astronaut()[:128, 160:288]).permute(2, 0, 1)[None] / 127.5 - 1
    shifted = torch.roll(image, 1, -1)
    shrunk = torch.nn.functional.interpolate(image, scale_factor=0.25, mode="area")
    coarse = torch.nn.functional.interpolate(shrunk, scale_factor=4).requires_grad_()
    worse = loss.compare(coarse, image)
    worse.backward()
    assert loss.compare(shifted, image) < worse / 4
    assert coarse.grad is not None and coarse.grad.abs().max() > 0


def test_efficientnet_s_features_are_those_of_its_package():
    network, _ = load_efficientnet(published("efficientnet_lite0").parent)
    cat = data.chelsea()[:, 75:375]
    features = network(torch.from_numpy(cat).permute(2, 0, 1)[None] / 127.5 - 1)
    assert features.shape == (1, 1280)
    assert features.norm().item() == pytest.approx(15.46468, abs=2e-4)
    assert features.sum().item() == pytest.approx(166.0038, abs=5e-3)


def test_dlib_s_embedding_is_dlib_s():
    network = DlibResNet.load(published("identity")).eval()
    ramp = np.linspace(0, 255, SIDE).round()
    across, down = np.meshgrid(ramp, ramp)
    face = torch.tensor(np.stack([across, down, np.full_like(across, 128)]), dtype=torch.float32)
    with torch.no_grad():
        embedding = network(face[None] / 127.5 - 1)[0]
    expected = [-0.0497712, 0.1210319, 0.0553645, 0.0126414, -0.0519029, -0.0482321]
    np.testing.assert_allclose(embedding[:6].numpy(), expected, atol=1e-6)


def test_the_astronaut_altered_is_one_identity():
    network = DlibResNet.load(published("identity")).eval()
    framing = FaceCrops(FaceMeshDetector())

    def embedding(image: Image.Image) -> torch.Tensor:
        (framed,) = framing.frame(Picture(image, Path("astronaut.png")))
        assert framed.face_found
        with torch.no_grad():
            return network(dlib_crop(framed.cut(image, 512)[None]))[0]

    image = Image.fromarray(data.astronaut())
    altered = (ImageOps.mirror(image), ImageEnhance.Brightness(image).enhance(0.6))
    own = embedding(image)
    assert all((embedding(other) - own).norm() < 0.4 * SAME_IDENTITY for other in altered)
